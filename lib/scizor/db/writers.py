"""Windows stored side by side: a few connections, each in a thread of its own.

The server merges one answer while another is read here, and a commit's wait for the disk is nobody else's. Three are enough:
of a window's time two thirds are the server's. A symbol's windows never meet, since each holds series.lock_symbol.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from queue import Queue
from types import TracebackType
from typing import Any, TypeVar

import psycopg

from scizor.db.retry import Link

Connection = psycopg.Connection[tuple[Any, ...]]
T = TypeVar("T")

WRITERS = 3
SWITCH_SECONDS = 0.0005  # a thread that the server has answered must not wait 5 ms for one that is reading an answer


class Writers:
    """`count` links, opened when first needed. submit() never waits: whoever hands in work bounds how much is under way
    (`count` in hand, and no more than that again waiting, is plenty)."""

    def __init__(self, link: Callable[[], Link], count: int = WRITERS) -> None:
        self.count = count
        self.links = [link() for _ in range(count)]
        self._idle: Queue[Link] = Queue(count)
        for each in self.links:
            self._idle.put(each)
        self._switch_seconds = sys.getswitchinterval()
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="writer")

    def submit(self, work: Callable[[Connection], T]) -> Future[T]:
        """Link.run(work) in one of the threads: a whole transaction, which may be repeated."""
        return self._threads.submit(self._run, work)

    def _run(self, work: Callable[[Connection], T]) -> T:
        link = self._idle.get()
        try:
            return link.run(work)
        finally:
            self._idle.put(link)

    def __enter__(self) -> Writers:
        self._switch_seconds = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_SECONDS)
        return self

    def __exit__(self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None) -> None:
        """Waits for what is in hand; what has not begun is dropped where the body failed."""
        sys.setswitchinterval(self._switch_seconds)
        self._threads.shutdown(wait=True, cancel_futures=kind is not None)
        for each in self.links:
            each.close()
