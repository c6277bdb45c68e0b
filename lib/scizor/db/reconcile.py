"""What a reconciliation reads and writes: official bars as they were traded, and rows of reconciliations."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import date, datetime
from typing import Any, NamedTuple

import psycopg

from scizor.db.sql import query
from scizor.market.reconcile import Difference, Session
from scizor.market.types import Bar, Timeframe

Connection = psycopg.Connection[tuple[Any, ...]]


class Series(NamedTuple):
    """An official series. first, last: session dates."""

    symbol_id: int
    symbol: str
    calendar: str
    timeframe: Timeframe
    first: date
    last: date


def series(connection: Connection, symbols: Collection[str] | None, timeframe: Timeframe | None = None) -> list[Series]:
    values = {"symbols": None if symbols is None else sorted(symbols), "timeframe": timeframe and str(timeframe)}
    return [
        Series(number, symbol, calendar, Timeframe(size), first, last)
        for number, symbol, calendar, size, first, last in connection.execute(query("reconcile_series"), values)
    ]


def bars(connection: Connection, of: Series, first: date, last: date) -> list[Bar]:
    """The series' bars as traded, oldest first; a daily bar's start is its session date."""
    values = {"symbol_id": of.symbol_id, "timeframe": str(of.timeframe), "first": first, "last": last}
    daily = of.timeframe is Timeframe.DAY1
    return [
        Bar(day if daily else start, open_, high, low, close, volume)
        for start, day, open_, high, low, close, volume in connection.execute(query("reconcile_bars"), values)
    ]


def sessions(connection: Connection, of: Series, first: date, last: date) -> dict[date, Session]:
    """The series' bars, a session as one."""
    values = {
        "symbol_id": of.symbol_id, "timeframe": str(of.timeframe), "first": first, "last": last, "calendar": of.calendar,
        "seconds": of.timeframe.seconds,
    }  # fmt: skip
    return {
        row[0]: Session(Bar(*row[:6]), *row[6:]) for row in connection.execute(query("reconcile_sessions"), values)
    }


def store(
    connection: Connection, of: Series, against: str, found: Iterable[tuple[date, Difference]], first: date, last: date, now: datetime,
    run_id: int | None,
) -> None:  # fmt: skip
    """Writes the differences of a stretch, by session date, and marks what has healed in it."""
    same = {"symbol_id": of.symbol_id, "timeframe": str(of.timeframe), "against": against, "now": now, "run_id": run_id}
    with connection.transaction():
        for day, each in found:
            connection.execute(query("reconcile_put"), {
                **same, "session_date": day, "field": each.field, "ours": each.ours, "theirs": each.theirs, "wrong": each.wrong,
                "reason": each.reason,
            })  # fmt: skip
        connection.execute(query("reconcile_healed"), {**same, "first": first, "last": last})
