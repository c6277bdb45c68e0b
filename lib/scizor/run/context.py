"""What a job is handed, and what it hands back. No heavy imports: every script has these on its first screen."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from scizor.base.clock import Clock
from scizor.base.config import Config
from scizor.base.exit import Exit
from scizor.base.paths import Paths
from scizor.run.stop import Stop

if TYPE_CHECKING:
    from psycopg import Connection

    from scizor.base.config import DatabaseConfig
    from scizor.db.retry import Link
    from scizor.db.runs import Run

T = TypeVar("T")


@dataclass(slots=True)
class Context:
    """One run. `connection` and `row` are there when the script asked for them (script.Needs)."""

    name: str
    scope: str
    run_id: str
    args: argparse.Namespace
    config: Config
    clock: Clock
    paths: Paths
    log: logging.Logger
    stop: Stop
    server: DatabaseConfig | None = None
    database: Connection | None = None
    row: Run | None = None
    link: Link | None = None

    @property
    def connection(self) -> Connection:
        if self.link is not None:
            return self.link.connection
        assert self.database is not None, f"{self.name} did not ask for a database"
        return self.database

    def transact(self, work: Callable[[Connection], T]) -> T:
        """work(connection), done again, over a new connection if need be, while what fails is transient: for a whole
        transaction that may be repeated. Raises a ScizorError for what stays."""
        return work(self.connection) if self.link is None else self.link.run(work)

    @property
    def run(self) -> Run:
        assert self.row is not None, f"{self.name} did not ask for a job_runs row"
        return self.row


@dataclass(slots=True)
class Result:
    """How a job ended. summary: one line for a person and the log. failures: what went wrong, a line each, the most
    important first; the runner prints at most 40. counts: for the job_runs row (targets, ok, failed, rows).
    was_idle: nothing was due: the run is remembered in one row per job and day. kind: what tells one cause of a failure
    from another (an error's class), never a text with symbols in it. leaves_failures: what failed in an earlier run was
    not tried in this one, so its success is no recovery."""

    summary: str = ""
    status: Exit = Exit.DONE
    failures: list[str] = field(default_factory=list)
    hint: str = ""
    counts: dict[str, int] = field(default_factory=dict)
    was_idle: bool = False
    kind: str = ""
    leaves_failures: bool = False
