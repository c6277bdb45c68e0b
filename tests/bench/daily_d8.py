"""D8: bin/collect-daily: time of --help, of a run with nothing due; peak memory of both, and of a run of 309 symbols.

On an embedded PostgreSQL that the script itself must start and stop (the slowest case), the whole universe, and the
replay gateway with its simulated market in a process of its own. Peak memory is the kernel's ru_maxrss of the script.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from scizor.base import service
from scizor.base.paths import ROOT
from scizor.db.embedded import embedded
from scizor.run.servers import free_port, replay_gateway

TIMES = 7
MEGABYTE = 1 << 20
KILOBYTE = 1 << 10
# A small process between us and the script: a child's peak counts what its parent was before the exec.
BETWEEN = """
import resource, subprocess, sys, time
begun = time.perf_counter()
status = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
print(status, time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
ORIGIN = datetime(2025, 1, 16, 6, 0, tzinfo=UTC)  # ASX closed for the day, New York for the day before


def figures(report: Callable[[str], None]) -> list[dict[str, Any]]:
    state = Path(tempfile.mkdtemp(prefix="bench-", dir=_below(ROOT / "var")))
    try:
        return _measure(state, report)
    finally:
        service.release(embedded(state / "state").service)
        shutil.rmtree(state, ignore_errors=True)


def _measure(state: Path, report: Callable[[str], None]) -> list[dict[str, Any]]:
    port = free_port(14102)
    file = state / "scizor.toml"
    file.write_text(
        f'mode = "replay"\n[gateway]\nport = {port}\n[paths]\nstate = "{state}/state"\nlogs = "{state}/logs"\n'
        f'[clock]\norigin = "{ORIGIN.isoformat()}"\nstarted = "{datetime.now(UTC).isoformat()}"\n'
    )
    helped = [_run(["collect-daily", "--help"], file) for _ in range(TIMES)]
    report(f"--help {median(each[0] for each in helped):.3f} s, {helped[0][1] / MEGABYTE:.0f} MB")
    _run(["migrate"], file)
    _run(["symbols", "import", *map(str, sorted((ROOT / "etc" / "universe").glob("*.csv")))], file)
    gateway = replay_gateway(state, ("--config", str(file), "--simulated", "1"), port=port)
    with service.use(embedded(state / "state").service), service.use(gateway):
        whole = _run(["collect-daily"], file, expected=(0, 3))
    report(f"309 symbols: {whole[0]:.1f} s, {whole[1] / MEGABYTE:.0f} MB")
    idle = [_run(["collect-daily"], file) for _ in range(TIMES)]
    report(f"nothing due: {median(each[0] for each in idle):.2f} s, {max(each[1] for each in idle) / MEGABYTE:.0f} MB")
    return [
        _figure("--help", [each[0] for each in helped], "s", 0.4),
        _figure("a run with nothing due", [each[0] for each in idle], "s", 2.0),
        _figure("peak memory of --help and of a run with nothing due", [each[1] / MEGABYTE for each in helped + idle], "MB", 200, worst=True),
        _figure("peak memory of a run of 309 symbols", [whole[1] / MEGABYTE], "MB", 250),
    ]  # fmt: skip


def _run(words: list[str], file: Path, expected: tuple[int, ...] = (0,)) -> tuple[float, int]:
    """Seconds and peak bytes of one script, in cron's environment."""
    environment = {"HOME": str(file.parent), "PATH": "/usr/bin:/bin", "SCIZOR_CONFIG": str(file)}
    command = [sys.executable, "-I", "-c", BETWEEN, str(ROOT / "bin" / words[0]), *words[1:]]
    done = subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True, check=False)
    told = done.stdout.strip().splitlines()
    status, seconds, peak = told[-1].split() if told else ("?", "0", "0")
    if int(status) not in expected:
        raise RuntimeError(f"{' '.join(words)} ended with {status}: {done.stderr[-2000:]}")
    return float(seconds), int(peak) * (KILOBYTE if sys.platform != "darwin" else 1)


def _figure(name: str, found: list[float], unit: str, bar: float, *, worst: bool = False) -> dict[str, Any]:
    value = max(found) if worst else median(found)
    return {
        "id": "D8", "name": name, "value": value, "unit": unit, "op": "<=", "bar": bar, "n": len(found),
        "min": min(found), "median": median(found), "rival": "the machine",
    }  # fmt: skip


def _below(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder


if __name__ == "__main__":
    for each in figures(print):
        print(each)
