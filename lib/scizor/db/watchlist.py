"""Watch-lists: read at each run, changed without a restart. What is taken off a list keeps its row, inactive."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import psycopg

from scizor.base.errors import UsageError
from scizor.db.sql import query
from scizor.db.symbols import refuse_unknown, valid
from scizor.market.table import quoted
from scizor.market.universe import Watched

Connection = psycopg.Connection[tuple[Any, ...]]


def load(connection: Connection, name: str | None = None) -> dict[str, list[Watched]]:
    """The active rows by list, highest priority first; all lists, or just `name` (empty when there is none)."""
    found: dict[str, list[Watched]] = {}
    for row in connection.execute(query("watchlists"), {"name": name}):
        found.setdefault(row[0], []).append(Watched(*row[1:]))
    return found


class Intraday(NamedTuple):
    """What the lists want of one symbol's shorter bars. days: how far back, None: as configured."""

    collect_1min: bool
    collect_5min: bool
    days: int | None


def load_intraday(connection: Connection, name: str | None = None) -> dict[int, Intraday]:
    """By symbol_id, all lists together or just one; UsageError when there is no such list."""
    rows = connection.execute(query("intraday_wanted"), {"name": name}).fetchall()
    if name is not None and not rows:
        raise UsageError(f"there is no watch-list {quoted(name)}", hint="bin/watchlist list")
    return {symbol_id: Intraday(*flags) for symbol_id, *flags in rows}


def put(connection: Connection, name: str, rows: Sequence[Watched], now: datetime) -> int:
    """Adds rows to a list, changes those that are there, revives those that were removed; returns how many rows changed.

    All or nothing. UsageError names every symbol that is not in the universe, and a name that is not one.
    """
    with connection.transaction():
        refuse_unknown(connection, [valid(each.symbol) for each in rows])
        changed = 0
        for each in rows:
            values = {**each._asdict(), "symbol": each.symbol.upper(), "name": name, "now": now}
            try:
                changed += connection.execute(query("put_watched"), values).rowcount
            except psycopg.errors.CheckViolation as problem:
                raise UsageError(f"{quoted(name)}, {each.symbol}: {str(problem).splitlines()[0]}") from None
        return changed


def remove(connection: Connection, name: str, symbols: Sequence[str]) -> int:
    """Takes symbols off a list; UsageError names those that are not on it. Returns how many."""
    with connection.transaction():
        wanted = sorted({valid(each) for each in symbols})
        rows = connection.execute(query("remove_watched"), {"name": name, "symbols": wanted}).fetchall()
        missing = sorted(set(wanted) - {row[0] for row in rows})
        if missing:
            raise UsageError(f"not on the list {name}: {', '.join(missing[:10])}", hint=f"bin/watchlist list --name {name}")
        return len(rows)
