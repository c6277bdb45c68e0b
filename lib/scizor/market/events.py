"""One event record for every source: IB depth, IQFeed depth, LOBSTER, Databento, replay. Every adapter makes these 24 bytes.

Prices are whole ticks and sizes whole shares or lots, so that nothing is rounded on the way; ts is UTC in nanoseconds and
never goes backwards within a symbol (an adapter that merges two clocks orders them first, depth before prints).

What an adapter cannot say in these fields it refuses itself and counts: a size that is no whole number or reaches 2^31, a
NaN. A price that is not on the grid of its tick it may pass on as OFF_GRID: the kernel counts that and applies nothing.

The rooms that read the records, arrays in and arrays out:

    scizor.market.book      books of both kinds: make_books(symbols, deep), apply(books, deep, events) -> refused,
                            levels(books, deep, symbol, side) -> prices, sizes, counters(books)
    scizor.features         make_state(symbols, levels, parameters) -> State; apply(state, events) -> refused (accumulators
                            only), apply_evaluate(state, events, out) (every event), evaluate(state, now, out) (a snapshot),
                            OUTPUT, PARAMETERS, parameters(...), checkpoint(state), restore(text or bytes)
"""

from __future__ import annotations

from typing import Any

#: Operations. INSERT, UPDATE and DELETE are IB's, by position: `row` counts from the best level of the side.
INSERT = 0
UPDATE = 1
DELETE = 2
#: By price: the level at `price` now has `size`; 0 removes it. `row` is not read.
LEVEL = 3
#: A print. `side` is the AGGRESSOR: BID a buyer, ASK a seller, UNKNOWN not told.
TRADE = 4
#: The feed begins its book anew (IB 317): rows are cleared, accumulators kept, validity drops until both sides are there.
RESET = 5
#: Trading stops: as RESET, and nothing is valid before RESUME.
HALT = 6
RESUME = 7
#: Only time passes.
CLOCK = 8

OPS = ("insert", "update", "delete", "level", "trade", "reset", "halt", "resume", "clock")

#: Sides as IB numbers them.
ASK = 0
BID = 1
UNKNOWN = 2

#: Bits of `flags`. LAST: the last event of a packet or message; where a consumer evaluates by packets, it does so here.
LAST = 1
#: An odd lot: its print is left out of S4 (IB's depth does not show odd lots).
ODD_LOT = 2

#: A price that the grid of ticks does not hold; the kernel counts it and applies nothing.
OFF_GRID = -(2**31)
PRICE_MAX = 2**31 - 1
SIZE_MAX = 2**31 - 1

#: numpy's description of the record: 24 bytes, little-endian, no padding. EVENT is the dtype made of it.
FIELDS: list[tuple[str, str]] = [
    ("ts", "<i8"),  # ns since 1970-01-01 UTC
    ("price", "<i4"),  # ticks
    ("size", "<i4"),  # shares or lots
    ("symbol", "<u4"),  # index of the record in the state array
    ("op", "u1"),
    ("side", "u1"),
    ("row", "u1"),
    ("flags", "u1"),
]
SIZE_BYTES = 24


def __getattr__(name: str) -> Any:
    """EVENT, the dtype: made when it is first asked for, so that a script that only names operations pays for no numpy."""
    if name != "EVENT":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import numpy as np

    globals()["EVENT"] = found = np.dtype(FIELDS)
    assert found.itemsize == SIZE_BYTES
    return found
