"""K4: a snapshot of 2,000 symbols, five signals and score, one thread: bytes that it must move a second, by the L2 triad of the same run.

Every book has changed since it was last looked at. What must be moved for a symbol: ten rows a side (160 bytes), the sums and scales that
the numbers are made of, and the numbers: the fields are added up below, whole cache lines are not.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from scizor.features import OUTPUT, apply, evaluate, make_output, make_state
from scizor.features.state import BOTH_FRESH
from tests.bench.measuring import pinned, triad_gb_per_second
from tests.features import synthetic

SYMBOLS, LEVELS, ROUNDS = 2000, 10, 400
READ = (
    "ts", "rows", "flags", "known", "landmark", "share", "parameter", "flow", "flow_size", "flow_count", "depth_sum", "depth_time", "depth_last",
    "signed", "traded", "trade_count", "absorbed", "classified", "sliced", "moved", "moved_slow", "traded_slow", "scale",
)  # fmt: skip


def figures(report: Callable[[str], None]) -> list[dict[str, Any]]:
    events = synthetic.events(SYMBOLS, 600_000, seed=5, spacing_ns=40_000)
    state, now = make_state(SYMBOLS, LEVELS), int(events["ts"][-1])
    apply(state, events)
    out = make_output(state)
    moved = sum(state.records.dtype[name].itemsize for name in READ) + 2 * LEVELS * 8 + OUTPUT.itemsize
    with pinned():
        times = {is_dirty: snapshots(state, now, out, is_dirty=is_dirty) for is_dirty in (True, False)}
        triad = triad_gb_per_second(384)
    best, median = (float(each(times[True])) for each in (np.min, np.median))
    report(
        f"{best / 1000:.1f} us a snapshot ({best / SYMBOLS:.1f} ns a symbol, {np.min(times[False]) / SYMBOLS:.1f} where no book changed), "
        f"{(out['valid'] & 32 > 0).mean():.0%} with a score; {moved} bytes a symbol, L2 triad {triad:.1f} GB/s"
    )
    return [{
        "id": "K4", "name": "share of the L2 triad", "value": moved * SYMBOLS / best / triad, "unit": "", "op": ">=", "bar": 0.15,
        "n": ROUNDS, "median": moved * SYMBOLS / median / triad, "rival": f"triad, {triad:.0f} GB/s",
    }]  # fmt: skip


def snapshots(state: Any, now: int, out: Any, *, is_dirty: bool) -> list[int]:
    times = []
    for _ in range(ROUNDS):
        if is_dirty:
            state.records["known"] &= np.uint8(255 - BOTH_FRESH)
        start = time.perf_counter_ns()
        evaluate(state, now, out)
        times.append(time.perf_counter_ns() - start)
    return times
