"""What is known of each series, as market.coverage thinks of it, in the tables.

A series is one row with its complete ranges, and one row for each stretch of sessions that is not complete; an empty answer
or an error changes rows only where the knowledge changed. A stretch that healed keeps its row, closed by resolved_at.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

import psycopg
from psycopg.types.multirange import Multirange

from scizor.db.bars import Series
from scizor.db.sql import array, query
from scizor.market.types import Coverage, Incomplete, Origin, Span, Timeframe, Why

Connection = psycopg.Connection[tuple[Any, ...]]

DAY = timedelta(days=1)


class Gap(NamedTuple):
    """An open row of coverage_gaps with its evidence."""

    id: int
    incomplete: Incomplete
    request_id: int
    empty_request_id: int | None
    quarantine_id: int | None


class Known(NamedTuple):
    """A series and the rows behind it. held: the session dates between which bars has anything of it; None: nothing."""

    coverage: Coverage
    gaps: list[Gap]
    held: Span | None
    is_new: bool


def load(
    connection: Connection, timeframe: Timeframe, origin: Origin, number: int, symbols: Collection[int] | None = None
) -> dict[int, Coverage]:
    """What is known, by symbol id; symbols of which nothing is known are absent. number: the origin's in origins."""
    values = {"timeframe": str(timeframe), "origin": number, "symbols": None if symbols is None else sorted(symbols)}
    gaps: dict[int, list[Incomplete]] = {}
    for symbol_id, first, last, why, attempts, next_at, since in connection.execute(query("gaps"), values):
        gaps.setdefault(symbol_id, []).append(_incomplete(first, last, why, attempts, next_at, since))
    return {
        symbol_id: Coverage(symbol_id, timeframe, origin, _spans(complete), tuple(gaps.get(symbol_id, ())), refetched_to)
        for symbol_id, complete, refetched_to in connection.execute(query("coverage"), values)
    }


def load_series(connection: Connection, series: Series, origin: Origin) -> Known:
    """One series, with the rows behind it. Nothing known is an empty Coverage."""
    row = connection.execute(query("coverage_of_series"), series.key).fetchone()
    if row is None:
        return Known(Coverage(series.symbol_id, series.timeframe, origin), [], None, is_new=True)
    complete, refetched_to, first, last = row
    gaps = [
        Gap(number, _incomplete(start, end, why, attempts, next_at, since), request, empty, quarantine)
        for number, start, end, why, attempts, next_at, since, request, empty, quarantine in connection.execute(
            query("gaps_of_series"), series.key
        )
    ]
    incomplete = tuple(each.incomplete for each in gaps)
    found = Coverage(series.symbol_id, series.timeframe, origin, _spans(complete), incomplete, refetched_to)
    return Known(found, gaps, Span(first, last) if first else None, is_new=False)


def store(
    connection: Connection, series: Series, known: Known, after: Coverage, *,
    request: int, quarantine: Mapping[date, int], dates: Sequence[date], now: datetime, calendar: str,
) -> int:  # fmt: skip
    """Writes what differs between two states of knowledge; returns how many rows changed.

    request: the evidence of whatever is new. quarantine: row ids by session date, of this answer. dates: the calendar's
    session dates.
    """
    values = {**series.key, "now": now, "calendar": calendar}
    complete = ",".join(f"[{first},{last + DAY})" for first, last in after.spans)
    changed = 0
    before = known.coverage
    if known.is_new or (before.spans, before.refetched_to) != (after.spans, after.refetched_to):
        row = {**values, "complete": f"{{{complete}}}", "refetched_to": after.refetched_to}
        changed += connection.execute(query("store_coverage"), row).rowcount
    old = {each.incomplete.session_date: each for each in known.gaps if each.incomplete.why is not Why.CLOSED}
    new = {each.session_date: each for each in _separate(after.incomplete, dates)}
    gone = [first for first in old if first not in new]
    if gone:
        closed = _closed_days(connection, calendar, gone)
        for name, ids in (
            ("close_gaps", [old[each].id for each in gone if each in closed]),
            ("resolve_gaps", [old[each].id for each in gone if each not in closed]),
        ):
            if ids:
                changed += connection.execute(query(name), {**values, "ids": ids}).rowcount
    added: list[dict[str, Any]] = []
    altered: list[dict[str, Any]] = []
    for first, each in new.items():
        former = old.get(first)
        if former is not None and former.incomplete == each:
            continue
        row = {
            "first": first, "last": each.last or first, "why": str(each.why), "attempts": min(each.attempts, 32767),
            "next_at": each.next_at, "since": each.since,
            **_evidence(each, former or _covering(old.values(), first), request, quarantine.get(first)),
        }  # fmt: skip
        if former is not None:
            altered.append({**row, "id": former.id})
        else:
            added.append(row)
    for name, rows in (("change_gaps", altered), ("add_gaps", added)):
        if rows:
            columns = {f"{column}s": array(row[column] for row in rows) for column in rows[0]}
            changed += connection.execute(query(name), {**values, **columns}).rowcount
    return changed


def _evidence(each: Incomplete, source: Gap | None, request: int, quarantined: int | None) -> dict[str, int | None]:
    """Which rows prove it: the request that says so, the first empty answer, the refused bar. source: the former row."""
    first_empty = request if each.since is not None else None
    if source is not None:
        former = source.incomplete
        if (former.why, former.attempts, former.next_at, former.since) == (each.why, each.attempts, each.next_at, each.since):
            request = source.request_id  # only its stretch was cut anew
        if each.since is not None and former.since == each.since:
            first_empty = source.empty_request_id
        quarantined = quarantined or source.quarantine_id
    quarantined = quarantined if each.why is Why.QUARANTINED else None
    return {"request_id": request, "empty_request_id": first_empty, "quarantine_id": quarantined}


def _covering(gaps: Iterable[Gap], day: date) -> Gap | None:
    """The former row of whose stretch this day was a part."""
    for gap in gaps:
        if gap.incomplete.session_date <= day <= (gap.incomplete.last or gap.incomplete.session_date):
            return gap
    return None


def _separate(incomplete: Iterable[Incomplete], dates: Sequence[date]) -> Iterator[Incomplete]:
    """Stretches of quarantined sessions as one row each: each has a refused bar of its own to show."""
    for each in incomplete:
        if each.why is Why.QUARANTINED and each.last is not None:
            for day in dates[bisect_left(dates, each.session_date) : bisect_right(dates, each.last)]:
                yield each._replace(session_date=day, last=None)
        else:
            yield each


def _closed_days(connection: Connection, calendar: str, days: Collection[date]) -> set[date]:
    """Of these, the days that an override has closed: no longer missing, and the override is why."""
    if not days:
        return set()
    values = {"calendar": calendar, "days": list(days)}
    return {row[0] for row in connection.execute(query("closed_days"), values)}


def _incomplete(first: date, last: date, why: str, attempts: int, next_at: datetime | None, since: datetime | None) -> Incomplete:
    return Incomplete(first, Why(why), attempts, next_at, None if first == last else last, since)


def _spans(complete: Multirange[date]) -> tuple[Span, ...]:
    return tuple(Span(each.lower, each.upper - DAY) for each in complete if each.lower and each.upper)
