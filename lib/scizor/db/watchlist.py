"""Watch-lists in their table: read at each run, so that a change needs no restart and no code."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from scizor.db.connect import Connection
from scizor.db.sql import query
from scizor.market.universe import Watched


def load(connection: Connection) -> dict[str, list[Watched]]:
    """What stands on each list, by priority and symbol. A list without rows does not exist."""
    lists: dict[str, list[Watched]] = {}
    for name, *values in connection.execute(query("watchlist_all")):
        lists.setdefault(name, []).append(Watched(*values))
    return lists


def put(connection: Connection, name: str, rows: Iterable[Watched], now: datetime) -> int:
    """The rows as they shall stand; returns how many were added, brought back or changed. A symbol that is not in the
    universe is passed over: ask before."""
    values = [{**row._asdict(), "name": name, "now": now} for row in rows]
    if not values:
        return 0
    with connection.cursor() as cursor:
        cursor.executemany(query("watchlist_put"), values)
        return cursor.rowcount


def remove(connection: Connection, name: str, symbol: str) -> bool:
    """Takes the symbol off the list; False when it was not on it."""
    return connection.execute(query("watchlist_remove"), {"name": name, "symbol": symbol}).rowcount == 1
