"""Telling systemd: ready, alive, stopping. Nothing happens where nobody listens, so a daemon says it always.

The protocol is sd_notify(3): a datagram of NAME=value lines to the Unix socket that NOTIFY_SOCKET names ("@…" is an abstract
one). WATCHDOG_USEC is how long systemd waits for the next WATCHDOG=1, WATCHDOG_PID for whom it is meant.
"""

from __future__ import annotations

import os
import socket

from scizor.base.clock import RunningClock


def notify(*lines: str) -> bool:
    """Sends the lines, as in notify("READY=1", "STATUS=listening on 14002"). True if somebody took them; never raises: a
    manager that is gone must not end a daemon that works."""
    name = os.environ.get("NOTIFY_SOCKET", "")
    if name[:1] not in ("/", "@"):
        return False
    text = "\n".join(line.replace("\n", " ") for line in lines)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as to:
        to.setblocking(False)  # a full queue is the manager's loss, not ours
        try:
            to.sendto(text.encode(), "\0" + name[1:] if name[0] == "@" else name)
        except OSError:
            return False
    return True


def watchdog_seconds() -> float | None:
    """How long the manager waits for a sign of life before it ends this process; None where none is asked for."""
    usec, pid = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", "")
    if not usec.isdecimal() or int(usec) == 0 or (pid and pid != str(os.getpid())):
        return None
    return int(usec) / 1e6


async def beat() -> None:
    """WATCHDOG=1 at twice the rate that is asked for, in the wall's time, from the event loop whose life it is about: a loop
    that is blocked sends none. Runs until it is cancelled; ends at once where no watchdog is asked for."""
    seconds = watchdog_seconds()
    while seconds is not None:
        notify("WATCHDOG=1")
        await RunningClock().sleep(seconds / 2)
