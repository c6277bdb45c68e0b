"""Events for tests: written out by hand, and random bytes. Seeds are printed by pytest where a test fails."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from scizor.market.events import EVENT, LEVEL, OFF_GRID, TRADE

GARBAGE_SEED = 20_261_127


def of(*events: tuple[int, ...], first_ts: int = 1_000_000, step_ns: int = 0) -> NDArray[np.void]:
    """(op, side, row, price, size[, flags]) each, of symbol 0."""
    found = np.zeros(len(events), EVENT)
    for i, each in enumerate(events):
        row: Any = found[i]
        row["op"], row["side"], row["row"], row["price"], row["size"] = each[:5]
        row["flags"] = each[5] if len(each) > 5 else 0
        row["ts"] = first_ts + i * step_ns
    return found


def garbage(count: int, *, symbols: int, depth: int, seed: int) -> NDArray[np.void]:
    """All bytes random; then most fields are made nearly sane, each by its own dice, so that every guard is met alone."""
    random = np.random.default_rng(seed)
    events = random.integers(0, 256, count * EVENT.itemsize, dtype=np.uint8).view(EVENT)

    def where(share: float) -> NDArray[np.bool_]:
        return random.random(count) < share

    def put(field: str, values: NDArray[Any], share: float) -> None:
        events[field] = np.where(where(share), values, events[field])

    put("symbol", random.integers(0, symbols, count), 0.98)
    put("op", random.integers(0, 10, count), 0.3)
    put("op", random.choice([0, 1, 2, LEVEL, TRADE], count), 0.9)
    put("side", random.integers(0, 3, count), 0.95)
    put("row", random.integers(0, depth + 2, count), 0.95)
    put("price", random.integers(90, 110, count), 0.6)
    put("price", random.integers(-100_000, 100_000, count), 0.7)
    put("price", np.full(count, OFF_GRID), 0.02)
    put("size", random.integers(-1, 500, count), 0.9)
    put("size", np.zeros(count), 0.1)
    put("ts", np.cumsum(random.integers(0, 40_000_000, count)) - random.integers(0, 100_000_000, count) * where(0.02), 0.999)
    events["ts"] %= 1 << 62  # one stamp of the year 2116 would refuse all that follow: those are another test's
    events["ts"] = np.where(events["ts"] > 1 << 45, events["ts"] >> 20, events["ts"])
    return events
