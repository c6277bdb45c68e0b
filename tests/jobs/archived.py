"""Bars in a database for whoever exports them: daily and one-minute bars of two shares over the turn of a year, through the
one path, so that requests, coverage and metadata are there as they are in life."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any

import psycopg

from scizor.db import calendar, symbols
from scizor.db.windows import store
from scizor.market import calendar as exchange
from scizor.market.types import Bar, Outcome, OutcomeKind, Session, Timeframe, Window
from tests.db.conftest import listed

Connection = psycopg.Connection[tuple[Any, ...]]

NOW = datetime(2025, 1, 15, 6, 0, tzinfo=UTC)
FIRST, LAST = date(2023, 12, 20), date(2024, 1, 12)


@cache
def sessions() -> tuple[Session, ...]:
    return tuple(exchange.sessions("XASX", FIRST, LAST))


def daily(price: float) -> list[Bar]:
    """Prices with a third decimal here and there, fractional volumes, and one bar without a volume."""
    return [
        Bar(each.session_date, price + i, price + i + 1.125, price + i - 0.5, price + i + 0.75, None if i == 3 else 1000.25 + i, price + i + 0.0625, 10 + i)
        for i, each in enumerate(sessions())
    ]  # fmt: skip


def minutes(price: float, count: int = 30) -> list[Bar]:
    """The first `count` minutes of each session."""
    steps = [(n, round(price + n / 100, 2)) for n in range(count)]
    return [
        Bar(each.open + timedelta(minutes=n), at, round(at + 0.02, 2), round(at - 0.01, 2), round(at + 0.01, 2), 100.0 + n, at, 3)
        for each in sessions() for n, at in steps
    ]  # fmt: skip


def fill(connection: Connection) -> int:
    """Stores them; returns how many bars lie in the table."""
    days = sessions()
    calendar.store(connection, days, "exchange_calendars", NOW)
    symbols.store_listed(connection, [listed("CBA"), listed("BHP")], NOW)
    held = {each.symbol: each for each in symbols.load_instruments(connection, NOW)}
    for symbol, price in (("CBA", 100.0), ("BHP", 45.0)):
        for timeframe, bars in ((Timeframe.DAY1, daily(price)), (Timeframe.MIN1, minutes(price))):
            put(connection, Window(held[symbol], timeframe, FIRST, LAST), bars)
    row = connection.execute("SELECT count(*) FROM bars").fetchone()
    assert row is not None and row[0] == 2 * len(days) * 31, (row, connection.execute("SELECT rule, count(*), min(raw) FROM quarantine GROUP BY 1").fetchall())
    return int(row[0])


def put(connection: Connection, window: Window, bars: list[Bar], at: datetime = NOW) -> None:
    outcome = Outcome(OutcomeKind.OK, tuple(bars), asked_at=at, answered_at=at)
    store(connection, None, None, window, outcome, at, sessions=list(sessions()))
