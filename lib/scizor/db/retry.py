"""Doing a transaction again: after a deadlock, a lock that was not to be had, a server that went away and came back.

Only whole transactions are repeated, and only those that may be: windows.store is, since storing the same answer twice
changes no bar, so that even a commit whose reply was lost may be sent again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import psycopg

from scizor.base.clock import Clock
from scizor.base.config import DatabaseConfig
from scizor.db.connect import explain, is_transient

Connection = psycopg.Connection[tuple[Any, ...]]
T = TypeVar("T")

ATTEMPTS = 5
PAUSE_FIRST_SECONDS = 0.2


class Link:
    """A connection that is opened again when it is lost. open: connects (with its own patience)."""

    def __init__(self, open: Callable[[], Connection], clock: Clock, connection: Connection | None = None) -> None:
        self._open = open
        self._clock = clock
        self._connection = connection

    @property
    def connection(self) -> Connection:
        if self._connection is None or self._connection.closed:
            self._connection = self._open()
        return self._connection

    def run(self, work: Callable[[Connection], T]) -> T:
        """Calls work(connection) up to five times while what fails is transient.

        Afterwards, and for anything else, the database's error becomes one that says what to do: a ScizorError, with
        the SQLSTATE in it; an error that only a programmer can mend stays as it is.
        """
        pause = PAUSE_FIRST_SECONDS
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return work(self.connection)
            except psycopg.Error as problem:
                if not is_transient(problem) or attempt == ATTEMPTS:
                    raise failure(problem, attempt, self._connection) from problem
            self._clock.pause(pause)
            pause *= 2
        raise AssertionError("unreachable")

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()


@contextlib.contextmanager
def explained(server: DatabaseConfig | None = None) -> Iterator[None]:
    """A database's error that leaves the body becomes one that says what to do, where there is something to say. server:
    whose error it will be, where that is known."""
    try:
        yield
    except psycopg.Error as problem:
        found = failure(problem, at=server)
        if found is problem:
            raise
        raise found from problem


def failure(problem: psycopg.Error, attempts: int = 1, at: Connection | DatabaseConfig | None = None) -> Exception:
    """What to raise for it. at: the server that said it."""
    found = explain(problem, at)
    if found is None:
        return problem
    if attempts > 1:
        return type(found)(f"{found.message}, tried {attempts} times", hint=found.hint)
    return found
