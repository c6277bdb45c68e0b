"""The rivals' own environment below var/bench, made on demand from rivals.lock; not a bench. bin/setup knows nothing of it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scizor.base.clock import RunningClock
from scizor.base.lock import hold
from scizor.base.paths import ROOT

LOCK = ROOT / "tests" / "bench" / "rivals.lock"
HOME = ROOT / "var" / "bench"
INSTALL_SECONDS = 900
RUN_SECONDS = 600


class UnavailableError(Exception):
    """They cannot be installed here; the text says why."""


def folder() -> Path:
    """The directory to put on PYTHONPATH; the first call installs (0.9 GB)."""
    target = HOME / f"rivals-{hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]}"
    with hold(HOME / "locks", "rivals", {"pid": os.getpid()}, wait_seconds=INSTALL_SECONDS, clock=RunningClock()):
        if not target.exists():
            partial = HOME / "rivals.partial"
            shutil.rmtree(partial, ignore_errors=True)
            pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps", "--require-hashes"]
            command = [*pip, "--only-binary", ":all:", "--target", str(partial), "-r", str(LOCK)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
            if done.returncode:
                said = (done.stderr or done.stdout).strip().splitlines()[-1:]
                raise UnavailableError(f"pip ended with {done.returncode}: {' '.join(said)}")
            partial.rename(target)
    return target


def measured(report: Callable[[str], None], module: str, *words: str) -> dict[str, Any]:
    """Runs `python -m tests.bench.<module> WORDS` where both they and we can be imported: one process, its last line JSON.

    What is missing is said, and the result is empty: the figures are then missed, not skipped.
    """
    try:
        theirs = folder()
    except (UnavailableError, subprocess.TimeoutExpired, OSError) as error:
        report(f"the rivals are not here: {error}. HINT: they come from the package registry, tests/bench/rivals.lock")
        return {}
    paths = os.pathsep.join([str(theirs), str(ROOT / "lib"), str(ROOT)])
    environment = {**os.environ, "PYTHONPATH": paths, "NUMBA_CACHE_DIR": str(HOME / "numba")}
    done = subprocess.run(
        [sys.executable, "-m", f"tests.bench.{module}", *words], cwd=ROOT, env=environment, capture_output=True, text=True,
        timeout=RUN_SECONDS, check=False,
    )  # fmt: skip
    lines = done.stdout.strip().splitlines()
    for line in lines[:-1]:
        report(line)
    if done.returncode or not lines:
        report(f"{module} {words[:1]} ended with {done.returncode}: {done.stderr.strip().splitlines()[-1:]}")
        return {}
    found: dict[str, Any] = json.loads(lines[-1])
    return found
