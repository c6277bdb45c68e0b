"""K8: bytes of all numbers and records that differ under batch cuts, symbol order, threads, restarts, the mirror and the simulated GPU; 0.

200 symbols over three spells with five hours between them, so that every landmark moves twice. Planted: one event with one share more
(for the mirror: prices turned and sides not exchanged). The GPU's kernels run in numba's simulator in a child process; a real device is K11's.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scizor.base.paths import ROOT
from scizor.features import OUTPUT, State, apply_evaluate, make_state
from scizor.features.checkpoint import checkpoint, restore
from tests.features import synthetic
from tests.features.test_cuda import PARITY

SYMBOLS, EVENTS, SPELLS, PAUSE_NS = 200, 300_000, 3, 5 * 3600 * 10**9
SIGNALS = ("s1", "s2", "s3", "s4", "s5", "score", "raw_flow")
EVEN = ("kappa", "n_flow", "n_trades", "n_depth", "valid", "ts")


def figures(report: Callable[[str], None]) -> list[dict[str, Any]]:
    events = synthetic.events(SYMBOLS, EVENTS, seed=17, spacing_ns=1_500_000)
    events["ts"] += np.arange(len(events)) * SPELLS // len(events) * PAUSE_NS
    other = events.copy()
    other["size"][len(other) // 2] += 1
    whole = run(events, [len(events)])
    report(f"{len(events):,} events, {(whole[1]['valid'] & 32 > 0).mean():.0%} with a score, landmarks moved "
           f"{int(whole[0].records['landmark'].min() - (events['ts'][0] >> 24)) >> 20} times and more")  # fmt: skip
    ways: dict[str, Callable[[NDArray[np.void]], tuple[State, NDArray[np.void]]]] = {
        "random batch cuts": lambda found: run(found, cuts(len(found))), "symbol order": by_symbol, "two threads": by_threads,
        "checkpoint and restore": lambda found: run(found, cuts(len(found)), is_restarted=True),
    }  # fmt: skip
    made = []
    for name, way in ways.items():
        made.append(figure(name, differing(whole, way(events)), differing(whole, way(other)), len(events)))
    mirror = run(synthetic.mirrored(events, around=3), [len(events)])[1]
    turned = events.copy()
    turned["price"] = 6 - turned["price"]
    made.append(figure("a mirrored book negates", negated(whole[1], mirror), negated(whole[1], run(turned, [len(turned)])[1]), len(events)))
    made.append(simulated(report))
    return made


def figure(name: str, value: int | None, planted: int, count: int) -> dict[str, Any]:
    return {"id": "K8", "name": name, "value": value, "unit": "bytes", "op": "==", "bar": 0, "planted": planted, "n": count, "rival": "one batch"}


def cuts(count: int) -> list[int]:
    return [*np.sort(np.random.default_rng(23).integers(0, count, 400)).tolist(), count]


def run(events: NDArray[np.void], ends: list[int], *, is_restarted: bool = False) -> tuple[State, NDArray[np.void]]:
    state, out, start = make_state(SYMBOLS), np.zeros(len(events), OUTPUT), 0
    for number, end in enumerate(ends):
        apply_evaluate(state, events[start:end], out[start:end])
        start = end
        if is_restarted and number % 40 == 0:
            state = restore(checkpoint(state))
    return state, out


def by_symbol(events: NDArray[np.void]) -> tuple[State, NDArray[np.void]]:
    """Symbol by symbol, the last first; numbers put back to their events."""
    order = np.concatenate([np.flatnonzero(events["symbol"] == symbol) for symbol in reversed(range(SYMBOLS))])
    state, found = run(events[order], [len(events)])
    out = np.zeros(len(events), OUTPUT)
    out[order] = found
    return state, out


def by_threads(events: NDArray[np.void]) -> tuple[State, NDArray[np.void]]:
    """Two threads, a half of the symbols each, on one array of records."""
    state, out = make_state(SYMBOLS), np.zeros(len(events), OUTPUT)

    def half(which: int) -> None:
        places = np.flatnonzero(events["symbol"] % 2 == which)
        found = np.zeros(len(places), OUTPUT)
        apply_evaluate(state, events[places], found)
        out[places] = found

    threads = [threading.Thread(target=half, args=(which,)) for which in range(2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return state, out


def differing(one: tuple[State, NDArray[np.void]], other: tuple[State, NDArray[np.void]]) -> int:
    pairs = [(one[1], other[1]), (one[0].records, other[0].records)]
    return sum(int((np.frombuffer(a.tobytes(), "u1") != np.frombuffer(b.tobytes(), "u1")).sum()) for a, b in pairs)


def negated(one: NDArray[np.void], mirror: NDArray[np.void]) -> int:
    return sum(int((one[each] != -mirror[each]).sum()) for each in SIGNALS) + sum(int((one[each] != mirror[each]).sum()) for each in EVEN)


def simulated(report: Callable[[str], None]) -> dict[str, Any]:
    """The test's own child process: 0 where every byte is the same, 1 where it says otherwise; planted: an ulp, which it must see."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "lib"), str(ROOT)]), "NUMBA_ENABLE_CUDASIM": "1"}
    done = subprocess.run([sys.executable, "-c", PARITY], env=environment, capture_output=True, text=True, check=False, timeout=300)
    report(f"CUDA simulator: {(done.stdout or done.stderr).strip().splitlines()[-1]}")
    return {**figure("CUDA simulator", int(done.returncode != 0), int(done.stdout.endswith("seen True\n")), 1800), "unit": "runs", "rival": "the CPU"}

