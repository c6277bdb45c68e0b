"""Series that there are, and their computed indicators in the table."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, NamedTuple

import psycopg

from scizor.db.series import Series, lock_symbol
from scizor.db.sql import query
from scizor.market.pieces import Counted
from scizor.market.types import Kind, Origin, Timeframe

Connection = psycopg.Connection[tuple[Any, ...]]


class Wanted(NamedTuple):
    """A series. updated_at: when one of its bars in the table was last added or changed; computed_at: its indicators."""

    symbol: str
    series: Series
    origin: Origin
    updated_at: datetime | None
    computed_at: datetime | None

    @property
    def is_current(self) -> bool:
        return self.computed_at is not None and (self.updated_at is None or self.updated_at < self.computed_at)


def series(
    connection: Connection, *, symbols: Collection[int] | None = None, timeframes: Collection[str] | None = None, source: str | None = None
) -> list[Wanted]:
    """What there are bars of, by symbol and timeframe. source: None is the official origin."""
    values = {
        "symbols": None if symbols is None else sorted(symbols), "timeframes": None if timeframes is None else sorted(timeframes),
        "source": source,
    }  # fmt: skip
    found = []
    for symbol, symbol_id, timeframe, origin, kind, said, regular, updated_at, computed_at in connection.execute(query("series"), values):
        whose = Series(symbol_id, Timeframe(timeframe), origin)
        found.append(Wanted(symbol, whose, Origin(Kind(kind), said, regular), updated_at, computed_at))
    return found


def store(connection: Connection, each: Series, text: bytes, counted: Counted, now: datetime) -> int:
    """Stores the indicators of a whole series (CSV lines) in one transaction; returns how many rows were new or changed."""
    with connection.transaction():
        lock_symbol(connection, each.symbol_id)
        connection.execute(query("make_computed"))
        with connection.cursor() as cursor, cursor.copy(query("copy_computed")) as copy:
            copy.write(text)
        changed = connection.execute(query("store_indicators"), each.key).rowcount
        values = {**each.key, "bars": counted.rows, "newest": counted.newest, "revisions": counted.revisions, "now": now}
        connection.execute(query("store_indicator_series"), values)
    return changed
