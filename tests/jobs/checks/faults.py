"""The faults of reliability's table that a check must see, each injected into a scene in which all is well.

A fault is a context: inside it the scene is broken, and it yields the configuration to look with. `check` is whose line must
show it. The number is the row of the table of bad inputs and faults; 0: of the nine that operations promised.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from scizor.base import lock
from scizor.base.config import Config
from tests.jobs.checks.scene import NOW, Reply, Scene, gateway, redis, stay_silent, teller
from tests.relay import free_port

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class Fault(NamedTuple):
    """is_without_database: bin/health cannot store what it saw, and must speak through files and mail. is_slow: it takes
    seconds to see; the suite sees it once, in the run in which everything hangs."""

    row: int
    name: str
    check: str
    inject: Callable[[Scene], AbstractContextManager[Config]]
    is_without_database: bool = False
    is_slow: bool = False


def _sql(*statements: str, undo: tuple[str, ...] = (), now: datetime = NOW) -> Callable[[Scene], AbstractContextManager[Config]]:
    """Rows that tell of a fault; taken back by `undo`."""

    @contextlib.contextmanager
    def inject(scene: Scene) -> Iterator[Config]:
        for each in statements:
            scene.database.execute(each.encode(), {"now": NOW})
        try:
            yield scene.at(now)
        finally:
            for each in undo:
                scene.database.execute(each.encode(), {"now": NOW})

    return inject


def _changed(**sections: dict[str, object]) -> Callable[[Scene], AbstractContextManager[Config]]:
    """Another configuration; a callable value is asked for its value."""

    @contextlib.contextmanager
    def inject(scene: Scene) -> Iterator[Config]:
        changes = {name: replace(getattr(scene.config, name), **{key: value() if callable(value) else value for key, value in each.items()}) for name, each in sections.items()}
        yield replace(scene.config, **changes)

    return inject


def _gateway(answers: Reply | None = None, ahead: float = 0.0, **options: Any) -> Callable[[Scene], AbstractContextManager[Config]]:
    @contextlib.contextmanager
    def inject(scene: Scene) -> Iterator[Config]:
        answer = answers or teller(scene.config.make_clock(), ahead)
        with gateway(answer, **options) as told:
            yield replace(scene.config, gateway=replace(scene.config.gateway, port=told.port, ready_timeout_seconds=0.2, request_timeout_seconds=1.0))

    return inject


@contextlib.contextmanager
def dead_cron(scene: Scene) -> Iterator[Config]:
    yield scene.at(NOW + 5 * HOUR)


@contextlib.contextmanager
def killed_job(scene: Scene) -> Iterator[Config]:
    """A run whose last sign of life is two minutes old."""
    scene.run_row("backfill", "", NOW - HOUR, "running", NOW - timedelta(minutes=2))
    yield scene.config
    scene.run_row("backfill", "", NOW)


@contextlib.contextmanager
def failed_job(scene: Scene) -> Iterator[Config]:
    scene.run_row("collect-daily", "", NOW, "failed")
    yield scene.config
    scene.run_row("collect-daily", "", NOW)


@contextlib.contextmanager
def skips(scene: Scene) -> Iterator[Config]:
    """The real lock, held, and three starts that find it so."""
    directory = scene.config.make_paths().locks
    with lock.hold(directory, "backfill", {"pid": 1}):
        for minute in range(3):
            lock.note_skip(directory, "backfill", NOW + timedelta(minutes=minute))
        yield scene.config
    lock.forget_skips(directory, "backfill")


@contextlib.contextmanager
def open_locks(scene: Scene) -> Iterator[Config]:
    directory = scene.config.make_paths().locks
    lock.check_directory(directory)
    directory.chmod(0o777)
    yield scene.config
    directory.chmod(0o700)


@contextlib.contextmanager
def bad_crontab(scene: Scene, line: str) -> Iterator[Config]:
    """A crontab command before all others that lists a table of its own."""
    from scizor.base.paths import ROOT

    folder = scene.folder / "crontab-bin"
    folder.mkdir(exist_ok=True)
    (folder / "crontab").write_text(f"#!/bin/sh\ncat <<'END'\n{line.replace('ROOT', str(ROOT))}\nEND\n")
    (folder / "crontab").chmod(0o755)
    before = os.environ["PATH"]
    os.environ["PATH"] = f"{folder}:{before}"
    try:
        yield scene.config
    finally:
        os.environ["PATH"] = before


@contextlib.contextmanager
def no_mail(scene: Scene) -> Iterator[Config]:
    """Neither a relay nor a transport; a transport that this machine has cannot be taken away."""
    if any(shutil.which(name, path="/usr/sbin:/usr/lib:/usr/bin:/sbin") for name in ("sendmail", "msmtp", "exim4")):
        raise NotImplementedError("this machine has a mail transport")
    yield replace(scene.config, mail=Config().mail)


@contextlib.contextmanager
def blind_logs(scene: Scene) -> Iterator[Config]:
    """Logs where a file stands in the directory's place: root is stopped by that too."""
    file = scene.folder / "no-directory"
    file.write_text("")
    yield replace(scene.config, paths=replace(scene.config.paths, logs=str(file)))


