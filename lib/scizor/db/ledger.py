"""base.protocols.Ledger in PostgreSQL: the one pacing budget of the login, shared by every process.

A reservation is decided under one advisory lock and committed before its request is sent. Each process holds another
advisory lock for as long as its connection lives; a request whose process has lost it was noticed dead: it counts at that
instant, since nobody will tell when the Gateway read it, and its open slot is free. Nothing else is ever reclaimed.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

import psycopg

from scizor.base.clock import Clock
from scizor.base.protocols import Decide, Grant, PacingClass, PacingRequest, PacingRule
from scizor.db.connect import is_transient
from scizor.db.retry import ATTEMPTS, PAUSE_FIRST_SECONDS, failure
from scizor.db.sql import query

Connection = psycopg.Connection[tuple[Any, ...]]
T = TypeVar("T")

LOCK, HOLDERS = 21346, 21347  # advisory: the ledger itself; with its number, each process
KEPT = timedelta(days=7)  # for sql/monitor/pacing.sql; then pruned
SOFT_HISTORY_SECONDS = 30.0  # soft requests matter to "identical" (15 s) and to the messages of a second


def recent(connection: Connection, now: datetime, history: timedelta) -> list[PacingRequest]:
    """What a decision sees: requests of the last `history` under the hard rule, the last seconds of the others, and whatever
    is open."""
    values = {"hard": now - history, "soft": now - timedelta(seconds=SOFT_HISTORY_SECONDS)}
    return [
        PacingRequest(key, contract_key, PacingRule(rule), weight, PacingClass(pacing_class), reserved_at, counted_at, is_open)
        for key, contract_key, rule, weight, pacing_class, reserved_at, counted_at, is_open in connection.execute(
            query("pacing_history"), values
        )
    ]


class PostgresLedger:
    """open: a connection of its own, since the lock of this process lives as long as it does. history_seconds: how far back
    decide must see requests under the hard rule, and cool-downs."""

    def __init__(
        self, open: Callable[[], Connection], clock: Clock, *, application: str = "scizor", history_seconds: float = 600.0
    ) -> None:
        self._open_connection = open
        self._clock = clock
        self._application = application
        self._history = timedelta(seconds=history_seconds)
        self._connection: Connection | None = None
        self._holder = 0
        self._granted: set[int] = set()  # not closed yet

    def reserve(self, request: PacingRequest, decide: Decide, now: datetime) -> Grant | datetime:
        """A committed grant, or the instant at which asking again makes sense."""
        return self._do(lambda connection: self._reserve(connection, request, decide, now))

    def answered(self, grant: Grant, at: datetime) -> None:
        """The first frame that answers it arrived: from here on it counts from `at`."""
        self._do(lambda connection: connection.execute(query("pacing_answered"), {"id": grant.id, "at": at}))

    def closed(self, grant: Grant, at: datetime) -> None:
        """The request is over (answered, cancelled, lost): its open slot is free."""
        self._do(lambda connection: connection.execute(query("pacing_closed"), {"id": grant.id, "at": at}))
        self._granted.discard(grant.id)

    def history(self, now: datetime) -> list[PacingRequest]:
        """What decide would see."""
        return self._do(lambda connection: recent(connection, now, self._history))

    def close(self) -> None:
        """Ends this process's part; what it left open is noticed by the next one that reserves."""
        if self._connection is not None:
            self._connection.close()

    def _reserve(self, connection: Connection, request: PacingRequest, decide: Decide, now: datetime) -> Grant | datetime:
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
            # Whoever died while we waited for the lock may have sent until then: he is noticed now, not at `now`.
            connection.execute(query("pacing_bury"), {"at": max(now, self._clock.now()), "class": HOLDERS})
            at = decide(recent(connection, now, self._history), request, now)
            if at > now:
                return at
            row = connection.execute(query("pacing_reserve"), {
                "holder": self._holder, "key": request.key, "contract_key": request.contract_key, "rule": str(request.rule),
                "weight": request.weight, "class": str(request.pacing_class), "now": now,
            }).fetchone()  # fmt: skip
        assert row is not None
        self._granted.add(row[0])
        return Grant(row[0], request)

    def _do(self, work: Callable[[Connection], T]) -> T:
        """Repeats what is transient, on a new connection if need be. A grant whose commit was in doubt is not repeated as
        such: its row stays behind with the old connection, is noticed dead, and counts."""
        pause = PAUSE_FIRST_SECONDS
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return work(self._connected())
            except psycopg.Error as problem:
                if not is_transient(problem) or attempt == ATTEMPTS:
                    raise failure(problem, attempt, self._connection) from problem
            self._clock.pause(pause)
            pause *= 2
        raise AssertionError("unreachable")

    def _connected(self) -> Connection:
        if self._connection is not None and not self._connection.closed:
            return self._connection
        connection = self._open_connection()
        now = self._clock.now()
        row = connection.execute(
            "INSERT INTO pacing_holders (application, host, pid, started_at) VALUES (%s, %s, %s, %s) RETURNING id",
            [self._application, socket.gethostname(), os.getpid(), now],
        ).fetchone()
        assert row is not None
        self._holder = row[0]
        connection.execute("SELECT pg_advisory_lock(%s, %s)", [HOLDERS, self._holder])
        if self._granted:  # we are not dead: what we sent is still open, whatever others noticed meanwhile
            connection.execute(query("pacing_adopt"), {"holder": self._holder, "ids": sorted(self._granted)})
        with contextlib.suppress(psycopg.errors.LockNotAvailable, psycopg.errors.QueryCanceled):  # somebody else is at it
            connection.execute("SELECT prune_pacing_requests(%s)", [now - KEPT])
        self._connection = connection
        return connection
