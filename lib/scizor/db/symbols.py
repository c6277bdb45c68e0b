"""Symbols, their codes' lives, and what a job sees of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

import psycopg

from scizor.base.errors import UsageError
from scizor.db.sql import query
from scizor.market import table
from scizor.market.lint import Known, reason
from scizor.market.types import Instrument
from scizor.market.universe import Life, Listed, code_of, code_on, present

Connection = psycopg.Connection[tuple[Any, ...]]


def load_instruments(
    connection: Connection, now: datetime, symbols: Collection[str] | None = None, *, inactive: bool = False
) -> list[Instrument]:
    """The active universe (or just `symbols`), by effective priority: the least of the symbol's and its watch-lists'.

    Instruments that are not collected at present come too, with `refused` saying why; `code` is what the exchange calls
    it on the day of `now`. UsageError names a symbol that is not there.
    """
    wanted = sorted({valid(each) for each in symbols}) if symbols is not None else None
    rows = connection.execute(query("instruments"), {"symbols": wanted, "inactive": inactive or wanted is not None}).fetchall()
    lives = defaultdict(list)
    for life in load_lives(connection):
        lives[life.symbol].append(life)
    found = []
    for (symbol_id, symbol, exchange, calendar, currency, con_id, priority, listed_from, listed_to, sec_type, primary_exchange,
         successor, code, refused, refused_until) in rows:  # fmt: skip
        if refused_until is not None and refused_until <= now:
            refused = ""
        if symbol in lives:
            code = code_on(symbol, lives[symbol], now.date())
        known = Known(symbol, exchange, calendar, con_id, True, priority, listed_from, listed_to, successor, refused)
        found.append(Instrument(
            symbol_id, symbol, exchange, calendar, currency, con_id, priority, listed_from, listed_to, sec_type,
            primary_exchange, successor or None, code or code_of(symbol), reason(known, now.date()),
        ))  # fmt: skip
    if wanted is not None:
        refuse_unknown(connection, wanted)
    return found


def valid(text: str) -> str:
    """The symbol in capitals; UsageError when the text is none."""
    try:
        return table.symbol(text)
    except ValueError as problem:
        raise UsageError(str(problem)) from None


def refuse_unknown(connection: Connection, symbols: Collection[str]) -> None:
    """UsageError names those that are not in the table, each with the nearest that is."""
    known = [row[0] for row in connection.execute("SELECT symbol FROM symbols")]
    missing = sorted(set(symbols) - set(known))
    if missing:
        named = "; ".join(f"{table.quoted(each)} is not in the universe{table.nearest(each, known)}" for each in missing[:10])
        more = f"; and {len(missing) - 10} more" if len(missing) > 10 else ""
        raise UsageError(named + more, hint="bin/symbols list; bin/symbols import etc/universe/*.csv")


def load_known(connection: Connection, now: datetime) -> dict[str, Known]:
    """All symbols as lint looks at them, by symbol; a refusal whose time is over is none."""
    rows = connection.execute(query("known_symbols"), {"now": now})
    return {row[0]: Known(*row) for row in rows}


def load_unqualified(connection: Connection) -> set[str]:
    """The symbols about whose contract the Gateway was never asked, or never answered."""
    return {row[0] for row in connection.execute("SELECT symbol FROM symbols WHERE qualified_at IS NULL")}


def load_details(connection: Connection, symbol: str) -> dict[str, Any]:
    """Everything that is stored of one symbol beside what its universe file says; empty when it is not there."""
    with connection.execute(query("symbol_details"), {"symbol": symbol}) as cursor:
        row = cursor.fetchone()
        return dict(zip([each.name for each in cursor.description or ()], row, strict=True)) if row else {}


def load_listed(connection: Connection) -> dict[str, Listed]:
    """All symbols as a universe file would state them, by symbol."""
    rows = connection.execute(query("listed_symbols"))
    return {row[0]: Listed(*row) for row in rows}


def load_lives(connection: Connection) -> list[Life]:
    """The lives of codes, by exchange, code and first day."""
    return [Life(*row) for row in connection.execute(query("code_lives"))]


def store_listed(connection: Connection, listed: Iterable[Listed], now: datetime, *, active: bool = True) -> tuple[int, int]:
    """Adds and changes symbols as stated; returns how many of each. A symbol that changes nothing is not written.

    active: of those that are added; a change leaves it. Raises UsageError when the database refuses a value.
    """
    added = changed = 0
    with connection.transaction():
        for each in listed:
            values = {**each._asdict(), "symbol": each.symbol.upper(), "now": now, "active": active}
            try:
                row = connection.execute(query("store_symbol"), values).fetchone()
            except (psycopg.errors.CheckViolation, psycopg.errors.DataError) as problem:
                raise UsageError(f"{table.quoted(each.symbol)} is not a valid symbol: {_first_line(problem)}") from None
            except psycopg.errors.UniqueViolation:
                raise UsageError(f"{each.symbol}: contract {each.con_id} belongs to another symbol") from None
            if row is not None:
                added, changed = added + row[0], changed + (not row[0])
    return added, changed


def store_lives(connection: Connection, lives: Iterable[Life]) -> int:
    """Adds and corrects the lives of codes; a symbol's present code and successor follow. Returns how many rows changed."""
    lives = list(lives)
    changed = 0
    with connection.transaction():
        for life in lives:
            changed += connection.execute(query("store_code_life"), life._asdict()).rowcount
        for symbol in {life.symbol for life in lives if life.symbol}:
            code, successor = present(symbol, lives)
            changed += connection.execute(query("set_code"), {"symbol": symbol, "code": code, "successor": successor}).rowcount
    return changed