@contextlib.contextmanager
def mounted(scene: Scene, *options: str) -> Iterator[Config]:
    """State on a small filesystem of its own, where the kernel allows that; NotImplementedError elsewhere."""
    place = scene.folder / "mounted"
    place.mkdir(exist_ok=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", ",".join(("size=4m", *options)), "scizor-test", str(place)], capture_output=True, check=False)
    if done.returncode != 0:
        raise NotImplementedError("no tmpfs can be mounted here")
    try:
        if "ro" not in options:
            (place / "filler").write_bytes(b"x" * 3_900_000)
        yield replace(scene.config, paths=replace(scene.config.paths, state=str(place)))
    finally:
        subprocess.run(["umount", "-l", str(place)], check=False, capture_output=True)


@contextlib.contextmanager
def open_secret(scene: Scene) -> Iterator[Config]:
    file = scene.folder / "relay-password"
    file.write_text("x" * 12)
    file.chmod(0o644)
    yield replace(scene.config, mail=replace(scene.config.mail, password_file=str(file)))


@contextlib.contextmanager
def hanging_server(scene: Scene) -> Iterator[Config]:
    """A server that takes connections and says nothing: as PostgreSQL under SIGSTOP, or behind a firewall that drops."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(8)
        held: list[socket.socket] = []

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    held.append(listening.accept()[0])

        threading.Thread(target=accept, daemon=True).start()
        yield replace(scene.config, database=replace(scene.config.database, host="127.0.0.1", port=listening.getsockname()[1], connect_timeout_seconds=2))
        for each in held:
            each.close()


@contextlib.contextmanager
def full_server(scene: Scene) -> Iterator[Config]:
    """Every connection of the database is in use: its limit is set to what is there."""
    name = scene.config.database.name
    with scene.superuser() as superuser:
        superuser.execute(f'ALTER DATABASE "{name}" CONNECTION LIMIT 0'.encode())
        yield scene.config
        superuser.execute(f'ALTER DATABASE "{name}" CONNECTION LIMIT -1'.encode())


@contextlib.contextmanager
def old_schema(scene: Scene) -> Iterator[Config]:
    row = scene.database.execute("SELECT number, name, sha256, applied_at FROM schema_versions ORDER BY number DESC LIMIT 1").fetchone()
    assert row is not None
    scene.database.execute("DELETE FROM schema_versions WHERE number = %s", [row[0]])
    yield scene.config
    scene.database.execute("INSERT INTO schema_versions (number, name, sha256, applied_at) VALUES (%s, %s, %s, %s)", row)


@contextlib.contextmanager
def no_partition(scene: Scene) -> Iterator[Config]:
    """A machine that comes back after its partitions have ended."""
    yield scene.at(datetime(scene.rows("SELECT max(substring(c.relname FROM '[0-9]{4}$')::int) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'bars'::regclass")[0][0] + 1, 6, 1, tzinfo=UTC))


@contextlib.contextmanager
def full_redis(scene: Scene, *options: str) -> Iterator[Config]:
    with redis(scene.folder, *options) as place:
        yield replace(scene.config, redis=replace(scene.config.redis, socket=str(place)))


@contextlib.contextmanager
def silent_relay(scene: Scene) -> Iterator[Config]:
    scene.relay.down()
    try:
        yield scene.config
    finally:
        scene.relay.up()


@contextlib.contextmanager
def _closed_database(scene: Scene) -> Iterator[Config]:
    """The database refuses the login: as a wrong password does, which a socket with trust cannot show."""
    name, roles = scene.config.database.name, "PUBLIC, scizor_reader, scizor_collector"
    with scene.superuser() as superuser:
        superuser.execute(f'REVOKE CONNECT ON DATABASE "{name}" FROM {roles}'.encode())
        yield scene.config
        superuser.execute(f'GRANT CONNECT ON DATABASE "{name}" TO {roles}'.encode())


REQUEST = ("INSERT INTO collection_logs (id, symbol_id, timeframe, origin, start_date, end_date, outcome, started_at, completed_at) "
           "SELECT 900000 + id, id, '1day', 1, '2025-01-13', '2025-01-13', '{}', %(now)s, %(now)s FROM symbols")  # fmt: skip
COVERED = "UPDATE coverage SET complete = datemultirange(daterange('2024-11-16', '{}'))"
NO_REQUEST = "DELETE FROM collection_logs WHERE id > 900000"
GAP = ("INSERT INTO coverage_gaps (symbol_id, timeframe, origin, days, why, request_id, noticed_at) "
       "SELECT id, '1day', 1, '{{[2025-01-13,2025-01-14)}}', 'deferred', 900000 + id, %(now)s::timestamptz - interval '25 hours' FROM symbols")  # fmt: skip
EVENT = "INSERT INTO connection_events (at, event, ib_code, detail) VALUES (%(now)s::timestamptz - interval '{}', '{}', {}, 'x')"
NO_EVENT = "DELETE FROM connection_events"

FAULTS: tuple[Fault, ...] = (
    Fault(0, "dead cron", "jobs", dead_cron),
    Fault(0, "the newest session was not collected", "newest", _sql(COVERED.format("2025-01-14"), undo=(COVERED.format("2025-01-16"),), now=NOW + 2 * DAY)),
    Fault(0, "no backup verified for four days", "backups", _sql("UPDATE backups SET finished_at = %(now)s::timestamptz - interval '4 days'", undo=("UPDATE backups SET finished_at = %(now)s",))),
    Fault(1, "three skips in a row", "skips", skips),
    Fault(3, "lock directory open to others", "locks", open_locks),
    Fault(4, "CRON_TZ", "cron", lambda scene: bad_crontab(scene, "CRON_TZ=Australia/Sydney\n7 * * * * ROOT/bin/collect-daily")),
    Fault(5, "no mail transport, no relay", "cron", no_mail),
    Fault(6, "percent sign in the crontab", "cron", lambda scene: bad_crontab(scene, "7 * * * * ROOT/bin/collect-daily --date $(date +%F)")),
    Fault(9, "clock off by an hour", "gateway-clock", _gateway(ahead=3600.0)),
    Fault(11, "calendar ends", "calendars", lambda scene: contextlib.nullcontext(scene.at(datetime(2027, 11, 1, 8, tzinfo=UTC)))),
    Fault(12, "Gateway down", "gateway", _changed(gateway={"port": free_port, "connect_timeout_seconds": 1.0})),
    Fault(13, "no handshake", "gateway", _gateway(greet=lambda session: _hang_up())),
    Fault(14, "another account than the mode", "gateway", _gateway(accounts="U1234567")),
    Fault(15, "client id in use", "gateway", _gateway(ids_in_use=(100, 101))),
    Fault(16, "upstream lost (1100)", "connection", _sql(EVENT.format("3 minutes", "upstream-lost", 1100), undo=(NO_EVENT,))),
    Fault(16, "the Gateway says 1100 to us", "gateway", _gateway(farms=((1100, "Connectivity between IB and TWS has been lost."),))),
    Fault(18, "no farm", "gateway", _gateway(farms=((2105, "HMDS data farm connection is broken:ushmds"),))),
    Fault(19, "IB refuses for pacing", "pacing", _sql(REQUEST.format("pacing"), undo=(NO_REQUEST,))),
    Fault(22, "a job fails", "failures", failed_job),
    Fault(23, "no permission", "permissions", _sql(REQUEST.format("no-permission"), undo=(NO_REQUEST,))),
    Fault(25, "missing for more than a day", "coverage", _sql(REQUEST.format("timeout"), GAP.replace("{{", "{").replace("}}", "}"), undo=("DELETE FROM coverage_gaps", NO_REQUEST))),
    Fault(40, "a split waits for a decision", "doubts", _sql("INSERT INTO corporate_actions (symbol_id, ex_date, type, ratio_new, ratio_old, evidence, noticed_at) SELECT min(id), '2025-01-10', 'split', 2, 1, '{}', %(now)s::timestamptz - interval '2 days' FROM symbols", undo=("DELETE FROM corporate_actions",))),
    Fault(53, "the Gateway is silent", "gateway", _gateway(stay_silent)),
    Fault(55, "PostgreSQL down", "database", _changed(database={"host": "127.0.0.1", "port": free_port}), True),
    Fault(55, "PostgreSQL hangs", "database", hanging_server, True, True),
    Fault(56, "no such database", "database", _changed(database={"name": "nowhere"}), True),
    Fault(56, "the database refuses the login", "database", _closed_database, True),
    Fault(59, "no connection left", "database", full_server, True),
    Fault(61, "no partition", "partitions", no_partition),
    Fault(62, "older schema", "schema", old_schema),
    Fault(63, "disk full", "disk", mounted),
    Fault(64, "read-only disk", "disk", lambda scene: mounted(scene, "ro")),
    Fault(68, "Redis down", "redis", _changed(redis={"socket": "/nonexistent/redis.sock"})),
    Fault(68, "Redis wants a password", "redis", lambda scene: full_redis(scene, "--requirepass", "secret")),
    Fault(68, "Redis evicts", "redis", lambda scene: full_redis(scene, "--maxmemory", "10mb", "--maxmemory-policy", "allkeys-lru")),
    Fault(70, "killed job", "running", killed_job),
    Fault(73, "logs not writable", "logs", blind_logs),
    Fault(74, "SMTP down", "mail", silent_relay),
    Fault(74, "alert not delivered", "alerts", _sql("INSERT INTO alerts (fingerprint, severity, subject, body, first_at, last_at) VALUES ('x', 'high', 's', 'b', %(now)s, %(now)s)", "INSERT INTO alert_deliveries (alert_id, channel, occasion, due_at, attempts, last_error) SELECT id, 'mail', 'raised', %(now)s::timestamptz - interval '1 hour', 1, 'refused' FROM alerts", undo=("DELETE FROM alert_deliveries", "DELETE FROM alerts"))),
    Fault(76, "secret file 0644", "secrets", open_secret),
    Fault(81, "corrupt backup", "backups", _sql("INSERT INTO backups (started_at, path, manifest, state) VALUES (%(now)s, 'y', '{}', 'corrupt')", undo=("DELETE FROM backups WHERE state = 'corrupt'",))),
    Fault(88, "the login expires", "login", lambda scene: contextlib.nullcontext(replace(scene.at(datetime(2025, 1, 18, 12, tzinfo=UTC)), mode="paper"))),
)  # fmt: skip


async def _hang_up() -> bool:
    return False


