"""The schema: whole files or nothing, by whomever, however often, and whatever is killed."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from scizor.base.config import DatabaseConfig
from scizor.base.errors import ConfigurationError, RefusedError
from scizor.base.paths import ROOT
from scizor.db import calendar, migrate, symbols
from scizor.db.connect import connect
from scizor.db.embedded import PORT, SUPERUSER, Embedded
from scizor.db.windows import store
from scizor.market.types import Flag
from tests.db.conftest import NOW, Connection, Market, listed, ok, xasx

OpenAs = Callable[[str], Connection]


@pytest.fixture
def empty(server: Embedded, superuser_of: OpenAs) -> Iterator[DatabaseConfig]:
    """An empty database as a DBA makes it: nothing but what print_setup says."""
    config = replace(DatabaseConfig(), host=str(server.socket_directory), port=PORT, name=f"empty_{uuid.uuid4().hex[:8]}")
    with superuser_of("postgres") as superuser:
        migrate.prepare(superuser, config)
        yield config
        superuser.execute(f'DROP DATABASE "{config.name}" WITH (FORCE)'.encode())


def owner(config: DatabaseConfig) -> Connection:
    return connect(config, application="tests", owner=True)


def test_a_second_migration_finds_nothing_to_do_and_bare_psql_finds_the_tables(empty: DatabaseConfig) -> None:
    with owner(empty) as connection:
        assert migrate.apply(connection, NOW) == [path.name for path in migrate.files().values()]
        assert migrate.apply(connection, NOW) == []
        migrate.check(connection)
        assert migrate.last_partition_year(connection) == NOW.year + migrate.YEARS_AHEAD
    bare = psycopg.connect(host=empty.host, port=empty.port, dbname=empty.name, user="scizor_reader")
    with bare:
        assert bare.execute("SHOW timezone").fetchone() == ("UTC",)
        assert bare.execute("SELECT count(*) FROM symbols").fetchone() == (0,)


def test_row_62_a_schema_of_another_number_names_the_next_step(empty: DatabaseConfig, tmp_path: Path) -> None:
    with owner(empty) as connection:
        with pytest.raises(ConfigurationError, match=r"has schema 0, the code needs .*bin/migrate"):
            migrate.check(connection)
        migrate.apply(connection, NOW)
        fewer = Path(shutil.copytree(migrate.SCHEMA, tmp_path / "fewer"))
        sorted(fewer.iterdir())[-1].unlink()
        with pytest.raises(ConfigurationError, match=f"has schema {max(migrate.files())}, the code knows"):
            migrate.check(connection, fewer)


def test_an_applied_file_that_was_edited_is_refused_by_name(empty: DatabaseConfig, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(migrate.SCHEMA, tmp_path / "copy"))
    with owner(empty) as connection:
        migrate.apply(connection, NOW, copy)
        with open(copy / "002_symbols.sql", "a") as file:
            file.write("-- a thought\n")
        with pytest.raises(ConfigurationError, match=r"002_symbols.sql was edited"):
            migrate.apply(connection, NOW, copy)


def test_a_number_that_was_left_out_may_be_filled_in_later_and_until_then_it_is_missed(empty: DatabaseConfig, tmp_path: Path) -> None:
    for number in (1, 3):
        (tmp_path / f"{number:03}_x.sql").write_text(f"-- x\nCREATE TABLE x{number} (a integer)")
    with owner(empty) as connection:
        migrate._bootstrap(connection)
        assert migrate._apply_missing(connection, NOW, migrate.files(tmp_path)) == ["001_x.sql", "003_x.sql"]
        migrate.check(connection, tmp_path)
        (tmp_path / "002_late.sql").write_text("-- x\nCREATE TABLE x2 (a integer)")
        with pytest.raises(ConfigurationError, match=r"has schema 3, but not 002_late\.sql"):
            migrate.check(connection, tmp_path)
        assert migrate._apply_missing(connection, NOW, migrate.files(tmp_path)) == ["002_late.sql"]
        migrate.check(connection, tmp_path)
        (tmp_path / "002_twin.sql").write_text("-- x\nSELECT 1")
        with pytest.raises(ConfigurationError, match="each number once"):
            migrate.files(tmp_path)


def test_a_file_that_fails_leaves_nothing_of_itself_and_the_next_run_goes_on(empty: DatabaseConfig, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(migrate.SCHEMA, tmp_path / "copy"))
    last = max(migrate.files()) + 1
    added = copy / f"{last:03d}_more.sql"
    added.write_text("CREATE TABLE more (id integer); SELECT 1/0;")
    with owner(empty) as connection:
        with pytest.raises(psycopg.errors.DivisionByZero):
            migrate.apply(connection, NOW, copy)
        assert migrate.version(connection) == last - 1
        assert connection.execute("SELECT to_regclass('scizor.more')").fetchone() == (None,)
        added.write_text("CREATE TABLE more (id integer);")
        assert migrate.apply(connection, NOW, copy) == [added.name]


def test_a_login_that_may_not_act_as_owner_is_told_so(empty: DatabaseConfig) -> None:
    with connect(empty, application="tests") as collector, pytest.raises(RefusedError, match="may not act as scizor_owner"):
        migrate.apply(collector, NOW)


MIGRATE = """
import sys
from datetime import datetime, UTC
from dataclasses import replace
from scizor.base.config import DatabaseConfig
from scizor.db import calendar, migrate, symbols
from scizor.db.connect import connect
host, port, name = sys.argv[1:4]
config = replace(DatabaseConfig(), host=host, port=int(port), name=name)
with connect(config, application="migrate", owner=True) as connection:
    print(len(migrate.apply(connection, datetime(2025, 1, 16, tzinfo=UTC))))
