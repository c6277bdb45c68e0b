"""Waits until no job runs any more: bin/upgrade must not replace the environment under one. Asked are the locks, which the kernel
frees with their process; the database may be what is being upgraded."""

from __future__ import annotations

import fcntl
import sys
from datetime import timedelta
from pathlib import Path

from scizor.base import config as configuration
from scizor.base import flock
from scizor.base.clock import RunningClock
from scizor.base.errors import ScizorError
from scizor.base.exit import Exit
from scizor.base.lock import holder_of

WAIT_SECONDS = 1800.0
POLL_SECONDS = 2.0
NO_JOBS = ("alerts", "findings", "install-cron")  # held for moments, by whoever tells or installs


def busy(locks: Path) -> list[str]:
    """The jobs that hold their locks, with who they are."""
    found = []
    for path in sorted(locks.glob("*.lock")):
        if path.name.startswith(NO_JOBS):
            continue
        with open(path) as file:
            if not flock.take(file, fcntl.LOCK_SH, 0.0):
                found.append(f"{path.stem} (pid {holder_of(locks, path.stem).get('pid', 'unknown')})")
    return found


def main(wait_seconds: float = WAIT_SECONDS) -> int:
    """0 when no job runs, 75 when one still does after `wait_seconds` of the wall."""
    try:
        locks = configuration.load(configuration.default_file()).make_paths().locks
    except ScizorError as failure:
        print(f"upgrade: {failure}", file=sys.stderr)
        return failure.exit
    clock = RunningClock()
    limit = clock.now() + timedelta(seconds=wait_seconds)
    told: list[str] = []
    while running := busy(locks):
        if running != told:
            print(f"upgrade: waits for {', '.join(running)}")
            told = running
        if clock.now() >= limit:
            print(f"upgrade: {', '.join(running)} still after {wait_seconds / 60:.0f} minutes. HINT: kill PID asks it to finish the window in hand and end", file=sys.stderr)
            return Exit.BUSY
        clock.pause(POLL_SECONDS)
    return Exit.DONE
