"""Stopping politely: SIGTERM, SIGINT and the deadline ask; the job finishes the window in hand and ends."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from scizor.base.errors import ScizorError
from scizor.base.exit import Exit
from scizor.run import group

GRACE_SECONDS = 20.0
LAST_SECONDS = 120.0  # after all that: a process that cannot even run its own timers is ended by the kernel


class Stop:
    """Asked to stop, and why. Set from a signal handler or a timer; looked at between two windows."""

    def __init__(self) -> None:
        self.status: Exit | None = None
        self._waiters: list[Callable[[], None]] = []

    @property
    def is_asked(self) -> bool:
        return self.status is not None

    def ask(self, status: Exit) -> None:
        """Asks once; the first reason counts."""
        if self.status is None:
            self.status = status
            for wake in tuple(self._waiters):  # the deadline's thread asks while the loop's may leave
                wake()

    async def wait(self) -> Exit:
        """Returns when somebody asks. For a task beside the work; has no limit of its own: the deadline asks."""
        event = asyncio.Event()
        loop = asyncio.get_running_loop()

        def wake() -> None:
            loop.call_soon_threadsafe(event.set)

        self._waiters.append(wake)
        try:
            if self.status is None:
                await event.wait()
        finally:
            self._waiters.remove(wake)
        assert self.status is not None
        return self.status


@contextmanager
def listening(
    stop: Stop, deadline_wall_seconds: float | None = None, last_words: Callable[[], None] = lambda: None, *,
    in_hand_wall_seconds: float = 0.0,
) -> Iterator[None]:  # fmt: skip
    """While the body runs, signals and the deadline ask `stop`. A second signal, or the grace period after the
    deadline, ends the process at once, and whatever it started: a job that hangs must not hang for ever, nor may its
    children. A process that is caught in a library and runs no timer any more gets SIGALRM from the kernel. last_words:
    called before that end by force, so that somebody hears of it; must not hang itself. in_hand_wall_seconds: how long what is in hand may take to
    finish; the grace is that much longer."""
    grace = GRACE_SECONDS + in_hand_wall_seconds

    def give_up() -> None:
        print(f"scizor: ended by force, {grace:.0f} s after its deadline. HINT: see its log in logs/", file=sys.stderr, flush=True)
        killer = threading.Thread(target=group.end, daemon=True)
        killer.start()
        threading.Timer(group.TERM_SECONDS + GRACE_SECONDS, go).start()  # whatever last_words does
        last_words()
        killer.join()
        go()

    def go() -> None:
        group.send(group.others(), signal.SIGKILL)
        os._exit(int(Exit.DEADLINE))

    def on_signal(number: int, _frame: object) -> None:
        if stop.is_asked:
            group.send(group.others(), signal.SIGTERM)
            os._exit(128 + number)
        stop.ask(Exit.INTERRUPTED if number == signal.SIGINT else Exit.TERMINATED)

    def on_deadline() -> None:
        stop.ask(Exit.DEADLINE)
        hard = threading.Timer(grace, give_up)
        hard.daemon = True
        timers.append(hard)
        hard.start()

    previous = {number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
    timers: list[threading.Timer] = []
    if deadline_wall_seconds is not None:
        timers.append(threading.Timer(deadline_wall_seconds, on_deadline))
        timers[0].daemon = True
        timers[0].start()
        signal.setitimer(signal.ITIMER_REAL, deadline_wall_seconds + grace + group.TERM_SECONDS + GRACE_SECONDS + LAST_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for timer in timers:
            timer.cancel()
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextmanager
def beating(beat: Callable[[], None], wall_seconds: float, log: logging.Logger) -> Iterator[None]:
    """Calls `beat` every `wall_seconds` from a thread of its own while the body runs. A beat that fails is logged and
    the next one tried: a heartbeat that is missing is what a check looks for."""
    over = threading.Event()

    def run() -> None:
        while not over.wait(wall_seconds):
            try:
                beat()
            except ScizorError as problem:
                log.warning("no heartbeat: %s", problem)

    thread = threading.Thread(target=run, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(timeout=10.0)

