"""A symbol's state: its book and its accumulators in one record, so that an event finds all it needs in a few lines.

Below 1 KB with a position book of 16 rows a side. The 32-bin histogram stays in 64 bits: halved, the state would meet
640 bytes, and S5 would agree with its definition to 1e-8 only.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scizor.features.parameter_table import PARAMETERS, parameters
from scizor.market.book.layout import COUNTERS, DEEP, HEAD, ROWS_MAX, book_fields

#: S5 looks for an equal print among so many, and in a histogram of so many bins.
RING = 8
LINE_BYTES = 64
BINS = 32

#: Bits of `known`.
STARTED = 1
HAS_PRICE = 2
HAS_MID = 4
#: A side's `share` is that of the rows as they stand: ASK's and BID's.
FRESH = (8, 16)
BOTH_FRESH = 24


def state_dtype(depth: int = ROWS_MAX) -> np.dtype[Any]:
    """The record. depth: rows a side; ROWS_MAX for a feed by position, DEEP for one by price."""
    return np.dtype([
        # the first line of 64 bytes: every event
        *HEAD, ("landmark", "<i8"),  # quantum at which the growths are 1
        ("second_ends", "<i8"),  # ns: the next event from here on is the first of a new second
        ("share", "<f8", (2,)),  # A and B of S2 but for their common factor; only where FRESH
        ("parameter", "<u4"),  # row of the parameter table
        ("known", "u1"), ("last_sign", "i1"), ("ring_next", "u1"), ("spare2", "u1"),
        ("last_mid", "<i8"),  # bid + ask at the last print
        # decayed with flow_shift (g1)
        ("flow", "<f8"), ("flow_size", "<f8"), ("flow_count", "<f8"),  # F, A, C
        # decayed with trade_shift (g2)
        ("depth_sum", "<f8"), ("depth_time", "<f8"), ("depth_last", "<f8"),  # NI, DI, gl
        ("signed", "<f8"), ("traded", "<f8"), ("trade_count", "<f8"),  # Tp, T, CT
        ("absorbed", "<f8", (2,)), ("classified", "<f8"),  # A by side, X of both sides
        ("sliced", "<f8"), ("moved", "<f8"),  # Z, R_f
        # decayed with slow_shift (g3)
        ("moved_slow", "<f8"), ("traded_slow", "<f8"),  # R_s, V_s
        ("scale", "<f8", (5,)),  # 1 / sqrt(max(M, floor)) as of the last second
        # S4, by side: the largest size that the best row showed at `seen_price`, and until when
        ("seen_size", "<i4", (2,)), ("seen_ts", "<i8", (2,)),
        ("seen_price", "<i4", (2,)), ("slot_price", "<i4", (2,)),
        *book_fields(depth),
        # S4, by passive side: the last print's price (above), what of it may still be refilled, and when
        ("slot_pending", "<i8", (2,)), ("slot_ts", "<i8", (2,)),
        # decayed with moment_shift (g4)
        ("moment", "<f8", (5,)), ("moment_weight", "<f8", (3,)),  # of S1, S2, and S3 to S5, which are valid together
        ("ring_ts", "<i8", (RING,)), ("ring_size", "<i4", (RING,)),  # S5: signed sizes
        ("counters", "<u4", (len(COUNTERS),)), ("last_price", "<i4"),  # of the last print
        ("sizes_sum", "<f8"), ("sizes", "<f8", (BINS,)),  # S5, decayed with slow_shift: sum h, h
    ])  # fmt: skip


OUTPUT = np.dtype([
    ("ts", "<i8"),  # ns UTC: the instant that the numbers are of
    ("s1", "<f8"), ("s2", "<f8"), ("s3", "<f8"), ("s4", "<f8"), ("s5", "<f8"),  # flow, depth, trade, absorb, slice: in [-1, 1]
    ("kappa", "<f8"),  # in (0, 1): above 0.5, volume moves the price less than it did
    ("score", "<f8"),  # in (-100, 100); 0 where fewer than three signals are valid
    ("raw_flow", "<f8"),  # F / g1: shares, decayed to the instant
    ("n_flow", "<f8"), ("n_trades", "<f8"),  # effective numbers of book operations and prints
    ("n_depth", "<f8"),  # share of S2's window in which a book stood, in [0, 1]
    ("bid", "<i4"), ("ask", "<i4"),  # ticks; OFF_GRID where the side is empty
    ("symbol", "<u4"),
    ("valid", "u1"),  # bit 0 S1 … bit 4 S5, bit 5 the score
    ("flags", "u1"),  # layout's HALTED, WAITING, RESUBSCRIBE, IS_CROSSED, REFUSED
    ("spare", "u1", (2,)),
])  # fmt: skip
SCORED = 32


@dataclass(frozen=True)
class State:
    """records: state_dtype(depth)[symbols]. parameters: PARAMETERS[rows], which records name by `parameter`."""

    records: NDArray[np.void]
    parameters: NDArray[np.void]

    @functools.cached_property
    def depth(self) -> int:
        """Rows a side that the records have room for."""
        return int(self.records.dtype["price"].shape[1])

    @functools.cached_property
    def is_plain(self) -> bool:
        """Both arrays are contiguous, writable, and of the dtypes that the kernel is compiled for."""
        are_behaved = self.records.flags.carray and self.parameters.flags.carray
        is_known = self.depth in (ROWS_MAX, DEEP) and self.records.dtype == state_dtype(self.depth)
        return bool(are_behaved and is_known and self.parameters.dtype == PARAMETERS)


def make_state(symbols: int, levels: int = 10, table: NDArray[np.void] | None = None, *, is_by_price: bool = False) -> State:
    """Empty records. levels: rows that signals see. table: PARAMETERS of one or more rows instead (levels is then theirs).

    is_by_price: make room for all levels of a feed by price (LEVEL), DEEP a side; without it, for ROWS_MAX, and what a
    feed by price has farther away is counted as lost. Every record names row 0 of the table; set `parameter` for others.
    """
    table = parameters(levels) if table is None else np.ascontiguousarray(table)
    if table.dtype != PARAMETERS or not len(table) >= 1:
        raise ValueError("the table is made by parameters(): PARAMETERS, one row or more")
    records = aligned(symbols, state_dtype(DEEP if is_by_price else ROWS_MAX))
    records["room"] = records.dtype["price"].shape[1]
    return State(records, table)


def aligned(count: int, dtype: np.dtype[Any]) -> NDArray[np.void]:
    """Zeros that begin at a cache line."""
    raw = np.zeros(count * dtype.itemsize + LINE_BYTES, np.uint8)
    start = -raw.ctypes.data % LINE_BYTES
    return raw[start : start + count * dtype.itemsize].view(dtype)


def make_output(state: State) -> NDArray[np.void]:
    """OUTPUT for a snapshot: a row a symbol."""
    return np.zeros(len(state.records), OUTPUT)
