"""A series: one symbol, bar size and origin. Its number, its key, and the lock under which one writer at a time changes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg

from scizor.db.sql import query
from scizor.market.types import Origin, Timeframe

Connection = psycopg.Connection[tuple[Any, ...]]

LOCK = 21348  # advisory, with the symbol's id


@dataclass(frozen=True, slots=True)
class Series:
    """Whose bars. origin: the number in origins."""

    symbol_id: int
    timeframe: Timeframe
    origin: int

    @property
    def key(self) -> dict[str, Any]:
        return {"symbol_id": self.symbol_id, "timeframe": str(self.timeframe), "origin": self.origin}


def key_of(origin: Origin) -> dict[str, Any]:
    """An origin as the parameters of a statement."""
    return {"kind": str(origin.kind), "source": origin.source, "regular_hours": origin.regular_hours}


def origin_id(connection: Connection, origin: Origin) -> int:
    """The number of an origin in the tables; made when it is new."""
    values = key_of(origin)
    row = connection.execute(query("origin_id"), values).fetchone()
    if row is None:
        with connection.transaction():
            connection.execute(query("add_origin"), values)
        row = connection.execute(query("origin_id"), values).fetchone()
    assert row is not None
    return int(row[0])


def make_official(connection: Connection, origin: Origin) -> None:
    """From now on market_data shows the bars of this origin: TRADES, one origin at a time."""
    chosen = origin_id(connection, origin)
    with connection.transaction():
        connection.execute("UPDATE origins SET is_official = false WHERE is_official AND id <> %s", [chosen])
        connection.execute("UPDATE origins SET is_official = true WHERE id = %s AND NOT is_official", [chosen])


def lock_symbol(connection: Connection, symbol_id: int) -> None:
    """One writer a symbol, to the end of the transaction; costs no write-ahead log. Waits as long as lock_timeout."""
    connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", [LOCK, symbol_id])
