"""K11: on a GPU, where there is one: parity with the CPU, the snapshot kernel over the device's copy bandwidth, a sweep over all cores.

Without a device nothing is measured and the figures are missed, with the reason. With one, the figures are also kept below
tests/bench/results under the device's name.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scizor.base.paths import ROOT
from scizor.features import OUTPUT, State, apply, apply_evaluate, cuda, evaluate, make_output, make_state, parameters
from tests.bench import machine
from tests.features import synthetic

SNAPSHOT_LOG2, SWEEP_STREAMS, SWEEP_EVENTS = 20, 16_384, 2_000
NUMBERS = ("s1", "s2", "s3", "s4", "s5", "kappa", "score", "raw_flow", "n_flow", "n_trades", "n_depth")
BARS = {"ulp of any number, the most": ("<=", 4), "snapshot over copy bandwidth": (">=", 0.6), "sweep over all cores": (">", 0)}


def figures(report: Callable[[str], None]) -> list[dict[str, Any]]:
    why = cuda.why_not() or ("the simulator is no device" if cuda.is_simulated() else "")
    if why:
        report(f"not measured: {why}")
        return [figure(name, None, "") for name in BARS]
    device = cuda.device_name()
    report(f"{device}; {machine()['processor']}, {os.cpu_count()} cores")
    values = {"ulp of any number, the most": parity(report), "snapshot over copy bandwidth": snapshot(report), "sweep over all cores": sweep(report)}
    found = [figure(name, value, device) for name, value in values.items()]
    folder = ROOT / "tests" / "bench" / "results"
    folder.mkdir(exist_ok=True)
    (folder / (re.sub(r"[^\w.-]+", "-", device).lower() + ".json")).write_text(json.dumps({"figures": found, "machine": machine()}, indent=1) + "\n")
    return found


def figure(name: str, value: float | None, device: str) -> dict[str, Any]:
    op, bar = BARS[name]
    return {"id": "K11", "name": name, "value": value, "unit": "", "op": op, "bar": bar, "rival": device or "no device"}


def parity(report: Callable[[str], None]) -> float:
    """Of every number after every event; records must name the same rows and counters whatever the floats do."""
    events = synthetic.events(64, 60_000, seed=3, spacing_ns=5_000_000)
    ours, theirs = (np.zeros(len(events), OUTPUT) for _ in range(2))
    one, other = make_state(64), make_state(64)
    apply_evaluate(one, events, ours)
    cuda.apply_evaluate(other, events, theirs)
    same = all(np.array_equal(one.records[each], other.records[each]) for each in ("rows", "price", "size", "counters", "flags"))
    worst = max(float((np.abs(ours[each] - theirs[each]) / np.spacing(np.maximum(np.abs(ours[each]), 1e-300))).max()) for each in NUMBERS)
    report(f"books the same: {same}; records {'' if one.records.tobytes() == other.records.tobytes() else 'not '}bitwise equal; {worst:.0f} ulp at most")
    return worst if same else float("inf")


def resident(state: State, events: NDArray[np.void], starts: NDArray[np.int64]) -> cuda.Streams:
    return cuda.Streams(state, events, starts)


def seconds(launch: Callable[[], Any], rounds: int = 10) -> float:
    device = cuda.numba_cuda()
    launch()
    device.synchronize()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        launch()
        device.synchronize()
        times.append(time.perf_counter() - start)
    return min(times)


def snapshot(report: Callable[[str], None]) -> float:
    """Bytes that a snapshot must read and write (as in K4), a second, over those of a copy on the device in the same run."""
    from tests.bench.kernel_k4 import LEVELS, READ

    device, streams = cuda.numba_cuda(), 1 << SNAPSHOT_LOG2
    events = synthetic.events(256, 100_000, seed=5, spacing_ns=300_000)
    small = make_state(256)
    apply(small, events)
    state = State(np.tile(small.records, streams // 256), small.parameters)
    found = resident(state, np.zeros(0, events.dtype), np.zeros(streams + 1, np.int64))
    out = device.device_array(streams, OUTPUT)
    spent = seconds(lambda: found.evaluate(int(events["ts"][-1]) + 1, out))
    moved = (sum(state.records.dtype[name].itemsize for name in READ) + 2 * LEVELS * 8 + OUTPUT.itemsize) * streams
    a, b = (device.device_array(1 << 29, np.uint8) for _ in range(2))
    copied = 2 * (1 << 29) / seconds(lambda: b.copy_to_device(a))
    report(f"snapshot of 2^{SNAPSHOT_LOG2} streams {spent * 1e3:.2f} ms, {moved / spent / 1e9:.0f} GB/s; copy {copied / 1e9:.0f} GB/s")
    return moved / spent / copied


def sweep(report: Callable[[str], None]) -> float:
    """Streams with rows of parameters of their own over the same events, resident; events a second over those of all cores."""
    events = synthetic.events(1, SWEEP_EVENTS, seed=9, spacing_ns=20_000_000)
    table = np.concatenate([parameters(10, trade_shift=shift, refill_seconds=window) for shift in range(1, 5) for window in (0.1, 0.3, 1.0, 3.0)])
    state = make_state(SWEEP_STREAMS, table=table)
    state.records["parameter"] = np.arange(SWEEP_STREAMS) % len(table)
    many = np.tile(events, SWEEP_STREAMS)
    starts = np.arange(SWEEP_STREAMS + 1, dtype=np.int64) * len(events)
    found, empty = resident(state, many, starts), State(state.records.copy(), table)

    def round_() -> None:
        found.reset(empty)
        found.apply()

    device_rate = len(many) / (seconds(round_, 3) - seconds(lambda: found.reset(empty), 3))
    cores = len(os.sched_getaffinity(0))
    share = SWEEP_STREAMS // cores // 8
    one = np.repeat(events[None, :], 1, axis=0).reshape(-1)

    def work(which: int) -> None:
        part = State(empty.records[which * share : (which + 1) * share].copy(), table)
        for symbol in range(share):
            apply(State(part.records[symbol : symbol + 1], table), one)

    with ThreadPoolExecutor(cores) as pool:
        list(pool.map(work, range(cores)))
        start = time.perf_counter()
        list(pool.map(work, range(cores)))
        cpu_rate = cores * share * len(events) / (time.perf_counter() - start)
    check = make_output(empty)
    evaluate(found.state(), 0, check)
    report(f"sweep {device_rate / 1e6:.0f} M events a second on the device, {cpu_rate / 1e6:.0f} M on {cores} cores; {(check['valid'] & 1 > 0).mean():.0%} with a flow")
    return device_rate / cpu_rate