"""


def start_migration(config: DatabaseConfig) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", MIGRATE, config.host, str(config.port), config.name]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)


def test_four_migrations_at_once_apply_each_file_once(empty: DatabaseConfig) -> None:
    running = [start_migration(empty) for _ in range(4)]
    said = [process.communicate(timeout=60) for process in running]
    assert [process.returncode for process in running] == [0] * 4, said
    assert sorted(int(out) for out, _ in said) == [0, 0, 0, len(migrate.files())]


def test_a_migration_that_is_killed_anywhere_is_finished_by_the_next(empty: DatabaseConfig, superuser_of: OpenAs) -> None:
    """kill -9 after ever longer; whatever stands is whole files, and the last run makes it complete."""
    seen = set()
    for step in range(60):
        if step >= 14 and len(seen) > 1:  # on a loaded machine the first ones come too early
            break
        process = start_migration(empty)
        deadline = time.monotonic() + 0.16 + 0.025 * step
        while time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.002)
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        with owner(empty) as connection:
            version = migrate.version(connection)
            seen.add(version)
            for number, table in {2: "symbols", 3: "job_runs", 4: "bars", 5: "coverage", 6: "alerts"}.items():
                there = connection.execute("SELECT to_regclass(%s) IS NOT NULL", [f"scizor.{table}"]).fetchone()
                # the server may still be committing what the killed process sent last
                assert there == (version >= number,) or there == (migrate.version(connection) >= number,)
        if version == max(migrate.files()):
            with superuser_of("postgres") as superuser:
                superuser.execute(f'DROP DATABASE "{empty.name}" WITH (FORCE)'.encode())
                migrate.prepare(superuser, empty)
    with owner(empty) as connection:
        migrate.apply(connection, NOW)
        migrate.check(connection)
    assert len(seen) >= 2, f"every kill came at the same place: {seen}"


def test_I47_what_is_stored_and_who_reads_it_go_through_a_migration_and_older_findings_become_doubts_on_the_bars(
    empty: DatabaseConfig, tmp_path: Path
) -> None:
    """From the schema before doubts stood on bars: every bar and version stays, and the views show the rows that they showed."""
    older = Path(shutil.copytree(migrate.SCHEMA, tmp_path / "older"))
    for number, path in migrate.files(older).items():
        if number >= 17:
            path.unlink()
    with owner(empty) as connection, connect(empty, application="tests") as collector:
        migrate.apply(connection, NOW, older)
        calendar.store(collector, xasx(), "exchange_calendars", NOW)
        symbols.store_listed(collector, [listed("CBA")], NOW)
        market = Market(xasx(), {each.symbol: each for each in symbols.load_instruments(collector, NOW)})
        bars = market.bars(8)
        for hours in (0, 1):
            at = NOW + timedelta(hours=hours)
            bars[0] = bars[0]._replace(close=bars[0].close + 0.25 * hours)
            store(collector, None, None, market.window(8), ok(bars, at), at, sessions=market.sessions)
        days = market.dates(8)
        report = (
            "INSERT INTO quality_reports (session_date, timeframe, origin, made_at, series, expected, stored, explained, missing, quarantined, wrong, doubted, revised) "
            "SELECT %s, '1day', id, %s, 1, 1, 1, 0, 0, 0, 0, 0, 0 FROM origins RETURNING id"
        )
        finding = (
            "INSERT INTO quality_findings (report_id, symbol_id, session_date, timestamp, rule, severity, is_confirmed, evidence) "
            "SELECT %s, id, %s, CASE WHEN %s THEN %s::date::timestamp AT TIME ZONE 'UTC' END, %s, %s, %s, 'x' FROM symbols"
        )
        for day, rule, is_bar, severity, is_confirmed, hours in (
            (days[1], "brownlees_gallo", True, "soft", False, 2), (days[2], "price_unit", False, "hard", False, 2), (days[3], "hampel", True, "soft", True, 2),
            (days[4], "missing_bar", False, "hard", False, 2), (days[0], "spike", False, "hard", False, 0.5),  # of a version that was mended
        ):  # fmt: skip
            number = collector.execute(report.encode(), [day, NOW + timedelta(hours=hours, seconds=days.index(day))]).fetchone()
            assert number is not None
            collector.execute(finding.encode(), [number[0], day, is_bar, day, rule, severity, is_confirmed])
        kept = "SELECT to_jsonb(b) - 'flags' FROM {} b ORDER BY session_date, revision"
        shown = "SELECT id, symbol_id, timestamp, timeframe, open, high, low, close, volume, wap, trades, session_date, created_at FROM {} ORDER BY id"
        statements = [kept.format(each) for each in ("bars", "bars_history")] + [shown.format(each) for each in ("market_data", "market_data_checked")]
        before = [connection.execute(each.encode()).fetchall() for each in statements]
        assert list(map(len, before)) == [8, 1, 8, 6]
        assert min(int(name[:3]) for name in migrate.apply(connection, NOW)) == 17
        assert [connection.execute(each.encode()).fetchall() for each in statements] == before
        flags = connection.execute("SELECT session_date, flags FROM bars WHERE flags <> 0 ORDER BY 1").fetchall()
        assert flags == [(days[1], int(Flag.BROWNLEES_GALLO)), (days[2], int(Flag.WRONG))]
        again = store(collector, None, None, market.window(8), ok(bars, NOW + timedelta(hours=3)), NOW + timedelta(hours=3), sessions=market.sessions)
        assert (again.stored, again.revised) == (0, 0)


def test_every_table_and_column_explains_itself(database: Connection) -> None:
    silent = database.execute("""
        SELECT c.relname, a.attname
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
        WHERE c.relnamespace = 'scizor'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
          AND a.attnum > 0 AND NOT a.attisdropped
          AND (col_description(c.oid, a.attnum) IS NULL OR obj_description(c.oid) IS NULL)""").fetchall()  # fmt: skip
    assert silent == []


def test_no_column_asks_the_servers_clock(database: Connection) -> None:
    clocks = "(now|current_timestamp|current_date|clock_timestamp|localtimestamp|statement_timestamp)"
    defaults = "SELECT adrelid::regclass FROM pg_attrdef WHERE pg_get_expr(adbin, adrelid) ~* %s"
    assert database.execute(defaults, [clocks]).fetchall() == []
    functions = "SELECT proname FROM pg_proc WHERE pronamespace = 'scizor'::regnamespace AND prosrc ~* %s"
    assert database.execute(functions, [rf"\m{clocks}\M"]).fetchall() == []
    for file in (ROOT / "sql").glob("queries/*.sql"):
        assert "now()" not in file.read_text(), file


@pytest.mark.skipif(not Path("/usr/lib/postgresql/15/bin/initdb").exists(), reason="no PostgreSQL 15 here")
def test_the_oldest_server_takes_the_schema_and_a_window(tmp_path: Path) -> None:
    """PostgreSQL 15, started by hand: migrated, stored into, and asked with the users' SQL."""
    from scizor.base import service
    from scizor.db import calendar, symbols
    from scizor.db.windows import store
    from tests.db.conftest import Market, listed, ok, xasx

    binaries = Path("/usr/lib/postgresql/15/bin")
    tmp = ROOT / "var" / "tests" / "fifteen"
    shutil.rmtree(tmp, ignore_errors=True)
    tmp.mkdir(parents=True)
    who = service.run_as(ROOT)
    uid, gid = who or (None, None)
    if who:
        os.chown(tmp, *who)
    extra: list[int] | None = [] if who else None
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": "/"}
    subprocess.run(
        [binaries / "initdb", "-D", tmp / "data", "-U", SUPERUSER, "-A", "trust", "--no-sync", "--locale=C", "-E", "UTF8"],
        user=uid, group=gid, extra_groups=extra, check=True, **quiet,
    )  # type: ignore[call-overload]  # fmt: skip
    process = subprocess.Popen(
        [binaries / "postgres", "-D", tmp / "data", "-k", tmp, "-c", "listen_addresses="], user=uid, group=gid, extra_groups=extra,
        **quiet,
    )  # type: ignore[call-overload]  # fmt: skip
    try:
        config = replace(DatabaseConfig(), host=str(tmp), name="fifteen")
        for _ in range(200):
            with contextlib.suppress(psycopg.OperationalError):
                psycopg.connect(host=str(tmp), user=SUPERUSER, dbname="postgres").close()
                break
            time.sleep(0.05)
        with connect(config, application="tests", user=SUPERUSER, name="postgres") as superuser:
            migrate.prepare(superuser, config)
        with owner(config) as connection:
            migrate.apply(connection, NOW)
        with connect(config, application="tests") as collector:
            calendar.store(collector, xasx(), "exchange_calendars", NOW)
            symbols.store_listed(collector, [listed("CBA")], NOW)
            market = Market(xasx(), {each.symbol: each for each in symbols.load_instruments(collector, NOW)})
            bars = market.bars()
            assert store(collector, None, None, market.window(), ok(bars), NOW).stored == len(bars)
            assert store(collector, None, None, market.window(), ok(bars), NOW).unchanged == len(bars)
            assert collector.execute("SELECT count(DISTINCT id) FROM market_data").fetchone() == (len(bars),)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)
        shutil.rmtree(tmp, ignore_errors=True)


