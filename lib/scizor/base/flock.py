"""A flock with a limit: the kernel's own waits for ever, and whoever holds it may be paused.

For the short locks around one step (starting a server, rotating a log). One run of a job at a time is base.lock's business.
"""

from __future__ import annotations

import fcntl
from datetime import timedelta
from typing import IO

from scizor.base.clock import RunningClock

POLL_SECONDS = 0.02


def take(file: IO[str], operation: int, wait_seconds: float) -> bool:
    """Takes the lock (fcntl.LOCK_SH or LOCK_EX) on the open file within `wait_seconds` of the wall. False: somebody has it still.
    Closing the file gives it back, as does the death of the process."""
    clock = RunningClock()
    limit = clock.now() + timedelta(seconds=wait_seconds)
    while True:
        try:
            fcntl.flock(file, operation | fcntl.LOCK_NB)
        except BlockingIOError:
            if clock.now() >= limit:
                return False
            clock.pause(POLL_SECONDS)
        else:
            return True
