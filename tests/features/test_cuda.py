"""The GPU's kernels in numba's simulator give the CPU's bits; without a device the reason is said. In a child process:
the simulator is chosen when numba is imported."""

from __future__ import annotations

import os
import subprocess
import sys

from scizor.base.paths import ROOT

PARITY = """
import numpy as np
from scizor.features import OUTPUT, cpu, cuda, make_output, make_state, parameters
from scizor.features.state import State
from tests.features.synthetic import events, opening_length
from tests.market.random_events import garbage

assert cuda.why_not() == "" and "simulator" in cuda.device_name()
SYMBOLS = 4
day = events(SYMBOLS, 900, spacing_ns=20_000_000, levels=10)
day["ts"] += (np.arange(len(day)) * 2 // len(day)) * (6 * 3600 * 10**9)  # beyond a rebase
wild = garbage(900, symbols=SYMBOLS + 1, depth=10, seed=5)
table = np.concatenate([parameters(10), parameters(5, trade_shift=1, refill_seconds=1.0)])
for stream in (day, wild):
    one, other = make_state(SYMBOLS, table=table), make_state(SYMBOLS, table=table)
    one.records["parameter"] = other.records["parameter"] = np.arange(SYMBOLS) % 2
    half = len(stream) // 2
    ours, theirs = np.zeros(len(stream), OUTPUT), np.zeros(len(stream), OUTPUT)
    assert cuda.apply(one, stream[:half]) == cpu.apply(other, stream[:half])
    assert cuda.apply_evaluate(one, stream[half:], ours) == cpu.apply_evaluate(other, stream[half:], theirs)
    assert one.records.tobytes() == other.records.tobytes()
    assert ours.tobytes() == theirs.tobytes()
    now = int(stream["ts"].max()) + 10**12
    cuda.evaluate(one, now, a := make_output(one)), cpu.evaluate(other, now, b := make_output(other))
    assert a.tobytes() == b.tobytes()
    numbers = len(np.unique(ours["s1"]))
    assert numbers > 5, numbers
one.records["flow"][0] = np.nextafter(one.records["flow"][0], 9)
print("bitwise equal", "and a planted ulp is seen", one.records.tobytes() != other.records.tobytes())
"""


def child(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join([str(ROOT / "lib"), str(ROOT)])
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], env={**os.environ, "PYTHONPATH": paths, **environment},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def test_the_simulated_gpu_gives_the_bits_of_the_cpu() -> None:
    """Sane events across a rebase and random bytes, two rows of parameters: records and numbers."""
    done = child(PARITY, NUMBA_ENABLE_CUDASIM="1")
    assert done.stdout == "bitwise equal and a planted ulp is seen True\n", done.stderr


def test_without_a_gpu_the_reason_is_said() -> None:
    done = child("from scizor.features import cuda; print(cuda.why_not())", NUMBA_ENABLE_CUDASIM="0", CUDA_VISIBLE_DEVICES="")
    assert done.returncode == 0 and done.stdout.strip().endswith(("device and driver here", "")), done.stderr
