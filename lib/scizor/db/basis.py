"""By how much stored prices are to be multiplied for another basis: the splits, dividends and changes of code that people have confirmed."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

import psycopg

from scizor.db.series import Series
from scizor.db.sql import query

Connection = psycopg.Connection[tuple[Any, ...]]


class Member(NamedTuple):
    """A symbol of a company: generation 0 is the newest."""

    symbol_id: int
    symbol: str
    generation: int


def ratios(
    connection: Connection, series: Series, versions: Iterable[tuple[date, datetime]], as_of: date | None
) -> dict[tuple[date, datetime], Fraction]:
    """Wanted shares for one stored share, by (session date, known_from). as_of: on this day's basis; None: as traded."""
    pairs = sorted(set(versions))
    values = {
        "symbol_id": series.symbol_id, "origin": series.origin, "as_of": as_of, "days": [day for day, _ in pairs], "known": [at for _, at in pairs],
    }  # fmt: skip
    rows = connection.execute(query("basis_ratios"), values)
    return {(day, known): Fraction(new) / Fraction(old) for day, known, new, old in rows}


def onward(connection: Connection, symbol: str, generation: int, days: Collection[date], as_of: date) -> dict[date, Fraction]:
    """Shares of the newest symbol for one of a former one, by session date."""
    values = {"symbol": symbol, "generation": generation, "days": sorted(days), "as_of": as_of}
    return {day: Fraction(new) / Fraction(old) for day, new, old in connection.execute(query("basis_onward"), values)}


def dividends(connection: Connection, symbol_id: int, as_of: date) -> list[tuple[date, Decimal]]:
    """(ex-date, amount a share in the symbol's currency), oldest first."""
    return [(day, amount) for day, amount in connection.execute(query("dividends"), {"symbol_id": symbol_id, "as_of": as_of})]


def lineage(connection: Connection, code: str) -> list[Member]:
    """A company under all its symbols, the newest first; empty: nobody has or had this code."""
    rows = connection.execute("SELECT symbol_id, symbol, generation FROM lineage(%s) ORDER BY generation, symbol", [code])
    return [Member(*row) for row in rows]
