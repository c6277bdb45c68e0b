"""The processes that a run has started: found, asked to end, and killed. A job that is ended by force must not leave a
pg_dump behind that holds its pipe, its disk or its lock.

A run without a terminal makes a process group of its own, so that also a grandchild whose parent is gone is found. At a
terminal the shell has made one for the whole pipeline, which is not ours to end: there it is the descendants. What was
given a session of its own is meant to stay: the embedded servers, which other runs use too.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterable
from datetime import timedelta

from scizor.base.clock import RunningClock

TERM_SECONDS = 20.0  # between SIGTERM and SIGKILL
POLL_SECONDS = 0.1


def lead() -> bool:
    """Makes this process the leader of a group of its own, unless a person sits at its terminal. True if it leads one
    that is its own alone."""
    if any(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        return False
    with contextlib.suppress(PermissionError):  # the leader of a session leads its group already
        os.setpgid(0, 0)
    return os.getpgrp() == os.getpid()


def others() -> set[int]:
    """Everybody whom this process has started and who still runs: its descendants, and its group where it leads one."""
    import psutil  # late: hardly a run is ended by force

    me = os.getpid()
    found = {child.pid for child in psutil.Process(me).children(recursive=True)}
    if os.getpgrp() == me and not sys.stderr.isatty():
        found |= {pid for pid in psutil.pids() if _group_of(pid) == me}
    return {pid for pid in found - {me} if _session_of(pid) == os.getsid(0) and _runs(pid)}


def end(term_seconds: float | None = None) -> int:
    """SIGTERM to all of them, `term_seconds` of the wall (TERM_SECONDS), SIGKILL to whoever is left. How many had to be killed."""
    send(others(), signal.SIGTERM)
    clock = RunningClock()
    limit = clock.now() + timedelta(seconds=TERM_SECONDS if term_seconds is None else term_seconds)
    while (left := others()) and clock.now() < limit:
        clock.pause(POLL_SECONDS)
    send(left, signal.SIGKILL)
    return len(left)


def send(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # a server of ours may run as somebody else
            os.kill(pid, number)


def _group_of(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except (ProcessLookupError, PermissionError):
        return 0


def _session_of(pid: int) -> int:
    try:
        return os.getsid(pid)
    except (ProcessLookupError, PermissionError):
        return 0


def _runs(pid: int) -> bool:
    """Not one that has ended and was not waited for."""
    import psutil

    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False