def test_what_a_dba_is_given_runs_in_psql_and_says_how_passwords_come_to_the_jobs(server: Embedded, superuser_of: OpenAs) -> None:
    config = replace(DatabaseConfig(), host=str(server.socket_directory), port=PORT, name=f"given_{uuid.uuid4().hex[:8]}")
    script = migrate.print_setup(config)
    comments = script[script.rindex("\\gexec") :].splitlines()[1:]
    assert all(line.startswith("--") for line in comments)
    told = "\n".join(comments)
    for words in (
        "\\password scizor_owner", "\\password scizor_collector", "scram-sha-256", "umask 377; printf '%s\\n' PASSWORD > FILE",
        "owner_password_file (scizor_owner), password_file (scizor_collector)", f"host  {config.name}  ",
    ):  # fmt: skip
        assert words in told
    command = [str(server.binaries / "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", config.host, "-p", str(PORT), "-U", SUPERUSER, "-d", "postgres"]
    try:
        for _ in range(2):  # a second time it changes nothing
            done = subprocess.run(command, input=script, capture_output=True, text=True, check=False, env={"LC_ALL": "C.UTF-8"})
            assert (done.returncode, done.stderr) == (0, "")
        with owner(config) as connection:
            assert migrate.version(connection) == 0
    finally:
        with superuser_of("postgres") as superuser:
            superuser.execute(f'DROP DATABASE IF EXISTS "{config.name}" WITH (FORCE)'.encode())
