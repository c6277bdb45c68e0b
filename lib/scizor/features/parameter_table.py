"""What the formulas may be varied in: data, so that a sweep varies it without a compilation.

The clock's quantum is 2^24 ns (16.777 ms). A half-life is 2^(11 + shift) quanta: shift 0 is 34.36 s, 2 is 137.4 s, 6 is
2,199 s, 9 is 4.9 hours. A record names its row of the parameter table, so that symbols, and the streams of a sweep, differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scizor.market.book.layout import ROWS_MAX

QUANTUM_LOG2 = 24
#: A symbol's landmark is moved when its clock is 2^20 quanta (4.9 h) past it; half-lives are at most that.
REBASE_LOG2 = 20
SHIFT_MAX = 9

PARAMETERS = np.dtype([
    ("refill_ns", "<i8"),  # S4: how long a print waits for its refill, and a displayed size is remembered
    ("slice_ns", "<i8"),  # S5: how long an equal print is remembered
    ("flow_min", "<f8"),  # S1 is valid from this effective number of book operations
    ("trades_min", "<f8"),  # S3 to S5 are valid from this effective number of prints
    ("scale_max", "<f8"),  # 1 / floor of a signal's second moment
    ("weights", "<f8", (ROWS_MAX,)),  # S1, by row
    ("levels", "u1"),  # rows that signals see
    ("flow_shift", "u1"),
    ("trade_shift", "u1"),
    ("slow_shift", "u1"),
    ("moment_shift", "u1"),
    ("signals_min", "u1"),  # fewer valid signals give no score
    ("spare", "u1", (2,)),
])  # fmt: skip


def rank_weights(levels: int, halving_rows: float = 4.0) -> NDArray[np.float64]:
    """2^(-row/halving_rows) for all but the last row, which is revealed rather than changed and weighs nothing."""
    weights = np.zeros(ROWS_MAX)
    for row in range(levels - 1):
        weights[row] = 2.0 ** (-row / halving_rows)
    return weights


def parameters(
    levels: int = 10,
    *,
    flow_shift: int = 0,
    trade_shift: int = 2,
    slow_shift: int = 6,
    moment_shift: int = 9,
    weights: Sequence[float] | NDArray[np.float64] | None = None,
    refill_seconds: float = 0.3,
    slice_seconds: float = 120.0,
    flow_min: float = 32.0,
    trades_min: float = 16.0,
    moment_min: float = 0.0025,
    signals_min: int = 3,
) -> NDArray[np.void]:
    """A table of one row; np.concatenate joins several. weights: by row, at most `levels` of them; default 2^(-row/4)."""
    if not 1 <= levels <= ROWS_MAX:
        raise ValueError(f"{levels} levels: 1 to {ROWS_MAX}")
    shifts = (flow_shift, trade_shift, slow_shift, moment_shift)
    if not all(0 <= each <= SHIFT_MAX for each in shifts):
        raise ValueError(f"half-life shifts {shifts}: 0 to {SHIFT_MAX}")
    if not (signals_min >= 1 and moment_min > 0) or refill_seconds < 0 or slice_seconds < 0:
        raise ValueError("a window is not negative, the floor of the second moment is above zero, a score needs a signal")
    found = np.zeros(1, PARAMETERS)
    row: Any = found[0]
    row["levels"], row["signals_min"] = levels, signals_min
    row["flow_shift"], row["trade_shift"], row["slow_shift"], row["moment_shift"] = shifts
    row["refill_ns"], row["slice_ns"] = round(refill_seconds * 1e9), round(slice_seconds * 1e9)
    row["flow_min"], row["trades_min"], row["scale_max"] = flow_min, trades_min, 1.0 / moment_min
    if weights is None:
        row["weights"] = rank_weights(levels)
    else:
        if len(weights) > levels or not np.all(np.isfinite(weights)) or np.any(np.asarray(weights) < 0):
            raise ValueError(f"{len(weights)} weights for {levels} rows: at most one a row, none negative")
        row["weights"][: len(weights)] = weights
    return found
