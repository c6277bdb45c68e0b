"""How a book lies in memory: one structured record a symbol, so that a kernel takes one array and an event touches few lines.

A position book has up to 16 rows a side (ROWS_MAX); a price-keyed book keeps what lies behind them as well, up to its
depth. Which it is decides the depth alone: both kinds of operation work on both.
"""

from __future__ import annotations

from typing import Any

import numpy as np

#: Rows a side of a position feed; signals read no more of a deeper book either.
ROWS_MAX = 16
#: Rows a side of a price-keyed book. What is farther away falls off, and is counted as lost.
DEEP = 1024

#: What is refused or noticed, in the order of the record's `counters` (u4 each). Refused means: nothing was applied.
COUNTERS = (
    "row",  # refused: a position out of range; the book is not what the feed believes: resubscribe
    "side",  # refused: neither ASK nor BID
    "size",  # refused: negative, or a print of nothing
    "price",  # refused: off the grid of ticks
    "time",  # refused: earlier than the symbol's last event, or before 1970
    "op",  # refused: no such operation
    "absent",  # noticed: the removal of a price that is not there
    "lost",  # noticed: a level fell off the far end of a full price-keyed book
    "crossed",  # noticed: an operation left the best bid at or above the best ask
)
ROW, SIDE, SIZE, PRICE, TIME, OP, ABSENT, LOST, CROSSED = range(len(COUNTERS))

#: Bits of a record's `flags`.
HALTED = 1
#: Rows were cleared; nothing is valid before both sides are there again.
WAITING = 2
#: A row was out of range: the book and the feed no longer agree.
RESUBSCRIBE = 4
#: The best bid stands at or above the best ask.
IS_CROSSED = 8
#: Some event was refused since the flag was last cleared by `forget_refused`.
REFUSED = 16

HEAD: list[tuple[Any, ...]] = [
    ("ts", "<i8"),  # ns UTC of the last event
    ("rows", "<u2", (2,)),
    ("room", "<u2"),  # rows a side that the feed shows, at most the record's depth
    ("flags", "u1"),
    ("spare", "u1"),
]


def book_fields(depth: int) -> list[tuple[Any, ...]]:
    """The rows: ASK is 0, BID is 1; the best row stands last."""
    return [("price", "<i4", (2, depth)), ("size", "<i4", (2, depth))]


def book_dtype(depth: int = DEEP) -> np.dtype[Any]:
    """A bare book of `depth` rows a side, with its counters."""
    return np.dtype([*HEAD, ("counters", "<u4", (len(COUNTERS),)), ("spare2", "<u4"), *book_fields(depth)])
