"""connection_events: what happened to the connection with the Gateway, one row each."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol

import psycopg

from scizor.base.masking import mask
from scizor.db.runs import Run
from scizor.db.sql import query

Connection = psycopg.Connection[tuple[Any, ...]]

KEPT_MAX = 1000  # events that wait to be written; a storm of 1100s comes twice a minute
DETAIL_MAX = 1000  # characters, as the column's CHECK says


class Event(Protocol):
    """What a client room tells: its own record has these fields."""

    @property
    def at(self) -> datetime: ...
    @property
    def event(self) -> str: ...
    @property
    def code(self) -> int | None: ...
    @property
    def text(self) -> str: ...
    @property
    def client_id(self) -> int: ...


class Recorder:
    """Takes events without blocking, and writes them when somebody has time: flush(). transact: does the writing, again if
    need be (retry.Link.run)."""

    def __init__(self, transact: Callable[[Callable[[Connection], None]], None], run: Run) -> None:
        self._transact, self._run = transact, run
        self._waiting: deque[Event] = deque(maxlen=KEPT_MAX)

    def note(self, event: Event) -> None:
        self._waiting.append(event)

    def flush(self) -> None:
        """Writes what waits, oldest first, in one transaction."""
        waiting = list(self._waiting)

        def write(connection: Connection) -> None:
            with connection.transaction():
                for event in waiting:
                    connection.execute(query("connection_event"), {
                        "at": event.at, "run_id": self._run.id, "client_id": event.client_id, "event": event.event,
                        "code": event.code, "detail": mask(event.text)[:DETAIL_MAX] or None,
                    })  # fmt: skip

        if waiting:
            self._transact(write)
            for _ in waiting:
                self._waiting.popleft()
