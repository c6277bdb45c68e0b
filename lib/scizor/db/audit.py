"""What the ledger of coverage says, held against a recount of the bars. Reads only."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple

import psycopg

from scizor.db.sql import array, query
from scizor.market.completeness import Totals
from scizor.market.expectations import Expectations, auction_start
from scizor.market.types import Session, Timeframe

Connection = psycopg.Connection[tuple[Any, ...]]

Counted = dict[int, dict[date, int]]


class Evidence(NamedTuple):
    """An open row of coverage_gaps and what stands behind it. first, last: session dates, both included. request: the row of
    collection_logs that says so last, with its outcome, IB's code and words; empty_request: the first answer without it;
    quarantine, rule: the refused bar. since: of that first answer, UTC."""

    symbol_id: int
    first: date
    last: date
    why: str
    is_explained: bool
    attempts: int
    next_at: datetime | None
    since: datetime | None
    noticed_at: datetime
    request: int
    outcome: str
    ib_code: int | None
    words: str | None
    empty_request: int | None
    quarantine: int | None
    rule: str | None
    closed_on: date | None


def recount(
    connection: Connection, timeframe: Timeframe, origin: int, sessions: Sequence[Session], symbols: Collection[int]
) -> Counted:
    """Bars in continuous trading by symbol id and session date, counted in the table itself, and with them those that lie in
    an archive. origin: its number; sessions: those of the calendar that all these symbols have. A session without any is absent."""
    if not sessions or not symbols:
        return {}
    values = {
        "timeframe": str(timeframe), "origin": origin, "symbols": sorted(symbols), **_between(sessions[0].session_date, sessions[-1].session_date),
        "dates": array(each.session_date for each in sessions), "opens": array(each.open for each in sessions),
        "closes": array(each.close for each in sessions),
    }  # fmt: skip
    found: Counted = {}
    for symbol_id, day, count in connection.execute(query("bars_by_session"), values):
        found.setdefault(symbol_id, {})[day] = count
    for symbol_id, day, count in _archived(connection, timeframe, origin, sessions[0].session_date, sessions[-1].session_date, symbols):
        held = found.setdefault(symbol_id, {})
        held[day] = held.get(day, 0) + count
    return found


def add_auctions(
    counted: Counted, connection: Connection, timeframe: Timeframe, origin: int, sessions: Sequence[Session], symbols: Collection[int],
    expectations: Expectations,
) -> None:  # fmt: skip
    """One more for each session with a bar of its closing auction, where that is expected of these symbols."""
    for symbol_id, day in auctions(connection, timeframe, origin, sessions, symbols, expectations):
        held = counted.setdefault(symbol_id, {})
        held[day] = held.get(day, 0) + 1


def auctions(
    connection: Connection, timeframe: Timeframe, origin: int, sessions: Sequence[Session], symbols: Collection[int],
    expectations: Expectations,
) -> list[tuple[int, date]]:  # fmt: skip
    """Symbol id and session date of the closing auctions that the table holds a bar of. Asks nothing where none is expected."""
    begins = [(each, begin) for each in sessions if (begin := auction_start(each, timeframe, expectations)) is not None]
    if not begins or not symbols:
        return []
    values = {
        "timeframe": str(timeframe), "origin": origin, "symbols": sorted(symbols), "first": begins[0][1], "last": begins[-1][0].last,
        "dates": array(each.session_date for each, _ in begins), "begins": array(begin for _, begin in begins),
        "ends": array(each.last for each, _ in begins),
    }  # fmt: skip
    return connection.execute(query("auction_bars"), values).fetchall()


def daily_totals(
    connection: Connection, origin: int, first: date, last: date, symbols: Collection[int] | None = None
) -> dict[int, Totals]:
    """Of the daily bars in the table and in archives, by symbol id: completeness.Totals of their session dates in [first, last]."""
    values = {"origin": origin, "symbols": None if symbols is None else sorted(symbols), **_between(first, last, days=0)}
    found = {symbol_id: Totals(*numbers) for symbol_id, *numbers in connection.execute(query("daily_totals"), values)}
    for symbol_id, day, _ in _archived(connection, Timeframe.DAY1, origin, first, last, symbols):
        found[symbol_id] = found.get(symbol_id, Totals()).with_day(day)
    return found


def _archived(
    connection: Connection, timeframe: Timeframe, origin: int, first: date, last: date, symbols: Collection[int] | None
) -> list[tuple[int, date, int]]:
    """Symbol id, session date and bars of what has left the table for files that were verified."""
    values = {
        "timeframe": str(timeframe), "origin": origin, "first_day": first, "last_day": last,
        "symbols": None if symbols is None else sorted(symbols),
    }  # fmt: skip
    return connection.execute(query("archived_counts"), values).fetchall()


def _between(first: date, last: date, days: int = 1) -> dict[str, datetime]:
    """Starts of bars of these session dates: a session of shorter bars begins and ends in other UTC days, too."""
    return {
        "first": datetime.combine(first, time(0), UTC) - timedelta(days=days),
        "end": datetime.combine(last, time(0), UTC) + timedelta(days=days + 1),
    }


def evidence(
    connection: Connection, timeframe: Timeframe, origin: int, symbols: Collection[int] | None = None
) -> dict[int, list[Evidence]]:
    """What is not complete, by symbol id, oldest first."""
    values = {"timeframe": str(timeframe), "origin": origin, "symbols": None if symbols is None else sorted(symbols)}
    found: dict[int, list[Evidence]] = {}
    for symbol_id, first, end, *rest in connection.execute(query("gap_evidence"), values):
        found.setdefault(symbol_id, []).append(Evidence(symbol_id, first, end - timedelta(days=1), *rest))
    return found
