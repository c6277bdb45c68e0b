"""A seeded market of depth by position and prints, for tests and benches: valid operations only, whatever the mix.

Each symbol has `levels` rows a side. A deletion is followed by the reveal of a row at the bottom, as IB does it; an insertion
needs a gap (or a spread of more than a tick) and lets the last row fall off. Trades print at the best or inside the spread.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from scizor.market.events import ASK, BID, DELETE, EVENT, INSERT, LAST, TRADE, UNKNOWN, UPDATE

START_NS = 1_750_000_000_000_000_000
#: Shares of inserts, updates and deletes (reveals are inserts on top): a wild book, and the ES of a quiet day.
HARD, QUIET = (0.17, 0.55, 0.28), (0.02, 0.96, 0.02)

Row = tuple[int, int, int, int, int]  # op, side, row, price, size


class Market:
    """One symbol."""

    def __init__(self, seed: int, levels: int, mix: tuple[float, float, float], trades: float) -> None:
        self.random, self.levels, self.mix, self.trades = random.Random(seed), levels, mix, trades
        middle = self.random.randrange(1000, 50_000)
        self.prices = [[middle + 1 + i for i in range(levels)], [middle - i for i in range(levels)]]
        self.sizes = [[self._size() for _ in range(levels)] for _ in range(2)]

    def opening(self) -> Iterator[Row]:
        for row in range(self.levels):
            for side in (ASK, BID):
                yield INSERT, side, row, self.prices[side][row], self.sizes[side][row]

    def next(self) -> Iterator[Row]:
        draw = self.random.random()
        if draw < self.trades:
            yield self._trade()
            return
        side, row = self.random.randrange(2), min(self.levels - 1, int(self.random.expovariate(0.5)))
        away, prices, sizes = (1 if side == ASK else -1), self.prices[side], self.sizes[side]
        kind = self.random.choices((INSERT, UPDATE, DELETE), self.mix)[0]
        if kind == INSERT:
            better = prices[row - 1] if row else self.prices[1 - side][0]
            if (prices[row] - better) * away > 1:
                price, size = prices[row] - away, self._size()
                prices.insert(row, price)
                sizes.insert(row, size)
                prices.pop()
                sizes.pop()
                yield INSERT, side, row, price, size
                return
            kind = UPDATE
        if kind == UPDATE:
            sizes[row] = self._size()
            yield UPDATE, side, row, prices[row], sizes[row]
            return
        yield DELETE, side, row, prices.pop(row), sizes.pop(row)
        prices.append(prices[-1] + away * self.random.choice((1, 1, 1, 2)))
        sizes.append(self._size())
        yield INSERT, side, self.levels - 1, prices[-1], sizes[-1]

    def _trade(self) -> Row:
        ask, bid = self.prices[ASK][0], self.prices[BID][0]
        price = self.random.choice((ask, bid, self.random.randint(bid, ask)))
        return TRADE, self.random.choice((ASK, BID, UNKNOWN, UNKNOWN)), 0, price, self._size()

    def _size(self) -> int:
        return self.random.choice((100, 100, 200, 300, self.random.randrange(1, 2000)))


def events(
    symbols: int, count: int, *, seed: int = 1, levels: int = 10, mix: tuple[float, float, float] = HARD, trades: float = 0.08,
    spacing_ns: int = 40_000, jitter: bool = True,
) -> NDArray[np.void]:
    """At least `count` events after the opening rows of all symbols, a random symbol each; spacing_ns: between two of any symbol."""  # fmt: skip
    draw = random.Random(seed)
    markets = [Market(seed * 1_000_003 + i, levels, mix, trades) for i in range(symbols)]
    made: list[tuple[int, int, int, int, int, int, int, int]] = []
    ts = START_NS
    for symbol, market in enumerate(markets):
        for op, side, row, price, size in market.opening():
            made.append((ts, price, size, symbol, op, side, row, LAST))
    wanted = len(made) + count
    while len(made) < wanted:
        ts += draw.randrange(1, 2 * spacing_ns) if jitter else spacing_ns
        symbol = draw.randrange(symbols)
        for op, side, row, price, size in markets[symbol].next():
            made.append((ts, price, size, symbol, op, side, row, LAST))
    return np.array(made, EVENT)


def opening_length(symbols: int, levels: int = 10) -> int:
    return 2 * levels * symbols


def mirrored(found: NDArray[np.void], around: int = 0) -> NDArray[np.void]:
    """Bids as asks: prices turned around `around`, sides and aggressors exchanged."""
    other = found.copy()
    other["price"] = 2 * around - found["price"]
    known = found["side"] < UNKNOWN
    other["side"] = np.where(known, 1 - np.minimum(found["side"], 1), found["side"])
    return other
