"""Bars on another price basis, wherever they lie: what as_traded, adjusted_to, total_return and continuous are for the table, here
for the table and the files of years that left it.

- traded: at the prices of their day; splits that were in them when they were fetched are taken out;
- split: adjusted for every confirmed split up to a day;
- total: for every confirmed cash dividend too: prices before an ex-date are multiplied by 1 - d / close before it. That is what IB
  sends as ADJUSTED_LAST ("adjusted for splits and dividends") when it is asked on that day; TRADES know splits only.

Each price is rounded once, half up, to eight decimals; volumes follow the splits alone.
"""

from __future__ import annotations

from bisect import bisect_left
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import TYPE_CHECKING

from scizor.base.errors import FindingError
from scizor.db import basis as stored
from scizor.db.connect import Connection
from scizor.db.series import Series
from scizor.market import basis
from scizor.market.types import Origin, Timeframe
from scizor.run import history

if TYPE_CHECKING:
    import pyarrow as pa

PRICES = ("open", "high", "low", "close", "wap")
EVER = date(9999, 12, 31)
STALE = timedelta(days=14)  # a close so old is not the one before the ex-date


class Prices(StrEnum):
    """fetched: as the vendor gave them at known_from; the others as above."""

    FETCHED = "fetched"
    TRADED = "traded"
    SPLIT = "split"
    TOTAL = "total"


def on(connection: Connection, symbol: str, series: Series, origin: Origin, found: pa.Table, prices: Prices, as_of: date) -> pa.Table:
    """`found` (archive.table.COLUMNS) on that basis, without sessions after `as_of`.

    FindingError when a dividend has no close before it: an adjustment that leaves one out is not given silently.
    """
    if prices is Prices.FETCHED or not found.num_rows:
        return found
    from scizor.archive import table

    if prices is not Prices.TRADED:
        found = table.of_sessions(found, None, as_of)
    versions = _versions(found)
    splits = stored.ratios(connection, series, versions, None if prices is Prices.TRADED else as_of)
    kept = _kept(connection, symbol, series.symbol_id, origin, series.origin, as_of) if prices is Prices.TOTAL else []
    ratios = {each: (splits[each], splits[each] / _since(kept, each[0])) for each in set(versions)}
    return _rebased(found, versions, ratios)


def continuous(connection: Connection, code: str, timeframe: Timeframe, start: datetime, end: datetime, as_of: date) -> tuple[pa.Table, list[str]]:
    """One history of a company through its changes of code, on the basis of `as_of`: the bars, and the symbol of each. Of a session that two
    symbols traded in, the newer's."""
    from scizor.archive import table

    number, origin = history.official(connection)
    taken: set[date] = set()
    parts: list[tuple[str, pa.Table]] = []
    for member in stored.lineage(connection, code):
        series = Series(member.symbol_id, timeframe, number)
        found = table.of_sessions(history.load(connection, member.symbol, series, origin, start, end), None, as_of)
        mine = [each not in taken for each in found["session_date"].to_pylist()]
        found = table.where(found, mine)
        versions = _versions(found)
        if not versions:
            continue
        taken |= {day for day, _ in versions}
        splits = stored.ratios(connection, series, versions, as_of)
        onward = stored.onward(connection, code, member.generation, {day for day, _ in versions}, as_of)
        ratios = {each: (splits[each] * onward[each[0]],) * 2 for each in set(versions)}
        parts.append((member.symbol, _rebased(found, versions, ratios)))
    return table.joined(parts)


def _versions(found: pa.Table) -> list[tuple[date, datetime]]:
    return list(zip(found["session_date"].to_pylist(), found["known_from"].to_pylist(), strict=True))


def _rebased(
    found: pa.Table, versions: list[tuple[date, datetime]], ratios: dict[tuple[date, datetime], tuple[Fraction, Fraction]]
) -> pa.Table:
    """ratios: (of volumes, of prices)."""
    from scizor.archive import table

    if all(shares == money == 1 for shares, money in ratios.values()):
        return found
    for name in (*PRICES, "volume"):
        values: list[Decimal | None] = []
        for value, version in zip(found[name].to_pylist(), versions, strict=True):
            shares, money = ratios[version]
            if value is None:
                values.append(None)
            elif name == "volume":
                values.append(value if shares == 1 else basis.rounded(Fraction(value) * shares, 4))
            elif money == shares:
                values.append(basis.rebased(value, shares))
            else:
                values.append(basis.rounded(Fraction(value) / money, 8))
        found = table.with_values(found, name, values)
    return found


def _kept(connection: Connection, symbol: str, symbol_id: int, origin: Origin, number: int, as_of: date) -> list[tuple[date, Fraction]]:
    """(ex-date, what is kept) of each dividend, oldest first; by the daily closes of the same origin."""
    paid = stored.dividends(connection, symbol_id, as_of)
    if not paid:
        return []
    series = Series(symbol_id, Timeframe.DAY1, number)
    start, end = (datetime.fromisoformat(f"{each}T00:00:00+00:00") for each in ("1900-01-01", "2150-12-31"))
    daily = history.load(connection, symbol, series, origin, start, end)
    days, versions, closes = daily["session_date"].to_pylist(), _versions(daily), daily["close"].to_pylist()
    found = []
    for ex_date, amount in paid:
        place = bisect_left(days, ex_date) - 1
        if place < 0 and days:
            continue  # nothing is stored that it would change
        last = days[place] if days else None
        try:
            if last is None or last < ex_date - STALE:
                raise ValueError(f"the last one is of {last or 'no day'}")
            ratio = stored.ratios(connection, series, [versions[place]], ex_date)[versions[place]]
            found.append((ex_date, basis.kept(amount, basis.rebased(closes[place], ratio))))
        except ValueError as problem:
            raise FindingError(
                f"{symbol}'s dividend of {amount} on {ex_date} has no close before it: {problem}", hint="bin/backfill brings the daily bars"
            ) from None
    return found


def _since(kept: list[tuple[date, Fraction]], day: date) -> Fraction:
    """What is kept through all dividends after a session."""
    whole = Fraction(1)
    for ex_date, each in kept:
        if ex_date > day:
            whole *= each
    return whole
