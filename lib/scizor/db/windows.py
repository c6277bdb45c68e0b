"""One transaction a window: how the request ended, its bars, what was refused, and what is known now. All, or nothing.

Only an answer with bars changes bars. A pacing violation, a timeout, an error, a missing permission, a cancelled request
and an emptiness seen for the first time are stored as what they are, and leave every session as missing as it was.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

from scizor.db import bars, calendar, coverage, requests
from scizor.db.bars import Merged, Refused, Series, Staged
from scizor.db.runs import Run, fence
from scizor.db.sql import query
from scizor.market import coverage as knowledge
from scizor.market.bars import copy_text
from scizor.market.types import Bar, Coverage, Outcome, OutcomeKind, Session, Timeframe, Window

Connection = psycopg.Connection[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of a window. received = stored + revised + unchanged + quarantined + duplicates + unfinished.

    request: its row in collection_logs. kind: as it was stored (empty-confirmed after the second emptiness). rules: rows
    in quarantine by the rule's name. coverage: what is known of the series now.
    """

    request: int
    kind: OutcomeKind
    coverage: Coverage
    received: int = 0
    stored: int = 0
    revised: int = 0
    unchanged: int = 0
    quarantined: int = 0
    duplicates: int = 0
    unfinished: int = 0
    rules: dict[str, int] = field(default_factory=dict)


def store(
    connection: Connection, run: Run | None, request: int | None, window: Window, outcome: Outcome, now: datetime, *,
    sessions: Sequence[Session] | None = None,
) -> Stored:  # fmt: skip
    """Stores one answer. Repeating it changes no bar, so an unknown commit may be repeated.

    run: its fence is asked first; None for tools without one. request: its pending row; None makes one. sessions: the
    whole calendar, oldest first, as loaded from the database; None loads it. Raises BusyError when the run has lost its
    lock, FindingError when a timestamp has no zone.
    """
    if outcome.is_ok and not outcome.bars:  # an empty list is not an answer
        outcome = replace(outcome, kind=OutcomeKind.EMPTY_UNCONFIRMED, text=outcome.text or "no bars came")
    if sessions is None:
        sessions = calendar.load(connection, window.instrument.calendar)
    text = text_of(window.timeframe, outcome.bars, sessions) if outcome.is_ok else ""
    return store_text(connection, run, request, window, outcome, text, now, sessions)


def store_text(
    connection: Connection, run: Run | None, request: int | None, window: Window, outcome: Outcome, text: str | bytes,
    now: datetime, sessions: Sequence[Session],
) -> Stored:  # fmt: skip
    """The same for bars that are COPY text already (market.bars.copy_text)."""
    if connection.info.transaction_status is not TransactionStatus.IDLE:
        raise RuntimeError("a window is a transaction of its own: what is staged lives until its commit")
    with connection.transaction():
        if run is not None:
            fence(connection, run)
        bars.lock_symbol(connection, window.instrument.symbol_id)
        series = Series(window.instrument.symbol_id, window.timeframe, bars.origin_id(connection, window.origin))
        if request is None:
            request = requests.open_request(connection, run, window, series.origin, outcome.asked_at or now)
        known = coverage.load_series(connection, series, window.origin)
        outcome = knowledge.confirmed(known.coverage, window, outcome, sessions)
        staged, refused, merged = Staged(), Refused(), Merged()
        present: set[date] = set()
        if outcome.is_ok:
            asked_at = outcome.asked_at or now
            staged = bars.stage(connection, series, text, sessions, asked_at)
            refused = bars.refuse(connection, series, staged, sessions, asked_at, request, now)
            left = staged.received - refused.rows
            kept = set(staged.dates) - (refused.dates if window.timeframe is Timeframe.DAY1 else set())
            first, last = min(kept, default=window.first), max(kept, default=window.last)
            is_first = known.held is None or last < known.held.first or first > known.held.last
            merged = bars.merge(connection, series, staged, left, window.instrument.calendar, request, now, is_first=is_first)
            if merged.stored or merged.revised:
                held = {"first": first, "last": last, "added": merged.stored, "now": now}
                connection.execute(query("store_metadata"), {**series.key, **held})
            present = kept if is_first and window.timeframe is Timeframe.DAY1 else _present(connection, series, window, sessions)
        after = knowledge.after(known.coverage, window, outcome, sessions, present, refused.quarantine, now)
        coverage.store(
            connection, series, known, after, request=request, quarantine=refused.quarantine,
            dates=knowledge.dates_of(sessions), now=now, calendar=window.instrument.calendar,
        )  # fmt: skip
        counts = {
            "records_collected": staged.received, "stored": merged.stored, "revised": merged.revised,
            "unchanged": merged.unchanged, "quarantined": refused.quarantined, "duplicates": refused.duplicates,
            "unfinished": refused.unfinished,
        }  # fmt: skip
        requests.close_request(connection, request, outcome, counts, now)
    return Stored(
        request, outcome.kind, after, staged.received, merged.stored, merged.revised, merged.unchanged, refused.quarantined,
        refused.duplicates, refused.unfinished, refused.rules,
    )  # fmt: skip


def text_of(timeframe: Timeframe, answer: Sequence[Bar], sessions: Sequence[Session]) -> str:
    """COPY text of an answer. A shorter bar belongs to the last session that had opened by its start; if it lies after
    that session's end, a rule finds it."""
    if timeframe is Timeframe.DAY1:
        return copy_text(answer)
    opens = [each.open for each in sessions]
    days: list[date] = []
    low = high = datetime(1, 1, 1, tzinfo=UTC)
    day = date(1970, 1, 1)
    for bar in answer:
        start = bar.start
        if isinstance(start, datetime) and start.tzinfo is not None and not low <= start < high:
            place = bisect_right(opens, start)
            low = opens[place - 1] if place else low
            high = opens[place] if place < len(opens) else low + timedelta(days=1)
            day = sessions[place - 1].session_date if place else start.date()
        days.append(day)
    return copy_text(answer, days)


def _present(connection: Connection, series: Series, window: Window, sessions: Sequence[Session]) -> set[date]:
    """The window's sessions that have all their bars in the table. A daily session has one; of shorter bars continuous
    trading has a fixed number, and what a closing auction adds is welcome."""
    counts = bars.session_counts(connection, series, window.first, window.last)
    if series.timeframe is Timeframe.DAY1:
        return set(counts)
    seconds = series.timeframe.seconds
    return {
        each.session_date for each in sessions
        if counts.get(each.session_date, 0) >= -(-int((each.close - each.open).total_seconds()) // seconds)
    }  # fmt: skip
