"""IB's market depth: rows by position, one venue or many market makers, as position ops of price levels.

updateMktDepth(position, operation, side, price, size): operation 0 inserts a row, 1 updates it, 2 deletes it; side 0 is ask, 1 is
bid. updateMktDepthL2 adds the market maker, or the exchange of SMART depth: then several rows share a price. Rows of one price
are one level here: their sizes are added, and the kernel sees levels alone. With one row a price this changes nothing.

A row beyond the end, an unknown side or operation, a price that is not on the grid and a size that is none are refused and
counted by their reason; `is_lost` then says that the rows are no longer IB's, and that depth must be asked for again. Error 317
("market depth data has been RESET") is `reset`. IB leaves odd lots out of depth, and tells sizes with decimals where an
instrument has them: `size_unit` is what one lot of the events stands for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import isfinite

from scizor.market.events import ASK, BID, DELETE, INSERT, LAST, RESET, SIZE_MAX, UNKNOWN, UPDATE
from scizor.market.feeds.positions import LEVELS_MAX, Raw, differences, write

ROWS_MAX = 64  # of a side: IB's own limit is 20 rows of five market makers and more
GRID_TOLERANCE = 1e-3  # of a tick: prices come as binary doubles


@dataclass(slots=True)
class Row:
    maker: str
    price: int
    size: int


@dataclass(slots=True)
class IbDepth:
    """One depth subscription. tick_size: price of a tick. symbol: index in the kernel's state. levels: price levels to show."""

    tick_size: float
    symbol: int = 0
    levels: int = 10
    size_unit: float = 1.0
    refused: Counter[str] = field(default_factory=Counter)
    is_lost: bool = False
    _rows: tuple[list[Row], list[Row]] = field(default_factory=lambda: ([], []))
    _shown: list[list[tuple[int, int]]] = field(default_factory=lambda: [[], []])

    def __post_init__(self) -> None:
        if not self.tick_size > 0 or not self.size_unit > 0 or not 1 <= self.levels <= LEVELS_MAX:
            raise ValueError(f"tick size {self.tick_size}, size unit {self.size_unit}, {self.levels} levels: not a book")

    def rows(self, side: int) -> list[Row]:
        return list(self._rows[side])

    def shown(self, side: int) -> list[tuple[int, int]]:
        """(price in ticks, size) of the levels, the best first."""
        return list(self._shown[side])

    def update(self, ts: int, position: int, operation: int, side: int, price: float, size: float, maker: str = "") -> list[Raw]:
        """The records of one row's change; none where no level in sight changes, or where it is refused."""
        reason = self._apply(position, operation, side, price, size, maker)
        if reason:
            self.refused[reason] += 1
            self.is_lost = self.is_lost or reason != "unknown side"
            return []
        before, after = self._shown[side], _levels(self._rows[side], side, self.levels)
        self._shown[side] = after
        out: list[Raw] = []
        write(out, ts, self.symbol, [(side, op) for op in differences(before, after, side, self.levels)])
        return out

    def reset(self, ts: int) -> list[Raw]:
        """IB begins the book anew (error 317), or depth was asked for again."""
        for side in (ASK, BID):
            self._rows[side].clear()
            self._shown[side] = []
        self.is_lost = False
        return [(ts, 0, 0, self.symbol, RESET, UNKNOWN, 0, LAST)]

    def _apply(self, position: int, operation: int, side: int, price: float, size: float, maker: str) -> str:
        if side not in (ASK, BID):
            return "unknown side"
        rows = self._rows[side]
        if not 0 <= position < len(rows) + (operation == INSERT) or position >= ROWS_MAX:
            return "row out of range"
        if operation == DELETE:
            del rows[position]
            return ""
        if operation not in (INSERT, UPDATE):
            return "unknown operation"
        if not isfinite(price) or not isfinite(size):
            return "no number"
        ticks, lots = round(price / self.tick_size), round(size / self.size_unit)
        if abs(price / self.tick_size - ticks) > GRID_TOLERANCE or abs(ticks) > SIZE_MAX:
            return "price off the grid"
        if not 0 <= lots <= SIZE_MAX:
            return "size out of range"
        if operation == INSERT:
            rows.insert(position, Row(maker, ticks, lots))
            del rows[ROWS_MAX:]
        else:
            rows[position] = Row(maker, ticks, lots)
        return ""


def from_ticks(depth: IbDepth, ticks: Iterable[tuple[int, int, str, int, int, float, float]]) -> list[Raw]:
    """Recorded `domTicks`: ts, position, market maker, operation, side, price, size (ib_insync's DOMTick, ts in ns)."""
    out: list[Raw] = []
    for ts, position, maker, operation, side, price, size in ticks:
        out += depth.update(ts, position, operation, side, price, size, maker)
    return out


def _levels(rows: list[Row], side: int, levels: int) -> list[tuple[int, int]]:
    """Rows of one price added up, the best first. A row without size is there, and shows nothing."""
    totals: dict[int, int] = {}
    for row in rows:
        if row.size:
            totals[row.price] = min(SIZE_MAX, totals.get(row.price, 0) + row.size)
    return sorted(totals.items(), reverse=side == BID)[:levels]
