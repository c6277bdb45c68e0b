"""The universe in its table: instruments, the lives of their codes, what the Gateway said about them.

Every write is one statement that touches only rows which say something else, so that a repeated import changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from scizor.db.connect import Connection
from scizor.db.sql import query
from scizor.market.lint import Known, reason
from scizor.market.types import Instrument
from scizor.market.universe import Life, Listed, code_of, home

#: valid_from of a life whose beginning nobody knows: a date of the table's key cannot be empty.
UNKNOWN_START = date(1900, 1, 1)


class Stored(NamedTuple):
    """A row of symbols. code: what the exchange calls it now, "" for the symbol itself. refused_until: when a refusal
    is tried again, None: when somebody clears it. Instants in UTC."""

    id: int
    listed: Listed
    code: str
    active: bool
    priority: int
    successor: str
    refused: str
    refused_until: datetime | None
    qualified_at: datetime | None
    tick_size: float | None


def load(connection: Connection, now: datetime) -> list[Instrument]:
    """The universe: active instruments by effective priority, then symbol. `refused` says why one is not collected at
    `now`: it left the market, or the Gateway refused it and its next time has not come."""
    return [_instrument(row, now) for row in connection.execute(query("symbols_instruments"))]


def stored(connection: Connection) -> dict[str, Stored]:
    """Every row by symbol, active or not."""
    rows = connection.execute(query("symbols_all")).fetchall()
    found = {}
    for row in rows:  # in the order of symbols_all: its number, twelve words of the universe file, the rest
        number, words, (*rest, tick_size) = row[0], Listed._make(row[1:13]), row[13:]
        found[words.symbol] = Stored._make((number, words, *rest, float(tick_size) if tick_size is not None else None))
    return found


def known(each: Stored, now: datetime) -> Known:
    """The row as lint looks at it."""
    listed = each.listed
    return Known(
        listed.symbol, home(listed), listed.calendar, listed.con_id, each.active, each.priority, listed.listed_from,
        listed.listed_to, each.successor, _refused(each.refused, each.refused_until, now),
    )  # fmt: skip


def lives(connection: Connection) -> list[Life]:
    """The lives of codes, by code and time."""
    rows = connection.execute(query("symbol_codes_all"))
    return [
        Life(code, exchange, symbol, None if first == UNKNOWN_START else first, last, successor, note)
        for code, exchange, symbol, first, last, successor, note in rows
    ]


def add(connection: Connection, rows: Iterable[Listed], now: datetime, *, active: bool = True) -> int:
    """Adds instruments; returns how many are new. TLS.NASDAQ is called TLS by its exchange."""
    values = [{**row._asdict(), "active": active, "code": _code(row.symbol), "now": now} for row in rows]
    return _all(connection, "symbols_add", values)


def change(connection: Connection, rows: Iterable[Listed]) -> int:
    """Writes what the universe files say about instruments that are there; returns how many."""
    return _all(connection, "symbols_change", [row._asdict() for row in rows])


def put_lives(connection: Connection, rows: Iterable[Life]) -> int:
    """Adds or corrects lives of codes; returns how many rows changed. A life without an instrument here is passed over."""
    return _all(connection, "symbol_codes_put", [{**row._asdict(), "first": row.first or UNKNOWN_START} for row in rows])


def called(connection: Connection, names: Iterable[tuple[str, str, str]]) -> int:
    """(symbol, code, successor): how an instrument is called and what became of it; returns how many rows changed."""
    values = [{"symbol": symbol, "code": "" if code == symbol else code, "successor": after} for symbol, code, after in names]
    return _all(connection, "symbols_called", values)


def qualified(
    connection: Connection, symbol: str, *, con_id: int, tick_size: float | None, name: str, time_zone: str,
    trading_hours: str, liquid_hours: str, now: datetime,
) -> bool:  # fmt: skip
    """Stores what the Gateway says about a contract and clears a refusal. False when the row has another con_id: then
    nothing is written, for bars of two contracts must not meet. tick_size: smallest price step, in the currency."""
    values = {
        "symbol": symbol, "con_id": con_id, "tick_size": repr(tick_size) if tick_size else None, "name": name,
        "time_zone": time_zone, "trading_hours": trading_hours, "liquid_hours": liquid_hours, "now": now,
    }  # fmt: skip
    return connection.execute(query("symbols_qualified"), values).rowcount == 1


def refuse(connection: Connection, symbol: str, why: str, until: datetime | None) -> None:
    """Not collected at present, and why; until: when it is tried again, None: when somebody clears it."""
    connection.execute(query("symbols_refused"), {"symbol": symbol, "reason": why, "until": until})


def set_active(connection: Connection, symbol: str, active: bool) -> bool:
    """Takes the instrument into the universe or out of it; False when it stood so already."""
    return connection.execute(query("symbols_active"), {"symbol": symbol, "active": active}).rowcount == 1


def _code(symbol: str) -> str:
    code = code_of(symbol)
    return "" if code == symbol else code


def _all(connection: Connection, name: str, values: Sequence[dict[str, Any]]) -> int:
    if not values:
        return 0
    with connection.cursor() as cursor:
        cursor.executemany(query(name), values)
        return cursor.rowcount


def _refused(why: str, until: datetime | None, now: datetime) -> str:
    return why if why and (until is None or now < until) else ""


def _instrument(row: Sequence[Any], now: datetime) -> Instrument:
    (number, symbol, exchange, calendar, currency, con_id, priority, listed_from, listed_to, sec_type, primary_exchange,
     successor, code, refused, refused_until) = row  # fmt: skip
    state = Known(
        symbol, primary_exchange or exchange, calendar, con_id, True, priority, listed_from, listed_to, successor or "",
        _refused(refused, refused_until, now),
    )  # fmt: skip
    return Instrument(
        number, symbol, exchange, calendar, currency, con_id, priority, listed_from, listed_to, sec_type, primary_exchange,
        successor, code, reason(state, now.date()),
    )  # fmt: skip
