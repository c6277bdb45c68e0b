"""What a check reads and what bin/health stores: facts by the name of a query; checks, key figures and latencies as rows.

`looking` opens a connection that cannot write: default_transaction_read_only is on, statements are cut after two seconds, and on
the embedded server it is the reader's login; elsewhere it is the jobs' login, whose password is known.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

import psycopg

from scizor.base.config import DatabaseConfig
from scizor.base.errors import ScizorError, UnreachableError
from scizor.db import migrate
from scizor.db.connect import connect, embedded_data, explain
from scizor.db.sql import query

Connection = psycopg.Connection[tuple[Any, ...]]
Rows = list[tuple[Any, ...]]

CONNECT_SECONDS = 3
STATEMENT_SECONDS = 2
SLOTS = 840  # hours of 35 days


class Kpi(NamedTuple):
    """One key figure, measured. scope: of what; "" the whole. grade: target, fair, alert, critical or none."""

    name: str
    scope: str
    value: float
    unit: str
    grade: str


class Limit(NamedTuple):
    """What a key figure is held against; None where nothing was promised."""

    name: str
    unit: str
    is_less_better: bool
    target: float | None
    alert: float | None
    critical: float | None
    meaning: str


class Seen(NamedTuple):
    """A check as it was seen. status: ok, warning, critical or unknown."""

    name: str
    status: str
    value: str
    threshold: str
    hint: str
    since: datetime | None


class Spread(NamedTuple):
    """Latencies of one hour in milliseconds, and the histogram that they were read from."""

    samples: int
    p50: float
    p95: float
    p99: float
    highest: float
    histogram: str


@contextlib.contextmanager
def looking(server: DatabaseConfig, application: str) -> Iterator[Connection]:
    """A connection that only reads. Raises what db.connect raises, within some seconds."""
    quick = replace(server, connect_timeout_seconds=min(server.connect_timeout_seconds, CONNECT_SECONDS))
    user = migrate.READER if embedded_data(server.host) else None
    with translated(server), contextlib.closing(connect(quick, application=application, user=user, read_only=True)) as connection:
        connection.execute("SET default_transaction_read_only TO on")
        connection.execute(f"SET statement_timeout TO '{STATEMENT_SECONDS}s'".encode())
        yield connection


@contextlib.contextmanager
def writing(server: DatabaseConfig, application: str) -> Iterator[Connection]:
    """A connection for a few quick writes."""
    quick = replace(server, connect_timeout_seconds=min(server.connect_timeout_seconds, CONNECT_SECONDS))
    with translated(server), contextlib.closing(connect(quick, application=application)) as connection:
        connection.execute(f"SET statement_timeout TO '{STATEMENT_SECONDS}s'".encode())
        yield connection


@contextlib.contextmanager
def translated(at: DatabaseConfig) -> Iterator[None]:
    """psycopg's errors as ours."""
    try:
        yield
    except psycopg.Error as problem:
        raise explain(problem, at) or UnreachableError(f"the database did not answer as it should: {str(problem).splitlines()[0]}") from problem


def facts(connection: Connection, name: str, values: Mapping[str, Any]) -> Rows | ScizorError:
    """The rows of a query, or why there are none."""
    try:
        return connection.execute(query(name), values).fetchall()
    except psycopg.Error as problem:
        return explain(problem, connection) or UnreachableError(f"{name}: {str(problem).splitlines()[0]}")


def schema(connection: Connection) -> str | ScizorError:
    """Which schema the database has, or what must be done about it."""
    try:
        migrate.check(connection)
        return f"schema {migrate.version(connection)}"
    except ScizorError as problem:
        return problem


def store_checks(connection: Connection, seen: Sequence[Seen], now: datetime) -> None:
    """One row a check; `since` moves when it becomes well or ceases to be. Checks that are no more are left to say when."""
    columns = [list(each) for each in zip(*seen, strict=True)]
    with connection.transaction():
        connection.execute(query("put_checks"), {
            "names": columns[0], "statuses": columns[1], "values": columns[2], "thresholds": columns[3], "hints": columns[4],
            "sinces": columns[5], "now": now,
        })  # fmt: skip


def store_kpis(connection: Connection, kpis: Sequence[Kpi], now: datetime) -> None:
    """The newest values; of the history a row each five minutes, and when a grade changes."""
    if not kpis:
        return
    names, scopes, values, units, grades = (list(each) for each in zip(*kpis, strict=True))
    with connection.transaction():
        connection.execute(query("put_kpis"), {"names": names, "scopes": scopes, "values": values, "units": units, "grades": grades, "now": now})


def store_limits(connection: Connection, limits: Sequence[Limit], settings: Mapping[str, float], now: datetime) -> None:
    """What figures are held against, and the settings that psql needs: written where they differ from what is there."""
    with connection.transaction():
        for each in limits:
            connection.execute(query("put_limit"), {**each._asdict(), "now": now})
        for name, value in settings.items():
            connection.execute(query("put_setting"), {"name": name, "value": value, "now": now})


def store_latency(connection: Connection, name: str, hour: datetime, add: Callable[[str | None], Spread]) -> None:
    """add: the histogram of that hour so far (None: none yet) -> with the new samples in it."""
    slot = int(hour.timestamp() // 3600) % SLOTS
    with connection.transaction():
        row = connection.execute("SELECT histogram FROM latencies WHERE name = %s AND slot = %s AND hour = %s FOR UPDATE", [name, slot, hour]).fetchone()
        spread = add(row[0] if row else None)
        connection.execute(query("put_latency"), {"name": name, "slot": slot, "hour": hour, **spread._asdict()})


def store_event(connection: Connection, at: datetime, event: str, client_id: int, detail: str) -> None:
    """bin/health's own word on the Gateway, beside those of the jobs."""
    with connection.transaction():
        connection.execute(query("connection_event"), {"at": at, "run_id": None, "client_id": client_id, "event": event, "code": None, "detail": detail[:1000] or None})
