"""Runs, their heartbeat, their end, and the fence."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from scizor.base.errors import BusyError
from scizor.base.protocols import Message, Severity
from scizor.db import requests, runs
from scizor.db.outbox import PostgresOutbox
from tests.db.conftest import HOUR, NOW, Connection, Market

Rows = Callable[..., list[tuple[Any, ...]]]
PLACE = runs.Place("here", 17, "boot", "0.1", "ab12cd34", ["--dry-run"])


def start(connection: Connection, now: Any = NOW, scope: str = "") -> runs.Run:
    return runs.start(connection, job="collect-daily", scope=scope, place=PLACE, now=now)


def test_runs_with_nothing_due_share_one_row_a_day(collector: Connection, rows: Rows) -> None:
    for minutes in range(0, 150, 15):
        run = start(collector, NOW + timedelta(minutes=minutes))
        runs.finish(collector, run, NOW + timedelta(minutes=minutes, seconds=1), outcome="nothing-due", exit_status=0)
    assert rows("SELECT outcome, times, day::text FROM job_runs") == [("nothing-due", 10, "2025-01-16")]
    run = start(collector, NOW + 24 * HOUR)
    runs.finish(collector, run, NOW + 24 * HOUR, outcome="nothing-due", exit_status=0)
    assert rows("SELECT count(*) FROM job_runs") == [(2,)]


def test_a_run_that_worked_keeps_its_row(collector: Connection, rows: Rows) -> None:
    run = start(collector)
    runs.heartbeat(collector, run, NOW + HOUR, runs.Counts(targets=9, succeeded=3))
    runs.finish(collector, run, NOW + 2 * HOUR, outcome="partial", exit_status=3, counts=runs.Counts(9, 8, 1, 500), error_message="x" * 9999)
    start(collector, NOW + 3 * HOUR)
    found = rows("SELECT outcome, exit_status, targets, succeeded, failed, rows_stored, length(error_message) FROM job_runs ORDER BY id")
    assert found == [("partial", 3, 9, 8, 1, 500, 4000), ("running", None, 0, 0, 0, 0, None)]


def test_what_died_is_buried_by_its_successor_with_its_pending_requests(collector: Connection, rows: Rows, market: Market) -> None:
    dead = start(collector)
    requests.open_request(collector, dead, market.window(), 1, NOW)
    living = start(collector, NOW + HOUR)
    assert rows("SELECT outcome FROM job_runs ORDER BY id") == [("abandoned",), ("running",)]
    assert rows("SELECT outcome, status FROM collection_logs") == [("cancelled", "failed")]
    runs.finish(collector, dead, NOW + 2 * HOUR, outcome="done", exit_status=0)  # it was only paused
    assert rows("SELECT outcome FROM job_runs ORDER BY id") == [("abandoned",), ("running",)]
    with pytest.raises(BusyError, match="lost lock epoch 1, now 2"):
        runs.heartbeat(collector, dead, NOW + 2 * HOUR)
    runs.heartbeat(collector, living, NOW + 2 * HOUR)


def test_two_scopes_run_side_by_side_and_two_of_one_never(collector: Connection, database: Connection) -> None:
    start(collector, scope="priority")
    start(collector, scope="low")
    with pytest.raises(psycopg.errors.UniqueViolation):
        database.execute("INSERT INTO job_runs (job, scope, day, started_at, heartbeat_at, outcome, code_version, host, pid, boot_id, lock_epoch) "
                         "SELECT job, scope, day, started_at, heartbeat_at, outcome, code_version, host, pid, boot_id, 9 FROM job_runs LIMIT 1")


def test_I31_a_failure_is_one_open_alert_until_it_recovers(collector: Connection, rows: Rows) -> None:
    outbox = PostgresOutbox(collector)
    message = Message("collect-daily/unreachable", Severity.HIGH, "s" * 300, "b" * 9000, NOW, labels={"job": "collect-daily"})
    for _ in range(3):
        outbox.put(message)
    assert rows("SELECT times, length(subject), length(body), labels->>'job' FROM alerts") == [(3, 200, 8000, "collect-daily")]
    outbox.put(Message("collect-daily/unreachable", Severity.HIGH, "s", "b", NOW + HOUR, recovered=True))
    outbox.put(message)
    assert rows("SELECT times, resolved_at IS NULL FROM alerts ORDER BY id") == [(3, False), (1, True)]
