"""What is known of each series, as market.coverage thinks of it, in the tables.

A series is one row with its complete ranges, and a few rows of sessions that are not complete: those of which the same is
known by the same evidence are one row, so that twenty years of a thin share are no thousand rows. A row is written only
where knowledge changed; one whose sessions have healed stays, closed by resolved_at.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

import psycopg

from scizor.db.series import Series, key_of, origin_id
from scizor.db.sql import array, query
from scizor.db.staging import Refused
from scizor.market.types import Coverage, Incomplete, Kind, Origin, Span, Timeframe, Why

Connection = psycopg.Connection[tuple[Any, ...]]

DAY = timedelta(days=1)

#: Why, attempts, next_at, since, and the day of what has a refused bar of its own to show.
State = tuple[Why, int, datetime | None, datetime | None, date | None]


class Gap(NamedTuple):
    """An open row of coverage_gaps with its evidence."""

    id: int
    spans: tuple[Span, ...]
    state: State
    request_id: int
    empty_request_id: int | None
    quarantine_id: int | None


class Known(NamedTuple):
    """A series and the rows behind it. held: the session dates between which bars has anything of it, None: nothing; bar_count:
    how many bars. request: the number for the next row of collection_logs."""

    coverage: Coverage
    gaps: list[Gap]
    held: Span | None
    bar_count: int
    is_new: bool
    request: int


def load(
    connection: Connection, timeframe: Timeframe, origin: Origin, number: int, symbols: Collection[int] | None = None
) -> dict[int, Coverage]:
    """What is known, by symbol id; symbols of which nothing is known are absent. number: the origin's in origins."""
    values = {"timeframe": str(timeframe), "origin": number, "symbols": None if symbols is None else sorted(symbols)}
    gaps: dict[int, list[Incomplete]] = {}
    for symbol_id, days, text, attempts, next_at, since in connection.execute(query("gaps"), values):
        why = Why(text)
        gaps.setdefault(symbol_id, []).extend(
            Incomplete(first, why, attempts, next_at, None if first == last else last, since) for first, last in _spans(days)
        )
    return {
        symbol_id: Coverage(
            symbol_id, timeframe, origin, _spans(complete), tuple(sorted(gaps.get(symbol_id, ()), key=_first)), refetched_to
        )
        for symbol_id, complete, refetched_to in connection.execute(query("coverage"), values)
    }


def _first(each: Incomplete) -> date:
    return each.session_date


def kinds(connection: Connection) -> list[tuple[Timeframe, Origin, int]]:
    """Bar sizes and origins of which anything is known, with the origin's number."""
    return [
        (Timeframe(timeframe), Origin(Kind(kind), source, regular_hours), number)
        for timeframe, kind, source, regular_hours, number in connection.execute(query("series_known"))
    ]


def load_series(connection: Connection, symbol_id: int, timeframe: Timeframe, origin: Origin) -> tuple[Series, Known]:
    """One series, with the rows behind it. Nothing known is an empty Coverage; an origin that is new is made."""
    values = {"symbol_id": symbol_id, "timeframe": str(timeframe), **key_of(origin)}
    row = connection.execute(query("coverage_of_series"), values).fetchone()
    if row is None:
        series = Series(symbol_id, timeframe, origin_id(connection, origin))
        row = connection.execute(query("coverage_of_series"), values).fetchone()
    assert row is not None
    request, number, is_new, complete, refetched_to, first, last, count = row
    series = Series(symbol_id, timeframe, number)
    if is_new:
        return series, Known(Coverage(symbol_id, timeframe, origin), [], None, 0, True, request)
    gaps = []
    for number, days, why, attempts, next_at, since, *evidence in connection.execute(query("gaps_of_series"), series.key):
        spans = _spans(days)
        gaps.append(Gap(number, spans, _state(Why(why), attempts, next_at, since, spans[0].first), *evidence))
    incomplete = sorted(
        Incomplete(first, *gap.state[:3], None if first == last else last, gap.state[3])
        for gap in gaps for first, last in gap.spans
    )  # fmt: skip
    found = Coverage(series.symbol_id, series.timeframe, origin, _spans(complete), tuple(incomplete), refetched_to)
    return series, Known(found, gaps, Span(first, last) if first else None, count or 0, False, request)


def store(
    connection: Connection, series: Series, known: Known, after: Coverage, *,
    request: int, refused: Refused, dates: Sequence[date], now: datetime, calendar: str,
) -> None:  # fmt: skip
    """Writes what differs between two states of knowledge.

    request, refused: the evidence of whatever is new. dates: the calendar's session dates.
    """
    before = known.coverage
    values = {**series.key, "now": now, "calendar": calendar}
    if known.is_new or (before.spans, before.refetched_to) != (after.spans, after.refetched_to):
        row = {**values, "complete": _multirange(after.spans), "refetched_to": after.refetched_to}
        connection.execute(query("store_coverage"), row)
    if not known.is_new and before.incomplete == after.incomplete:
        return
    old = [each for each in known.gaps if each.state[0] is not Why.CLOSED]
    kept, fresh = _assign(after.incomplete, old, dates)
    for gap in old:
        spans = kept.get(gap.id, ())
        if spans and spans != gap.spans:
            connection.execute(query("cut_gap"), {"id": gap.id, "days": _multirange(spans)})
    left = [each for each in old if each.id not in kept]
    added: list[dict[str, Any]] = []
    for state, spans in fresh.items():
        former = next((each for each in left if each.spans == spans), None)
        source = former or _covering(old, spans[0].first)
        row = {"days": _multirange(spans), **_columns(state), **_evidence(state, source, request, refused.quarantine)}
        if former is not None:
            left.remove(former)
            connection.execute(query("change_gap"), {**values, **row, "id": former.id})
        else:
            added.append(row)
    if added:
        columns = {name: array(each[name] for each in added) for name in added[0] if name != "request_id"}
        connection.execute(query("add_gaps"), {**values, **columns, "request_id": request})
    if left:
        _resolve(connection, left, values)


