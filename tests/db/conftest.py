"""A universe of two stocks on the real XASX calendar, and bars that are easy to tell apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any

import psycopg
import pytest

from scizor.db import calendar, symbols
from scizor.market import calendar as exchange
from scizor.market.types import Bar, Instrument, Origin, Outcome, OutcomeKind, Session, Timeframe, Window
from scizor.market.universe import Listed

Connection = psycopg.Connection[tuple[Any, ...]]

NOW = datetime(2025, 1, 16, 8, 0, tzinfo=UTC)  # a Thursday evening in Sydney
FIRST, LAST = date(2024, 7, 1), date(2025, 1, 16)
HOUR = timedelta(hours=1)


@cache
def xasx(first: date = FIRST, last: date = LAST) -> tuple[Session, ...]:
    return tuple(exchange.sessions("XASX", first, last))


def listed(symbol: str, **other: Any) -> Listed:
    values: dict[str, Any] = {
        "symbol": symbol, "name": "", "exchange": "ASX", "primary_exchange": "", "currency": "AUD", "sec_type": "STK", "sector": "",
        "calendar": "XASX", "con_id": None, "listed_from": None, "listed_to": None, "as_of": None,
    }  # fmt: skip
    return Listed(**{**values, **other})


@dataclass(frozen=True)
class Market:
    """What a test of storage needs: instruments in the database, the calendar, and answers of them."""

    sessions: tuple[Session, ...]
    instruments: dict[str, Instrument]

    def dates(self, count: int | None = None) -> list[date]:
        """The last `count` session dates."""
        return [each.session_date for each in self.sessions][-count if count else None :]

    def bars(self, count: int | None = None, price: float = 100.0) -> list[Bar]:
        """Good daily bars of the last sessions, no two alike."""
        return [
            Bar(day, price + i, price + i + 1.25, price + i - 0.5, price + i + 0.75, 1000.0 + i, price + i + 0.25, 10 + i)
            for i, day in enumerate(self.dates(count))
        ]

    def window(self, count: int | None = None, symbol: str = "CBA", **other: Any) -> Window:
        days = self.dates(count)
        values: dict[str, Any] = {"timeframe": Timeframe.DAY1, "first": days[0], "last": days[-1], "origin": Origin()}
        return Window(self.instruments[symbol], **{**values, **other})


def ok(bars: Sequence[Bar], at: datetime = NOW) -> Outcome:
    return Outcome(OutcomeKind.OK, tuple(bars), asked_at=at, answered_at=at)


def failed(kind: OutcomeKind, at: datetime = NOW, **other: Any) -> Outcome:
    return Outcome(kind, asked_at=at, answered_at=at, **other)


@pytest.fixture
def market(collector: Connection) -> Market:
    sessions = xasx()
    calendar.store(collector, sessions, "exchange_calendars", NOW)
    symbols.store_listed(collector, [listed("BHP"), listed("CBA")], NOW)
    found = symbols.load_instruments(collector, NOW)
    return Market(sessions, {each.symbol: each for each in found})


@pytest.fixture
def rows(database: Connection) -> Callable[..., list[tuple[Any, ...]]]:
    """Asks the database as its owner: what a person would see in psql."""
    return lambda statement, *values: database.execute(statement, values).fetchall()
