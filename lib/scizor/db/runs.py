"""Runs of jobs: one row each, a heartbeat, and the fence that stops a paused lock holder from writing.

Whoever starts a run holds the file lock of (job, scope), so a row that still says "running" there is of a process that
died, or of one that was paused and will wake up: it is marked abandoned, and the epoch moves on. Every transaction that
writes asks `fence` first. A run that finds nothing due goes on in the day's row for such runs: one a job and day.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from scizor.base.errors import BusyError
from scizor.db.sql import query

Connection = psycopg.Connection[tuple[Any, ...]]

MESSAGE_MAX = 4000  # characters, as the column's CHECK says


@dataclass(frozen=True, slots=True)
class Run:
    """A started run: its row and its number at the fence."""

    id: int
    job: str
    scope: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run happens: to find it, and to tell a living process from a number that was used again."""

    host: str
    pid: int
    boot_id: str
    code_version: str
    log_id: str = ""
    arguments: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Counts:
    """Windows that were due, stored, and not; bars that are new or changed."""

    targets: int = 0
    succeeded: int = 0
    failed: int = 0
    rows_stored: int = 0


def start(connection: Connection, *, job: str, scope: str, place: Place, now: datetime) -> Run:
    """Takes the next epoch, buries what died, and opens a row (the day's idle one, if there is one). The caller holds the
    file lock of (job, scope)."""
    with connection.transaction():
        epoch = _value(connection, "take_epoch", {"job": job, "scope": scope})
        connection.execute(query("abandon_requests"), {"job": job, "scope": scope, "now": now})
        connection.execute(query("abandon_runs"), {"job": job, "scope": scope, "now": now})
        values = {
            "job": job, "scope": scope, "now": now, "epoch": epoch, "host": place.host, "pid": place.pid,
            "boot_id": place.boot_id, "code_version": place.code_version, "log_id": place.log_id,
            "arguments": Jsonb(place.arguments),
        }  # fmt: skip
        row = connection.execute(query("resume_idle_run"), values).fetchone()
        run_id = row[0] if row else _value(connection, "start_run", values)
        connection.execute("UPDATE job_locks SET run_id = %s WHERE job = %s AND scope = %s", [run_id, job, scope])
    return Run(run_id, job, scope, epoch)


def heartbeat(connection: Connection, run: Run, now: datetime, counts: Counts | None = None) -> None:
    """A sign of life, with what has been done so far. Raises BusyError when another run has taken over."""
    with connection.transaction():
        fence(connection, run)
        connection.execute(query("heartbeat"), {"id": run.id, "now": now, **_counts(counts)})


def finish(
    connection: Connection, run: Run, now: datetime, *, outcome: str, exit_status: int,
    counts: Counts | None = None, error_class: str | None = None, error_message: str | None = None,
) -> None:  # fmt: skip
    """Closes the row. outcome: done, nothing-due, partial, finding, failed, interrupted or deadline.

    A row that a successor has marked abandoned stays so.
    """
    with connection.transaction():
        connection.execute(query("finish_run"), {
            "id": run.id, "epoch": run.epoch, "now": now, "outcome": outcome, "exit_status": exit_status,
            "error_class": error_class, "error_message": error_message and error_message[:MESSAGE_MAX], **_counts(counts),
        })  # fmt: skip


def fence(connection: Connection, run: Run) -> None:
    """Inside a transaction, before its first write: BusyError when the lock has passed to another run meanwhile.

    The row stays locked to the transaction's end, so that nobody takes over between this question and the commit.
    """
    row = connection.execute(
        "SELECT epoch FROM job_locks WHERE job = %s AND scope = %s FOR SHARE", [run.job, run.scope]
    ).fetchone()
    if row is None or row[0] != run.epoch:
        raise BusyError(
            f"lost lock epoch {run.epoch}, now {row[0] if row else 'none'}: another run of {run.job} has taken over",
            hint="was this process paused, or its lock file deleted? nothing of this window was written",
        )


def _counts(counts: Counts | None) -> dict[str, int | None]:
    if counts is None:
        return {"targets": None, "succeeded": None, "failed": None, "rows_stored": None}
    return {
        "targets": counts.targets, "succeeded": counts.succeeded, "failed": counts.failed, "rows_stored": counts.rows_stored,
    }  # fmt: skip


def _value(connection: Connection, name: str, values: dict[str, Any]) -> Any:
    row = connection.execute(query(name), values).fetchone()
    assert row is not None
    return row[0]
