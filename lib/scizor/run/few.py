"""A few tasks at a time. asyncio.TaskGroup cancels the others when one fails and wraps what it raised; here what is in hand
is finished (a transaction is never left in the middle), and the first error comes out as it was raised."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from types import TracebackType
from typing import Any


class Few:
    """At most `count` tasks are in hand; whoever starts one more waits. An async context: leaving it waits for all."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Starts it when there is room. Raises what an earlier one has raised; then this one is not started."""
        is_started = False
        try:
            while len(self._tasks) >= self._count:
                done, self._tasks = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
                for each in done:
                    each.result()
            self._tasks.add(asyncio.create_task(work))
            is_started = True
        finally:
            if not is_started:
                work.close()

    async def __aenter__(self) -> Few:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None) -> None:
        if not self._tasks:
            return
        done, self._tasks = await asyncio.wait(self._tasks)
        failures = [failure for each in done if not each.cancelled() and (failure := each.exception()) is not None]
        if failures and problem is None:
            raise failures[0]