def set_contract(
    connection: Connection, symbol_id: int, con_id: int, now: datetime, *,
    tick_size: float | None = None, name: str = "", time_zone: str = "", trading_hours: str = "", liquid_hours: str = "",
) -> None:  # fmt: skip
    """What qualification found. A former refusal is over. Raises UsageError when the contract is another symbol's, and
    when the symbol has another contract: bars of two contracts never mix.

    tick_size: smallest price step, in the currency. name: used where no file gave one. time_zone and hours: IB's strings,
    kept as they are. What is not given stays.
    """
    values = {
        "symbol_id": symbol_id, "con_id": con_id, "now": now, "tick_size": repr(tick_size) if tick_size else None,
        "name": name, "time_zone": time_zone, "trading_hours": trading_hours, "liquid_hours": liquid_hours,
    }  # fmt: skip
    with connection.transaction():
        row = connection.execute("SELECT symbol, con_id FROM symbols WHERE id = %s FOR UPDATE", [symbol_id]).fetchone()
        if row is None or row[1] not in (None, con_id):
            was = f"{row[0]} is contract {row[1]}" if row else f"there is no symbol {symbol_id}"
            raise UsageError(f"{was}, the Gateway says {con_id}", hint="has the code a new owner? bin/symbols lint")
        try:
            connection.execute(query("set_contract"), values)
        except psycopg.errors.UniqueViolation:
            raise UsageError(f"{row[0]}: contract {con_id} belongs to another symbol", hint="bin/symbols lint") from None


def refuse(connection: Connection, symbol_id: int, why: str, until: datetime | None) -> None:
    """Not collected for this reason until then (None: until somebody clears it); an empty reason clears it."""
    with connection.transaction():
        connection.execute(
            "UPDATE symbols SET refused = %(why)s, refused_until = %(until)s WHERE id = %(id)s "
            "AND (refused, refused_until) IS DISTINCT FROM (%(why)s, %(until)s)",
            {"why": why, "until": until, "id": symbol_id},
        )


def prefer(connection: Connection, symbol: str, *, active: bool, priority: int) -> None:
    """Takes the instrument into the universe or out of it, and says how early it is collected: 1 first, 9 last."""
    with connection.transaction():
        connection.execute(
            "UPDATE symbols SET active = %(active)s, priority = %(priority)s WHERE symbol = %(symbol)s "
            "AND (active, priority) IS DISTINCT FROM (%(active)s, %(priority)s)",
            {"symbol": symbol, "active": active, "priority": priority},
        )


def _first_line(problem: psycopg.Error) -> str:
    return str(problem).splitlines()[0]
