"""One transaction a window: how the request ended, its bars, what was refused, and what is known now. All, or nothing.

Only an answer with bars changes bars. A pacing violation, a timeout, an error, a missing permission, a cancelled request
and an emptiness seen for the first time are stored as what they are, and leave every session as missing as it was.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from itertools import islice
from operator import le
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

from scizor.db import answer, audit, bars, calendar, coverage, requests, staging
from scizor.db.answer import Answer
from scizor.db.bars import Merged
from scizor.db.coverage import Known
from scizor.db.runs import Run, fence
from scizor.db.series import Series, lock_symbol
from scizor.db.sql import query
from scizor.db.staging import Refused, Staged
from scizor.market import coverage as knowledge
from scizor.market.bars import copy_text
from scizor.market.expectations import AS_EVER, Expectations, auction_start
from scizor.market.types import Bar, Coverage, Outcome, OutcomeKind, Session, Timeframe, Window

Connection = psycopg.Connection[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of a window. received = stored + revised + unchanged + quarantined + duplicates + unfinished.

    request: its row in collection_logs. kind: as it was stored (empty-confirmed after the second emptiness). rules: rows
    in quarantine by the rule's name (another_contract: the whole answer, and a person must hear of it at once). coverage:
    what is known of the series now.
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
    sessions: Sequence[Session] | None = None, expectations: Expectations = AS_EVER,
) -> Stored:  # fmt: skip
    """Stores one answer. Repeating it changes no bar, so an unknown commit may be repeated.

    run: its fence is asked first; None for tools without one. request: its pending row; None makes one. sessions: the
    whole calendar, oldest first, as loaded from the database; None loads it. expectations: of its exchange. Raises BusyError when the run has lost its
    lock, FindingError when a timestamp has no zone.
    """
    if outcome.is_ok and not outcome.bars:  # an empty list is not an answer
        outcome = replace(outcome, kind=OutcomeKind.EMPTY_UNCONFIRMED, text=outcome.text or "no bars came")
    if sessions is None:
        sessions = calendar.load(connection, window.instrument.calendar)
    text = text_of(window.timeframe, outcome.bars, sessions) if outcome.is_ok else ""
    return store_text(connection, run, request, window, outcome, text, now, sessions, expectations)


def store_text(
    connection: Connection, run: Run | None, request: int | None, window: Window, outcome: Outcome, text: str,
    now: datetime, sessions: Sequence[Session], expectations: Expectations = AS_EVER,
) -> Stored:  # fmt: skip
    """The same for bars that are COPY text already (market.bars.copy_text)."""
    if connection.info.transaction_status is not TransactionStatus.IDLE:
        raise RuntimeError("a window is a transaction of its own: what is staged lives until its commit")
    received = answer.read(outcome.bars if outcome.is_ok else (), text, window.timeframe)
    with connection.transaction():
        if run is not None:
            fence(connection, run)
        lock_symbol(connection, window.instrument.symbol_id)
        series, known = coverage.load_series(connection, window.instrument.symbol_id, window.timeframe, window.origin)
        number = known.request if request is None else request
        outcome = knowledge.confirmed(known.coverage, window, outcome, sessions)
        staged, refused = Staged(), Refused()
        if outcome.is_ok:
            asked_at = outcome.asked_at or now
            staged = staging.stage(connection, series, received, sessions, asked_at, known.held)
            if staging.is_foreign(connection, series, staged, outcome.bars, window.instrument.calendar):
                refused = staging.refuse_all(connection, series, number, now)
            else:
                refused = staging.refuse(connection, series, staged, sessions, asked_at, number, now)
        # From here on little has to be waited for: the server merges while we think about coverage.
        with connection.pipeline():
            merged, present = _merge(connection, series, window, received, staged, refused, sessions, known, number, now, expectations)
            doubtful = _doubtful(window, received, sessions) if expectations.empty_minutes_have_bars else ()
            after = knowledge.after(known.coverage, window, outcome, sessions, present, refused.quarantine, now, doubtful, staged.dates)
            coverage.store(
                connection, series, known, after, request=number, refused=refused, dates=knowledge.dates_of(sessions), now=now,
                calendar=window.instrument.calendar,
            )  # fmt: skip
            counts = {
                "records_collected": staged.received, "stored": merged.stored, "revised": merged.revised,
                "unchanged": merged.unchanged, "quarantined": refused.quarantined, "duplicates": refused.duplicates,
                "unfinished": refused.unfinished,
            }  # fmt: skip
            requests.store_request(
                connection, number, run, window, series.origin, outcome, counts, now, is_pending=request is not None
            )
        merged.verify()
    return Stored(
        number, outcome.kind, after, staged.received, merged.stored, merged.revised, merged.unchanged, refused.quarantined,
        refused.duplicates, refused.unfinished, refused.rules,
    )  # fmt: skip


def text_of(timeframe: Timeframe, answer: Sequence[Bar], sessions: Sequence[Session]) -> str:
    """COPY text of an answer. A shorter bar belongs to the last session that had opened by its start; if it lies after
    that session's end, a rule finds it."""
    if timeframe is Timeframe.DAY1:
        return copy_text(answer)
    starts = [each.start for each in answer if isinstance(each.start, datetime) and each.start.tzinfo is not None]
    if len(starts) < len(answer):
        return copy_text(answer, [date.min] * len(answer))  # which refuses them
    return copy_text(answer, _session_dates(starts, sessions))


