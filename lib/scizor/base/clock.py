"""The one room that asks the machine for the time. Everybody else is handed a clock.

A clock can run faster than the wall from an origin that the configuration states, so that a ten-minute window passes in
ten seconds and every process (jobs, ledger, gateway) still counts on the same one: `now`, `sleep` and every deadline.
Seconds are always the clock's own seconds; only `wall_seconds` speaks of the wall's.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """What is handed in. `now` is aware and in UTC; every duration is in this clock's seconds."""

    def now(self) -> datetime: ...
    def wall_seconds(self, seconds: float) -> float: ...
    def timeout(self, seconds: float | None) -> asyncio.Timeout: ...
    def pause(self, seconds: float) -> None: ...
    async def sleep(self, seconds: float) -> None: ...


@dataclass(frozen=True, slots=True)
class RunningClock:
    """now = origin + (wall - started) x speed; without an origin, the wall itself.

    origin, started: aware datetimes in UTC, or both None. speed: clock seconds per wall second, > 0.
    """

    origin: datetime | None = None
    started: datetime | None = None
    speed: float = 1.0

    def now(self) -> datetime:
        wall = datetime.fromtimestamp(time.time(), UTC)
        if self.origin is None or self.started is None:
            return wall
        return self.origin + (wall - self.started) * self.speed

    def wall_seconds(self, seconds: float) -> float:
        """How long `seconds` of this clock last on the wall."""
        return seconds / self.speed

    def timeout(self, seconds: float | None) -> asyncio.Timeout:
        """asyncio.timeout in this clock's seconds; None waits without limit (say why where you use it)."""
        return asyncio.timeout(None if seconds is None else self.wall_seconds(seconds))

    def pause(self, seconds: float) -> None:
        """Sleeps the thread: for scripts without an event loop."""
        if seconds > 0:
            time.sleep(self.wall_seconds(seconds))

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, self.wall_seconds(seconds)))


class StoppedClock:
    """Stands still until told: for tests and for simulations. Sleeping moves it on at once.

    `sleep` yields to other tasks but does not wait for them; `timeout` never fires by itself.
    """

    speed = 1.0

    def __init__(self, at: datetime, on_sleep: Callable[[float], None] | None = None) -> None:
        self._at = at
        self._on_sleep = on_sleep

    def now(self) -> datetime:
        return self._at

    def move(self, seconds: float) -> None:
        self._at += timedelta(seconds=seconds)

    def wall_seconds(self, seconds: float) -> float:
        return 0.0

    def timeout(self, seconds: float | None) -> asyncio.Timeout:
        return asyncio.timeout(None)

    def pause(self, seconds: float) -> None:
        if self._on_sleep:
            self._on_sleep(seconds)
        self.move(seconds)

    async def sleep(self, seconds: float) -> None:
        self.pause(seconds)
        await asyncio.sleep(0)
