"""K10: bytes of state a symbol, and seconds from the start of a process to the first signal after a checkpoint, compiled code cached.

The state is that of a feed by position (IB, market makers collapsed to rows). A book that is fed by price keeps what lies behind the rows
that signals see, 1,024 levels a side: its record is said beside. The restart is a fresh interpreter that restores 2,000 symbols and applies
one event; the smallest of several, as the disk's cache is warm after the first.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from scizor.base.paths import ROOT
from scizor.features import apply, make_state
from scizor.features.checkpoint import checkpoint
from tests.features import synthetic

SYMBOLS, REPEATS = 2000, 7
RESTART = """
import sys
from pathlib import Path
import numpy as np
from scizor.features import OUTPUT, apply_evaluate
from scizor.features.checkpoint import restore
state = restore(Path(sys.argv[1]).read_bytes())
out = np.zeros(1, OUTPUT)
apply_evaluate(state, np.load(sys.argv[2]), out)
print(int(out["valid"][0]))
"""


def figures(report: Callable[[str], None]) -> list[dict[str, Any]]:
    state = make_state(SYMBOLS)
    size, deep = state.records.dtype.itemsize, make_state(1, is_by_price=True).records.dtype.itemsize
    report(f"a symbol by position {size} bytes, {size * SYMBOLS / 1e6:.1f} MB for {SYMBOLS:,}; by price {deep:,} bytes. 640 is not met: "
           "the histogram of S5 in 64 bits and 16 rows a side are 512 of them")  # fmt: skip
    events = synthetic.events(SYMBOLS, 400_000, seed=19, spacing_ns=40_000)
    apply(state, events[:-1])
    with tempfile.TemporaryDirectory(prefix="scizor-k10-") as name:
        saved, last = Path(name) / "state", Path(name) / "event.npy"
        saved.write_bytes(checkpoint(state))
        np.save(last, events[-1:])
        times = [restart(saved, last) for _ in range(REPEATS)]
    report("restarts " + " ".join(f"{each:.2f}" for each in times) + f" s; load {os.getloadavg()[0]:.1f}")
    return [
        {"id": "K10", "name": "state of a symbol", "value": size, "unit": "bytes", "op": "<=", "bar": 1024, "rival": ""},
        {"id": "K10", "name": "restart to the first signal", "value": min(times), "unit": "s", "op": "<=", "bar": 1.0,
         "n": REPEATS, "median": float(np.median(times)), "rival": ""},
    ]  # fmt: skip


def restart(saved: Path, last: Path) -> float:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "lib")}
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", RESTART, str(saved), str(last)], env=environment, capture_output=True, text=True, check=True)
    spent = time.perf_counter() - start
    assert done.stdout.strip().isdigit()
    return spent
