"""How the kernel is measured; not a bench. One process, one core, no garbage collection, per-chunk minima, the machine's floor beside.

A shared machine disturbs some chunks of every run and hardly ever the same: a contender is restored and run again, and the
sum of each chunk's smallest time is what he can do; the sum of their medians stands beside it.
"""

from __future__ import annotations

import contextlib
import gc
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

CHUNK = 4096
REPEATS = 9


@dataclass(frozen=True)
class Timed:
    """ns an event."""

    best: float
    median: float
    count: int


@contextlib.contextmanager
def pinned() -> Iterator[None]:
    """On the last of the cores that this process may use, without the collector."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)
        if was_enabled:
            gc.enable()


def chunked(restore: Callable[[], Any], apply: Callable[[Any, int], Any], counts: list[int], repeats: int = REPEATS) -> Timed:
    """apply(state, i) does chunk i, which has counts[i] events; restore() makes what the first chunk begins with."""
    rows = []
    for _ in range(repeats):
        state, row = restore(), []
        for i in range(len(counts)):
            start = time.perf_counter_ns()
            apply(state, i)
            row.append(time.perf_counter_ns() - start)
        rows.append(row)
    times = np.array(rows, np.float64)
    total = sum(counts)
    return Timed(float(times.min(0).sum() / total), float(np.median(times, 0).sum() / total), total)


def chunks(events: NDArray[np.void], size: int = CHUNK) -> list[NDArray[np.void]]:
    return [events[i : i + size] for i in range(0, len(events), size)]


def triad_gb_per_second(kilobytes: int) -> float:
    """a = b + 3c over arrays of that many kB in all: 24 bytes an element, the best of many; compiled, one thread."""
    import numba

    @numba.njit(fastmath=True)
    def triad(a: Any, b: Any, c: Any, rounds: int) -> None:
        for _ in range(rounds):
            for i in range(a.shape[0]):
                a[i] = b[i] + 3.0 * c[i]

    length = kilobytes * 1024 // 24
    a, b, c = np.zeros(length), np.ones(length), np.ones(length)
    rounds = max(1, 40_000_000 // (length * 24))
    triad(a, b, c, 1)
    best = 1e18
    for _ in range(15):
        start = time.perf_counter_ns()
        triad(a, b, c, rounds)
        best = min(best, time.perf_counter_ns() - start)
    return rounds * length * 24 / best


def calibration() -> dict[str, float]:
    """What the machine can do, in the run in which it is asked: bandwidths of its caches and memory, and a chain of divisions."""
    import numba

    @numba.njit
    def chain(count: int) -> float:
        x = 1.0
        for _ in range(count):
            x = 3.0 / x
        return x

    chain(10)
    start = time.perf_counter_ns()
    chain(1_000_000)
    divide = (time.perf_counter_ns() - start) / 1e6
    return {
        "triad L1 GB/s": round(triad_gb_per_second(24), 1), "triad L2 GB/s": round(triad_gb_per_second(384), 1),
        "triad DRAM GB/s": round(triad_gb_per_second(65536), 1), "dependent division ns": round(divide, 2),
    }  # fmt: skip


def percentiles(times_ns: list[int]) -> tuple[float, float, float]:
    """p50, p99, p99.9 in microseconds."""
    found = np.percentile(np.array(times_ns), [50, 99, 99.9]) / 1000
    return float(found[0]), float(found[1]), float(found[2])
