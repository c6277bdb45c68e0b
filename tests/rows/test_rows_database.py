"""What the database may do to a whole run: be away, refuse, die in the middle, have another schema, show another time."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from scizor.base import service
from scizor.base.clock import RunningClock
from scizor.base.config import Config, DatabaseConfig
from scizor.base.exit import Exit
from scizor.db import migrate
from scizor.db.connect import connect
from scizor.db.embedded import PORT, Embedded, embedded
from tests.conftest import EPOCH, as_superuser
from tests.jobs.stage import Stage, stage
from tests.rows.recount import disagreements
from tests.run.configured import write

DUE = "2025-01-15"
SIX = ("CBA", "BHP", "CSL", "WBC", "ANZ", "NAB")
CANARY = "cAnArY-pg-91c4e7"
Capture = pytest.CaptureFixture[str]


def year(config: Config) -> Config:
    return replace(config, collect=replace(config.collect, daily_years=1), gateway=replace(config.gateway, connect_timeout_seconds=120.0))


@pytest.fixture
def there(config: Config, database: psycopg.Connection, tmp_path: Path) -> Iterator[Stage]:
    with stage(year(config), database, tmp_path, speed=20.0) as found:
        yield found


@pytest.fixture(scope="module")
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Embedded]:
    """A server of our own, that may be killed."""
    found = embedded(tmp_path_factory.mktemp("mortal"), {"restart_after_crash": "on"})
    with service.use(found.service):
        yield found
    shutil.rmtree(found.service.directory.parent)  # for root it lies where the server's user can reach it


@pytest.fixture
def doomed(config: Config, mortal: Embedded, tmp_path: Path) -> Iterator[Stage]:
    """A stage whose database may be killed."""
    place = replace(DatabaseConfig(), host=str(mortal.socket_directory), port=PORT, name=f"doomed_{time.monotonic_ns()}")
    with as_superuser(mortal, "postgres") as superuser:
        migrate.prepare(superuser, place)
    with as_superuser(mortal, place.name) as superuser:
        migrate.apply(superuser, EPOCH)
    with connect(place, application="tests", owner=True) as owner, stage(year(replace(config, database=place)), owner, tmp_path, speed=5.0) as found:
        yield found


def change(there: Stage, **words: object) -> None:
    """Other settings under [database]."""
    write(replace(there.config, database=replace(there.config.database, **words)), there.file)  # type: ignore[arg-type]


# ---- away, or refusing -----------------------------------------------------------------------------------------------


def test_row_55_a_database_that_is_not_up_yet_is_waited_for(there: Stage) -> None:
    """The socket is there two tenths of a second after the run has begun to ask."""
    there.list_symbols("CBA")
    with cutting(there.config.database, lambda _: False, after_seconds=0.2) as port:
        change(there, host="127.0.0.1", port=port)
        assert there.run("collect-daily", "--date", DUE) is Exit.DONE


def test_row_55_a_database_that_stays_away_ends_with_69_and_says_what_was_asked(there: Stage, capfd: Capture) -> None:
    there.list_symbols("CBA")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        change(there, host="127.0.0.1", port=taken.getsockname()[1])
        assert there.run("collect-daily", "--date", DUE) is Exit.UNREACHABLE
    said = capfd.readouterr().err
    assert "does not answer: " in said and "PQping" not in said and "is PostgreSQL running?" in said
    assert there.requests() == []


def test_row_56_another_name_or_user_is_told_at_once_to_be_not_set_up(there: Stage, capfd: Capture) -> None:
    there.list_symbols("CBA")
    for words in ({"name": "nobody_made_it"}, {"user": "nobody"}):
        change(there, **words)
        begun = time.monotonic()
        assert there.run("collect-daily", "--date", DUE) is Exit.CONFIGURATION
        assert time.monotonic() - begun < 0.9, "20 s of patience are one of the wall's: it was asked again"
        said = capfd.readouterr().err
        assert next(iter(words.values())) in said and "is not set up yet" in said and "HINT: bin/migrate" in said
    assert there.requests() == []


def test_row_56_I32_a_wrong_password_is_refused_at_once_and_never_repeated_to_anybody(
    doomed: Stage, mortal: Embedded, tmp_path: Path, capfd: Capture
) -> None:
    doomed.list_symbols("CBA")
    hba = mortal.service.directory / "data" / "pg_hba.conf"
    kept = hba.read_text()
    secret = tmp_path / "password"
    secret.write_text(CANARY)
    secret.chmod(0o400)
    change(doomed, password_file=str(secret))
    with as_superuser(mortal, "postgres") as superuser:
        superuser.execute("ALTER ROLE scizor_collector PASSWORD 'the right one'")
        try:
            hba.write_text("local all scizor_collector scram-sha-256\n" + kept)
            superuser.execute("SELECT pg_reload_conf()")
            time.sleep(0.2)
            begun = time.monotonic()
            assert doomed.run("collect-daily", "--date", DUE, "--debug") is Exit.REFUSED
            assert time.monotonic() - begun < 2
        finally:
            hba.write_text(kept)
            superuser.execute("SELECT pg_reload_conf()")
    out, err = capfd.readouterr()
    assert "password authentication failed" in err
    logs = [path.read_text() for path in doomed.config.make_paths().logs.rglob("*.log")]
    assert logs and not any(CANARY in text for text in (out, err, *logs))


NEWER = "INSERT INTO scizor.schema_versions SELECT max(number) + 1, '999_later.sql', 'x', now() FROM scizor.schema_versions"
OLDER = "DELETE FROM scizor.schema_versions WHERE number >= (SELECT max(number) - 1 FROM scizor.schema_versions)"


def test_row_62_an_older_and_a_newer_schema_end_with_78_and_the_next_step(there: Stage, capfd: Capture) -> None:
    there.list_symbols("CBA")
    need = max(migrate.files())
    for statement, step, says in ((NEWER, 1, "update this checkout"), (OLDER, -1, "bin/migrate")):
        there.database.execute(statement.encode())
        have = migrate.version(there.database)
        assert (have - need) * step > 0
        assert there.run("collect-daily", "--date", DUE) is Exit.CONFIGURATION
        said = capfd.readouterr().err
        assert f"schema {have}" in said and str(need) in said and f"HINT: {says}" in said
    assert there.requests() == []
    assert there.rows("SELECT count(*) FROM job_runs") == [(0,)]


class Wrong(RunningClock):
    """A machine's clock that somebody has set."""

    ahead = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