def _session_dates(starts: Sequence[datetime], sessions: Sequence[Session]) -> list[date]:
    """For each instant the last session that had opened by then; before the first one, the day itself."""
    if not all(map(le, starts, islice(starts, 1, None))):
        places = [bisect_right(sessions, each, key=_open) for each in starts]
        return [sessions[place - 1].session_date if place else each.date() for place, each in zip(places, starts, strict=True)]
    days: list[date] = []
    for place in range(bisect_right(sessions, starts[0], key=_open), len(sessions) + 1):
        end = bisect_left(starts, sessions[place].open, len(days)) if place < len(sessions) else len(starts)
        days += [sessions[place - 1].session_date] * (end - len(days)) if place else [each.date() for each in starts[:end]]
        if end == len(starts):
            break
    return days


def _open(session: Session) -> datetime:
    return session.open


def _merge(
    connection: Connection, series: Series, window: Window, received: Answer, staged: Staged, refused: Refused,
    sessions: Sequence[Session], known: Known, request: int, now: datetime, expectations: Expectations,
) -> tuple[Merged, set[date]]:  # fmt: skip
    """Brings the bars into the table. Also the session dates of the window that have all their bars there now."""
    if staged.received == 0:
        return Merged(), set()
    daily, zone = series.timeframe is Timeframe.DAY1, "" if window.instrument.is_index else window.instrument.calendar
    dates = set(staged.dates - (refused.dates if daily else frozenset()))
    merged = bars.merge(connection, series, staged, refused, zone, request, now)
    if merged.stored or merged.revised:
        values = {**series.key, "first": min(dates), "last": max(dates), "added": merged.stored, "now": now}
        connection.execute(query("store_metadata"), values)
    if not daily:
        return merged, _whole(connection, series, received, staged, refused, _asked(window, sessions), expectations)
    if known.bar_count > sum(_between(sessions, *span) for span in known.coverage.spans):
        # The table has bars that no window asked for: one more than was wanted came with some answer.
        dates |= bars.stored_dates(connection, series, window.first, window.last)
    return merged, dates


def _asked(window: Window, sessions: Sequence[Session]) -> Sequence[Session]:
    low = bisect_left(sessions, window.first, key=_session_date)
    return sessions[low : bisect_right(sessions, window.last, key=_session_date)]


def _doubtful(window: Window, received: Answer, sessions: Sequence[Session]) -> set[date]:
    """Sessions of which shorter bars came, but not all of continuous trading."""
    if window.timeframe is Timeframe.DAY1:
        return set()
    return {
        each.session_date for each in _asked(window, sessions)
        if 0 < bisect_left(received.starts, each.close) - bisect_left(received.starts, each.open) < knowledge.expected(each, window.timeframe)
    }  # fmt: skip


def _whole(
    connection: Connection, series: Series, received: Answer, staged: Staged, refused: Refused, asked: Sequence[Session],
    expectations: Expectations,
) -> set[date]:  # fmt: skip
    """Of these sessions, those of which the table has all shorter bars. The answer is in the table by now, so the table need
    only be asked of sessions that the answer alone does not complete."""
    found = {
        each.session_date for each in asked
        if each.session_date not in refused.dates and not received.has_double
        and bisect_left(received.starts, each.close) - bisect_left(received.starts, each.open) >= knowledge.expected(each, series.timeframe)
        and ((begin := auction_start(each, series.timeframe, expectations)) is None
             or bisect_left(received.starts, each.last) > bisect_left(received.starts, begin))
    }  # fmt: skip
    left = [each for each in asked if each.session_date not in found]
    if left and (not staged.is_first or refused.rows):
        counts = bars.session_counts(connection, series, left)
        for _, day in audit.auctions(connection, series.timeframe, series.origin, left, [series.symbol_id], expectations):
            counts[day] = counts.get(day, 0) + 1
        found |= {
            each.session_date for each in left if counts.get(each.session_date, 0) >= knowledge.expected(each, series.timeframe, expectations)
        }
    return found


def _between(sessions: Sequence[Session], first: date, last: date) -> int:
    """How many sessions lie between two dates, both included."""
    return bisect_right(sessions, last, key=_session_date) - bisect_left(sessions, first, key=_session_date)


def _session_date(session: Session) -> date:
    return session.session_date
