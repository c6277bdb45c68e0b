"""What the server's refusals mean, and which of them are worth another try."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from scizor.base.clock import RunningClock, StoppedClock
from scizor.base.config import DatabaseConfig
from scizor.base.errors import ConfigurationError, NoSpaceError, RefusedError, UnreachableError
from scizor.db.connect import check_clock, check_mode, connect
from scizor.db.embedded import Embedded
from scizor.db.retry import ATTEMPTS, Link, explained
from scizor.db.windows import store
from tests.db.conftest import NOW, Connection, Market, ok

OpenAs = Callable[[str], Connection]


def test_every_session_says_who_it_is_and_has_limits(collector: Connection) -> None:
    settings = ("application_name", "timezone", "search_path", "statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
    found = [collector.execute(f"SHOW {each}".encode()).fetchone() for each in settings]
    assert found == [("scizor/tests",), ("UTC",), ("scizor",), ("5min",), ("5s",), ("1min",)]
    assert collector.autocommit


def test_row_55_a_server_that_does_not_answer_is_asked_again_until_patience_ends(database_config: DatabaseConfig, tmp_path: Path) -> None:
    waited: list[float] = []
    nobody = replace(database_config, host=str(tmp_path))
    with pytest.raises(UnreachableError, match=r"does not answer: "):
        connect(nobody, application="tests", clock=StoppedClock(NOW, waited.append), patience_seconds=20)
    assert sum(waited) >= 20 and waited == sorted(waited) and len(waited) > 3


def test_row_56_a_login_that_is_refused_is_told_at_once_without_the_password(
    database_config: DatabaseConfig, superuser_of: OpenAs, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hunter2")
    secret.chmod(0o400)
    waited: list[float] = []
    with superuser_of("postgres") as superuser:
        superuser.execute("CREATE ROLE refused_here NOLOGIN")
        try:
            config = replace(database_config, user="refused_here", password_file=str(secret))
            with pytest.raises(RefusedError) as refused:
                connect(config, application="tests", clock=StoppedClock(NOW, waited.append), patience_seconds=20)
        finally:
            superuser.execute("DROP ROLE refused_here")
    assert "hunter2" not in str(refused.value) and "HINT" in str(refused.value)
    assert waited == []


@pytest.mark.parametrize("missing", [{"name": "nowhere"}, {"user": "nobody_here"}])
def test_row_56_a_database_that_was_never_set_up_names_the_command_that_does_it(
    database_config: DatabaseConfig, missing: dict[str, str], server: Embedded, tmp_path: Path
) -> None:
    waited: list[float] = []
    config = replace(database_config, **missing)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="not set up yet") as refused:
        connect(config, application="tests", clock=StoppedClock(NOW, waited.append), patience_seconds=20)
    assert refused.value.hint == "bin/migrate"
    # The same server seen as somebody else's: its DBA must do it.
    elsewhere = tmp_path / "s"
    elsewhere.mkdir()
    (elsewhere / f".s.PGSQL.{config.port}").symlink_to(server.socket_directory / f".s.PGSQL.{config.port}")
    with pytest.raises(ConfigurationError, match="not set up yet") as refused:
        connect(replace(config, host=str(elsewhere)), application="tests")
    assert "bin/migrate --print-setup" in refused.value.hint
    assert waited == []


def test_a_full_disk_is_named_with_the_room_that_is_left(collector: Connection, database_config: DatabaseConfig, server: Embedded) -> None:
    def fill(connection: Connection) -> None:
        connection.execute("DO $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$")

    data = server.socket_directory.parent / "data"
    said = rf"could not extend file.*free the disk of {re.escape(str(data))}, which has [0-9,]+ bytes left; nothing was lost"
    with pytest.raises(NoSpaceError, match=said):
        Link(lambda: collector, StoppedClock(NOW), collector).run(fill)
    with pytest.raises(NoSpaceError, match=said), explained(database_config):
        fill(collector)
    with pytest.raises(NoSpaceError, match=r"the database server at db\.example:5433 is out of room.*on db\.example"), explained(
        replace(database_config, host="db.example", port=5433)
    ):
        fill(collector)


def test_row_59_no_connection_left_is_waited_for(database_config: DatabaseConfig, superuser_of: OpenAs) -> None:
    with superuser_of("postgres") as superuser:
        superuser.execute(f'ALTER DATABASE "{database_config.name}" CONNECTION LIMIT 1'.encode())
    first = connect(database_config, application="tests")
    with pytest.raises(UnreachableError, match="no connection left"):
        connect(database_config, application="tests")
    clock = RunningClock()
    threading.Timer(0.3, first.close).start()
    connect(database_config, application="tests", clock=clock, patience_seconds=10).close()


def test_row_60_a_read_only_database_is_no_place_to_store(
    database_config: DatabaseConfig, superuser_of: OpenAs, market: Market
) -> None:
    with superuser_of("postgres") as superuser:
        superuser.execute(f'ALTER DATABASE "{database_config.name}" SET default_transaction_read_only TO on'.encode())
    link = Link(lambda: connect(database_config, application="tests"), StoppedClock(NOW))
    with pytest.raises(UnreachableError, match="read-only"):
        link.run(lambda connection: store(connection, None, None, market.window(), ok(market.bars()), NOW, sessions=market.sessions))
    link.close()


def test_row_57_a_connection_that_is_cut_is_made_again_and_every_bar_is_there_once(
    database_config: DatabaseConfig, superuser_of: OpenAs, market: Market, collector: Connection
) -> None:
    link = Link(lambda: connect(database_config, application="cut-me"), StoppedClock(NOW))
    cuts: list[int] = []

    def work(connection: Connection) -> int:
        done = store(connection, None, None, market.window(), ok(market.bars()), NOW, sessions=market.sessions)
        if len(cuts) < 2:  # the commit went through, its reply is lost
            cuts.append(connection.info.backend_pid)
            with superuser_of("postgres") as superuser:
                superuser.execute("SELECT pg_terminate_backend(%s, 5000)", [connection.info.backend_pid])
            connection.execute("SELECT 1")
        return done.received

    assert link.run(work) == len(market.sessions)
    assert collector.execute("SELECT count(*), count(DISTINCT session_date) FROM bars").fetchone() == (len(market.sessions),) * 2
    assert len(cuts) == 2
    link.close()


def test_row_58_a_lock_that_is_not_to_be_had_is_tried_five_times_and_named(
    database_config: DatabaseConfig, collector: Connection, market: Market
) -> None:
    holder = connect(database_config, application="holder")
    holder.execute("SELECT pg_advisory_lock(21348, %s)", [market.instruments["CBA"].symbol_id])
    collector.execute("SET lock_timeout TO '20ms'")
    waited: list[float] = []
    link = Link(lambda: collector, StoppedClock(NOW, waited.append), collector)
    with pytest.raises(UnreachableError, match=f"SQLSTATE 55P03.*tried {ATTEMPTS} times"):
        link.run(lambda connection: store(connection, None, None, market.window(), ok(market.bars()), NOW, sessions=market.sessions))
    assert len(waited) == ATTEMPTS - 1
    holder.close()
    done = link.run(lambda connection: store(connection, None, None, market.window(), ok(market.bars()), NOW, sessions=market.sessions))
    assert done.stored == len(market.sessions)


def test_row_58_a_deadlock_is_tried_again(database_config: DatabaseConfig, collector: Connection, market: Market) -> None:
    one, two = market.instruments["BHP"].symbol_id, market.instruments["CBA"].symbol_id
    other = connect(database_config, application="other")
    tries: list[str] = []

    def crossing() -> None:
        with other.transaction():
            other.execute("SELECT pg_advisory_xact_lock(21348, %s)", [two])
            time.sleep(0.2)
            other.execute("SELECT pg_advisory_xact_lock(21348, %s)", [one])

    def work(connection: Connection) -> None:
        tries.append("once")
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(21348, %s)", [one])
            time.sleep(0.2)
            connection.execute("SELECT pg_advisory_xact_lock(21348, %s)", [two])

    def swallowing() -> None:
        with contextlib.suppress(psycopg.errors.DeadlockDetected):  # the server picks its victim
            crossing()

    thread = threading.Thread(target=swallowing)
    thread.start()
    Link(lambda: collector, RunningClock(), collector).run(work)
    thread.join()
    other.close()
    assert tries


def test_a_mistake_of_ours_is_not_tried_again(collector: Connection) -> None:
    waited: list[float] = []
    link = Link(lambda: collector, StoppedClock(NOW, waited.append), collector)
    with pytest.raises(psycopg.errors.UndefinedTable):
        link.run(lambda connection: connection.execute("SELECT * FROM nowhere"))
    assert waited == []


def test_row_09_a_clock_that_is_off_writes_nothing_unless_it_is_off_on_purpose(collector: Connection) -> None:
    check_clock(collector, RunningClock())
    check_clock(collector, StoppedClock(NOW))
    now = RunningClock().now()
    check_clock(collector, RunningClock(origin=NOW, started=now, speed=60.0))

    class Wrong(RunningClock):
        def now(self) -> datetime:
            return RunningClock().now() - timedelta(hours=1)

    with pytest.raises(UnreachableError, match="differ by 3600 s"):
        check_clock(collector, Wrong())


def test_a_database_belongs_to_one_mode(collector: Connection) -> None:
    clock = StoppedClock(NOW)
    check_mode(collector, "paper", clock)
    check_mode(collector, "paper", clock)
    with pytest.raises(RefusedError, match="holds paper data, the configuration says live"):
        check_mode(collector, "live", clock)