def _assign(
    incomplete: Iterable[Incomplete], old: Sequence[Gap], dates: Sequence[date]
) -> tuple[dict[int, tuple[Span, ...]], dict[State, tuple[Span, ...]]]:
    """Which stretches stay with the row that says the same of them already, and those that need a new row, by state."""
    kept: dict[int, list[Span]] = {}
    fresh: dict[State, list[Span]] = {}
    rows: dict[State, list[Gap]] = {}
    for gap in old:
        rows.setdefault(gap.state, []).append(gap)
    for each in _separate(incomplete, dates):
        state = _state(each.why, each.attempts, each.next_at, each.since, each.session_date)
        rest = [Span(each.session_date, each.last or each.session_date)]
        for gap in rows.get(state, ()):
            common, rest = _cut(rest, gap.spans)
            if common:
                kept.setdefault(gap.id, []).extend(common)
        rest = [span for span in rest if bisect_left(dates, span.first) < bisect_right(dates, span.last)]
        if rest:
            fresh.setdefault(state, []).extend(rest)
    return {key: tuple(sorted(each)) for key, each in kept.items()}, {key: tuple(each) for key, each in fresh.items()}


def _cut(spans: Sequence[Span], by: Sequence[Span]) -> tuple[list[Span], list[Span]]:
    """What of `spans` lies in `by`, and what does not."""
    inside: list[Span] = []
    rest = list(spans)
    for other in by:
        left: list[Span] = []
        for span in rest:
            first, last = max(span.first, other.first), min(span.last, other.last)
            if first > last:
                left.append(span)
                continue
            inside.append(Span(first, last))
            if span.first < first:
                left.append(Span(span.first, first - DAY))
            if last < span.last:
                left.append(Span(last + DAY, span.last))
        rest = left
    return inside, rest


def _separate(incomplete: Iterable[Incomplete], dates: Sequence[date]) -> Iterator[Incomplete]:
    """Stretches of quarantined sessions one by one: each has a refused bar of its own to show."""
    for each in incomplete:
        if each.why is Why.QUARANTINED and each.last is not None:
            for day in dates[bisect_left(dates, each.session_date) : bisect_right(dates, each.last)]:
                yield each._replace(session_date=day, last=None)
        else:
            yield each


def _evidence(state: State, source: Gap | None, request: int, quarantined: dict[date, int]) -> dict[str, int | None]:
    """Which rows prove it: the request that says so, the first empty answer, the refused bar. source: the former row."""
    why, _, _, since, day = state
    first_empty = request if since is not None else None
    if source is not None and since is not None and source.state[3] == since:
        first_empty = source.empty_request_id
    refused = None
    if why is Why.QUARANTINED and day is not None:
        refused = quarantined.get(day) or (source.quarantine_id if source else None)
    return {"request_id": request, "empty_request_id": first_empty, "quarantine_id": refused}


def _resolve(connection: Connection, gaps: Sequence[Gap], values: dict[str, Any]) -> None:
    """Rows of which nothing is left. A day on which there was no session after all is closed, and the override is why."""
    closed = {}
    days = [each.spans[0].first for each in gaps if len(each.spans) == 1 and each.spans[0].first == each.spans[0].last]
    if days:
        row = {**values, "days": days}
        closed = {day: True for (day,) in connection.execute(query("closed_days"), row)}
    for gap in gaps:
        name = "close_gap" if gap.spans[0].first in closed and len(gap.spans) == 1 else "resolve_gap"
        connection.execute(query(name), {**values, "id": gap.id, "day": gap.spans[0].first})


def _covering(gaps: Iterable[Gap], day: date) -> Gap | None:
    """The former row of whose sessions this day was one."""
    return next((gap for gap in gaps if any(first <= day <= last for first, last in gap.spans)), None)


def _state(why: Why, attempts: int, next_at: datetime | None, since: datetime | None, first: date) -> State:
    return (why, attempts, next_at, since, first if why is Why.QUARANTINED else None)


def _columns(state: State) -> dict[str, Any]:
    why, attempts, next_at, since, _ = state
    return {"why": str(why), "attempts": min(attempts, 32767), "next_at": next_at, "since": since}


def _multirange(spans: Iterable[Span]) -> str:
    """Its text: psycopg's own takes ten times as long."""
    return "{" + ",".join(f"[{first},{last + DAY})" for first, last in spans) + "}"


def _spans(days: str) -> tuple[Span, ...]:
    """Of a datemultirange's text, {[2024-01-02,2024-01-05),[...)}: psycopg's own reading takes ten times as long."""
    read = date.fromisoformat
    return tuple(Span(read(each[1:11]), read(each[12:22]) - DAY) for each in days[1:-1].replace("),", ")\n").split("\n")) if len(days) > 2 else ()
