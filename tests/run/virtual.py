"""Hours in milliseconds: an event loop whose time jumps to the next timer, its clock, and a ledger in memory.

While a thread works for the loop, time stands still: what it takes on this machine is not part of the story.
"""

from __future__ import annotations

import asyncio
import selectors
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from scizor.base.protocols import Decide, Grant, PacingRequest
from tests.conftest import EPOCH

T = TypeVar("T")


class _Selector(selectors.DefaultSelector):
    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if self.loop.threads:
            return super().select(0.002 if timeout is None else min(timeout, 0.002))
        if timeout is None:
            if found := super().select(5.0):
                return found
            raise RuntimeError("everybody waits and nothing will ever happen")
        self.loop.seconds += max(0.0, timeout)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        selector = _Selector()
        selector.loop = self
        self.seconds = 0.0
        self.threads = 0
        super().__init__(selector)

    def time(self) -> float:
        return self.seconds

    def run_in_executor(self, executor: Executor | None, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:  # type: ignore[override]
        future = super().run_in_executor(executor, func, *args)
        self.threads += 1
        future.add_done_callback(lambda _: self._ended())
        return future

    def _ended(self) -> None:
        self.threads -= 1


class VirtualClock:
    """The loop's time, from EPOCH on."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=self._loop.seconds)

    def wall_seconds(self, seconds: float) -> float:
        return seconds

    def timeout(self, seconds: float | None) -> asyncio.Timeout:
        return asyncio.timeout(seconds)

    def pause(self, seconds: float) -> None:
        raise AssertionError("a thread sleeps")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))


def run(body: Callable[[VirtualClock], Coroutine[Any, Any, T]]) -> T:
    """asyncio.run on a virtual loop; the body gets its clock."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, VirtualLoop)
        return runner.run(body(VirtualClock(loop)))


class MemoryLedger:
    """The Ledger of one login, for several holders in one process. kill() is what a dead process looks like."""

    def __init__(self) -> None:
        self.rows: dict[int, PacingRequest] = {}
        self.lock = threading.Lock()
        self.asked = 0
        self.is_ignored = False  # a planted defect: everything is granted

    def reserve(self, request: PacingRequest, decide: Decide, now: datetime) -> Grant | datetime:
        with self.lock:
            self.asked += 1
            at = decide(list(self.rows.values()), request, now)
            if at > now and not self.is_ignored:
                return at
            grant = Grant(len(self.rows) + 1, replace(request, reserved_at=now, is_open=True))
            self.rows[grant.id] = grant.request
            return grant

    def answered(self, grant: Grant, at: datetime) -> None:
        with self.lock:
            row = self.rows[grant.id]
            self.rows[grant.id] = replace(row, counted_at=row.counted_at or at)

    def closed(self, grant: Grant, at: datetime) -> None:
        with self.lock:
            row = self.rows[grant.id]
            self.rows[grant.id] = replace(row, counted_at=row.counted_at or at, is_open=False)

    def kill(self, ids: list[int], at: datetime) -> None:
        for id in ids:
            self.closed(Grant(id, self.rows[id]), at)
