"""K5: one event in, five signals and score out: a call from Python, warm; through the parked worker; through the spinning worker.

A call is apply_evaluate of a batch of one. The parked worker is pushed to from Python, and the time ends when the numbers are
published, seen by another compiled loop. The spinning worker is pushed to by a compiled producer on another core at scheduled
times, and a latency counts from the scheduled time, so that a stall is charged to all that it delayed.

Two spinning threads need two cores of their own. Each way is measured in many short windows; the figure is that of the quietest,
as chunks are elsewhere, and the median window stands beside it: on a machine that others use it says more about them.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from scizor.features import OUTPUT, apply, apply_evaluate, make_state, ring
from scizor.features.worker import Worker
from tests.bench.measuring import percentiles, pinned
from tests.features import synthetic

SYMBOLS, WARM, CALLS = 200, 60_000, 20_000
PARKED, SPINNING, SPACING_NS, WINDOWS = 3000, 100_000, 2000, 50


def figures(report: Callable[[str], None]) -> list[dict[str, Any]]:
    with pinned():
        call = calls()
    parked = parked_worker()
    spinning = spinning_worker()
    made = []
    for name, found, bars in (
        ("a call from Python", call, {"p50": 1.5, "p99": 4.0}), ("the parked worker", parked, {"p50": 60.0}), ("the spinning worker", spinning, {"p50": 1.0}),
    ):  # fmt: skip
        windows = [percentiles(part.tolist()) for part in np.array_split(np.array(found), WINDOWS)]
        columns = [sorted(each) for each in zip(*windows, strict=True)]
        report(
            f"{name}, quietest and median of {WINDOWS} windows: "
            + ", ".join(f"{what} {column[0]:.2f} {column[len(column) // 2]:.2f} us" for what, column in zip(("p50", "p99", "p99.9"), columns, strict=True))
            + f"; load {os.getloadavg()[0]:.1f} on {len(os.sched_getaffinity(0))} cores"
        )
        for which, bar in bars.items():
            column = columns[("p50", "p99").index(which)]
            made.append({
                "id": "K5", "name": f"{name}, {which}", "value": column[0], "unit": "us", "op": "<=", "bar": bar,
                "n": len(found), "median": column[len(column) // 2], "rival": "the quietest window",
            })  # fmt: skip
    return made


def stream(count: int) -> Any:
    return synthetic.events(SYMBOLS, WARM + count, seed=13, spacing_ns=400_000)


def calls() -> list[int]:
    events = stream(CALLS)
    state, out, times = make_state(SYMBOLS), np.zeros(1, OUTPUT), []
    apply(state, events[:WARM])
    singles = [events[i : i + 1] for i in range(WARM, WARM + CALLS)]
    for each in singles:
        start = time.perf_counter_ns()
        apply_evaluate(state, each, out)
        times.append(time.perf_counter_ns() - start)
    return times[1000:]


def parked_worker() -> list[int]:
    events, times = stream(PARKED), []
    with Worker(make_state(SYMBOLS)) as worker:
        for part in np.array_split(events[:WARM], 20):
            worker.push(part)
            worker.settle(5)
        singles = [events[i : i + 1] for i in range(WARM, WARM + PARKED)]
        gc.disable()
        for each in singles:
            start = time.perf_counter_ns()
            worker.push(each)
            worker.kernels.reached(worker.cells, ring.TAIL, worker.pushed, 1 << 40)
            times.append(time.perf_counter_ns() - start)
            time.sleep(0.0002)  # it parks again
        gc.enable()
    return times[300:]


def producer() -> Any:
    """Compiled: pushes event i at start + i * spacing by the processor's own counter, and notes when its numbers were published."""
    import numba
    from numba.core import types
    from numba.extending import intrinsic

    from scizor.features.atomics import atomics

    load, store = atomics().load, atomics().store

    @intrinsic
    def ticks(_: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            import llvmlite.ir as ir

            function = builder.module.declare_intrinsic("llvm.readcyclecounter", fnty=ir.FunctionType(ir.IntType(64), []))
            return builder.call(function, [])

        return types.int64(), generate

    head, tail = ring.HEAD, ring.TAIL

    @numba.njit(nogil=True)
    def run(cells: Any, room: Any, events: Any, spacing: int, times: Any) -> int:
        mask = room.shape[0] - 1
        first = load(cells, head)
        start = ticks() + 100_000
        done = 0
        pushed = 0
        count = events.shape[0]
        while done < count:
            now = ticks()
            if pushed < count and now >= start + pushed * spacing and pushed - done < mask:
                room[(first + pushed) & mask] = events[pushed]
                pushed += 1
                store(cells, head, first + pushed)
            seen = load(cells, tail) - first
            if seen > done:
                now = ticks()
                while done < seen:
                    times[done] = now - (start + done * spacing)
                    done += 1
        return done

    @numba.njit(nogil=True)
    def clock() -> int:
        return ticks()

    return run, clock


def spinning_worker() -> list[int]:
    events = stream(SPINNING)
    run, clock = producer()
    clock()
    start, at = clock(), time.perf_counter_ns()
    time.sleep(0.2)
    per_ns = (clock() - start) / (time.perf_counter_ns() - at)
    times = np.zeros(SPINNING, np.int64)
    with Worker(make_state(SYMBOLS), is_spinning=True) as worker:
        done = 0
        while done < WARM:
            done += worker.push(events[done:WARM])
        worker.settle(5)
        for part, into in zip(np.array_split(events[WARM : WARM + SPINNING], WINDOWS), np.array_split(times, WINDOWS), strict=True):
            run(worker.cells, worker.room, part, round(SPACING_NS * per_ns), into)  # from its own start: one stall is one window's
    return [int(each / per_ns) for each in times]