def test_row_09_a_clock_that_is_not_the_databases_writes_nothing(there: Stage, capfd: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Wrong()
    monkeypatch.setattr(Config, "make_clock", lambda _: clock)
    for ahead in (timedelta(hours=1), timedelta(days=-366)):
        monkeypatch.setattr(Wrong, "ahead", ahead)
        assert there.run("symbols", "list") is Exit.UNREACHABLE
        assert there.rows("SELECT count(*) FROM installation") == [(0,)], "even the stamp bears a wrong time"
        assert there.rows("SELECT count(*) FROM job_runs") == [(0,)]
        said = capfd.readouterr().err
        assert "clock and the database's differ by" in said and "nothing is written" in said
    monkeypatch.setattr(Wrong, "ahead", timedelta(seconds=1))
    assert there.run("symbols", "list") is Exit.DONE
    assert there.rows("SELECT count(*) FROM installation") == [(1,)]


# ---- dying -----------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def cutting(place: DatabaseConfig, is_cut: Callable[[bytes], bool], *, after_seconds: float = 0.0, times: int = 1) -> Iterator[int]:
    """A TCP door to the server that hangs up, so many times, once it has handed on what `is_cut` knows. Yields its port,
    which nobody listens on before `after_seconds`."""
    door = socket.socket()
    door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    door.bind(("127.0.0.1", 0))
    left = [times]
    over = threading.Event()
    threads: list[threading.Thread] = []

    def pump(source: socket.socket, sink: socket.socket, is_ours: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
                if is_ours and left[0] and is_cut(data):
                    left[0] -= 1
                    time.sleep(0.05)  # the server does what it was told; its answer is lost
                    break
        for each in (source, sink):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def guide(client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as server:
            server.connect(f"{place.host}/.s.PGSQL.{place.port}")
            back = threading.Thread(target=pump, args=(server, client, False), daemon=True)
            back.start()
            pump(client, server, True)
            back.join()

    def serve() -> None:
        over.wait(after_seconds)
        door.listen()
        with contextlib.suppress(OSError):
            while True:
                client, _ = door.accept()
                threads.append(threading.Thread(target=guide, args=(client,), daemon=True))
                threads[-1].start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield int(door.getsockname()[1])
        assert left[0] == 0 or after_seconds, "nothing was cut"
    finally:
        over.set()
        with contextlib.suppress(OSError):
            door.shutdown(socket.SHUT_RDWR)
        door.close()
        for each in (thread, *threads):
            each.join(10)


@pytest.mark.parametrize(("words", "what"), [(b"COPY staged", "COPY"), (b"COMMIT", "COMMIT")])
def test_row_57_a_connection_cut_in_the_middle_of_a_copy_or_a_commit_stores_every_bar_once(there: Stage, words: bytes, what: str) -> None:
    """After a cut COMMIT nobody can know whether it was done: the window is stored again, and changes nothing."""
    there.list_symbols(*SIX)
    seen: list[bytes] = []

    def is_cut(data: bytes) -> bool:
        if b"COPY staged" in data:
            seen.append(data)
        return words in data and len(seen) >= 2  # in the second window

    with cutting(there.config.database, is_cut, times=2) as port:
        change(there, host="127.0.0.1", port=port)
        assert there.run("collect-daily") is Exit.DONE
    counts = there.rows("SELECT s.symbol, count(*), max(b.revision) FROM bars b JOIN symbols s ON s.id = b.symbol_id GROUP BY 1")
    assert {symbol for symbol, _, _ in counts} == set(SIX)
    assert len({count for _, count, _ in counts}) == 1 and len({revision for _, _, revision in counts}) == 1, counts
    assert there.rows("SELECT count(*) FROM bars_history") == [(0,)]
    assert disagreements(there.rows) == {}
    assert there.rows("SELECT outcome, exit_status FROM job_runs WHERE job = 'collect-daily'") == [("done", 0)]
    assert len(there.requests()) == len(SIX), "what was fetched is not fetched again"


def test_row_57_a_server_that_is_killed_in_the_middle_of_a_run_comes_back_and_every_bar_is_there_once(doomed: Stage, mortal: Embedded) -> None:
    """kill -9 of one of its processes: it drops everybody, recovers from its log, and the run goes on."""
    doomed.list_symbols(*SIX)
    there = doomed
    there.database.close()
    killed: list[int] = []

    def assassin() -> None:
        place = there.config.database
        for _ in range(2000):
            with contextlib.suppress(psycopg.Error), as_superuser(mortal, place.name) as superuser:
                while True:
                    found = superuser.execute(
                        "SELECT pid FROM pg_stat_activity WHERE usename = 'scizor_collector' AND (SELECT count(*) FROM scizor.bars) > 0"
                    ).fetchall()
                    if found:
                        os.kill(found[0][0], signal.SIGKILL)
                        killed.append(found[0][0])
                        return
                    time.sleep(0.005)
            time.sleep(0.01)

    thread = threading.Thread(target=assassin, daemon=True)
    thread.start()
    status = there.run("collect-daily")
    thread.join(30)
    assert len(killed) == 1
    if status is Exit.UNREACHABLE:  # recovery took longer than the run's patience: the next run goes on
        for _ in range(600):
            with contextlib.suppress(psycopg.Error), as_superuser(mortal, "postgres"):
                break
            time.sleep(0.1)
        status = there.run("collect-daily")
    assert status is Exit.DONE
    with connect(there.config.database, application="tests", owner=True) as again:
        there.database = again
        counts = there.rows("SELECT count(*), count(DISTINCT symbol_id), max(revision) - min(revision) FROM bars")
        assert counts[0][1:] == (len(SIX), 0) and counts[0][0] % len(SIX) == 0
        assert disagreements(there.rows) == {}
