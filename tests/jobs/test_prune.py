"""bin/prune and bin/make-partitions: what goes has served its time and lies elsewhere, proved; what comes has a place."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from scizor.base.clock import StoppedClock
from scizor.base.config import Config
from scizor.base.errors import UsageError
from scizor.base.exit import Exit
from scizor.db import migrate, retention
from tests.jobs.archived import NOW, fill
from tests.jobs.scripts import Call

Connection = psycopg.Connection[tuple[Any, ...]]
DAY = 86400.0


@pytest.fixture
def filled(collector: Connection) -> Connection:
    fill(collector)
    return collector


def beside(connection: Connection) -> bool:
    row = connection.execute("SELECT to_regclass('scizor.detached_bars_2023') IS NOT NULL").fetchone()
    assert row is not None
    return bool(row[0])


def test_a_detached_year_is_deleted_after_a_month_and_comes_back_from_its_files(
    filled: Connection, call: Call, clock: StoppedClock, capsys: pytest.CaptureFixture[str]
) -> None:
    everything = "SELECT * FROM bars ORDER BY symbol_id, timeframe, origin, timestamp"
    before = filled.execute(everything).fetchall()
    call("export", "--year", "2023", "--detach")
    clock.move(29 * DAY)
    assert call("prune").was_idle and beside(filled)
    call("prune", "--dry-run")
    assert "detached bars of 2023" in (said := capsys.readouterr().out) and "not before 2025-02-14" in said
    clock.move(2 * DAY)
    call("prune", "--dry-run")
    assert "once every file in" in capsys.readouterr().out and beside(filled)
    assert call("prune").status is Exit.DONE and not beside(filled)
    back = call("export", "--import", "--year", "2023")
    assert back.status is Exit.DONE and filled.execute(everything).fetchall() == before
    assert filled.execute("SELECT count(*) FROM archived_sessions").fetchone() == (0,)


@pytest.mark.parametrize("damage", ["flipped", "lost", "no manifest"])
def test_a_year_whose_files_are_not_what_they_were_stays(filled: Connection, call: Call, clock: StoppedClock, config: Config, damage: str) -> None:
    call("export", "--year", "2023", "--detach")
    clock.move(31 * DAY)
    folder = Path(config.paths.state) / "archive"
    file = folder / "1day/BHP/TRADES-ib-regular/2023.parquet"
    if damage == "flipped":
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 1
        file.write_bytes(data)
    elif damage == "lost":
        file.unlink()
    else:
        (folder / "manifest.json").unlink()
    found = call("prune")
    assert found.status is Exit.FINDING and found.failures[0].startswith("the detached bars of 2023 stay: ")
    assert beside(filled)
    # it is still whole, and can be put back without any file
    assert filled.execute("SELECT attach_bar_partition(2023, %s)", [clock.now()]).fetchone() is not None
    assert not beside(filled)


def test_the_database_itself_refuses_to_delete_what_was_not_verified_within_a_day(filled: Connection, call: Call, clock: StoppedClock, config: Config) -> None:
    call("export", "--year", "2023", "--detach")
    folder = str((Path(config.paths.state) / "archive").resolve())
    clock.move(2 * DAY)
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match=r"4 series of 2023 equal no file .* within a day"):
        filled.execute("SELECT drop_detached_bars(2023, %s, %s)", [folder, clock.now()])
    assert beside(filled)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        filled.execute("DROP TABLE detached_bars_2023")


def old_and_young(database: Connection, now: datetime) -> None:
    """In each table that has a retention, a row that has served its time and one that has not."""
    run = "INSERT INTO job_runs (job, day, started_at, heartbeat_at, finished_at, outcome, exit_status, code_version, host, pid, boot_id, lock_epoch) VALUES ('x', %s, %s, %s, %s, 'done', 0, '', '', 1, '', 1)"
    for days in (0, *(limit + shift for limit in retention.DAYS.values() for shift in (1, -1))):
        at = now - timedelta(days=days)
        database.execute(run, [at.date(), at, at, at])
        database.execute("INSERT INTO connection_events (at, event) VALUES (%s, 'x')", [at])
        database.execute("INSERT INTO kpis (name, at, value, unit) VALUES ('x', %s, 1, '') ON CONFLICT DO NOTHING", [at])
        alert = database.execute("INSERT INTO alerts (fingerprint, severity, subject, body, first_at, last_at, resolved_at) VALUES ('x', 'low', '', '', %s, %s, %s) RETURNING id", [at, at, at]).fetchone()
        assert alert is not None
        database.execute("INSERT INTO alert_deliveries (alert_id, channel, occasion, due_at) VALUES (%s, 'mail', 'raised', %s)", [alert[0], at])
    database.execute("INSERT INTO alerts (fingerprint, severity, subject, body, first_at, last_at) VALUES ('open', 'low', '', '', '2001-01-01Z', '2001-01-01Z')")


def test_rows_that_only_tell_go_when_their_time_is_over_and_evidence_never(filled: Connection, database: Connection, call: Call, clock: StoppedClock, capsys: pytest.CaptureFixture[str]) -> None:
    evidence = "SELECT (SELECT count(*) FROM bars), (SELECT count(*) FROM bars_history), (SELECT count(*) FROM collection_logs), (SELECT count(*) FROM quarantine)"
    kept = filled.execute(evidence).fetchone()
    old_and_young(database, clock.now())
    counted = retention.due(filled, clock.now())
    assert all(counted[what] for what in ("connection_events", "job_runs", "alerts", "kpis"))
    call("prune", "--dry-run")
    assert f"connection_events: {counted['connection_events']:,} rows older than 400 days" in capsys.readouterr().out
    assert retention.due(filled, clock.now()) == counted
    done = call("prune")
    assert done.status is Exit.DONE and done.summary.startswith(f"{sum(counted.values()):,} rows pruned"), done
    assert set(retention.due(filled, clock.now()).values()) == {0}
    cut = clock.now() - timedelta(days=400)
    for table, column in (("connection_events", "at"), ("job_runs", "finished_at"), ("alerts", "resolved_at")):
        young = filled.execute(f"SELECT min({column}) >= %s, count(*) > 0 FROM {table} WHERE {column} IS NOT NULL".encode(), [cut]).fetchone()
        assert young == (True, True), table
    assert filled.execute("SELECT count(*) FROM alerts WHERE resolved_at IS NULL").fetchone() == (1,)
    assert filled.execute(evidence).fetchone() == kept
    assert call("prune").was_idle


def test_whatever_a_clock_says_the_last_month_stays_and_nothing_else_can_be_named(filled: Connection, database: Connection, clock: StoppedClock) -> None:
    old_and_young(database, clock.now())
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="too young"):
        filled.execute("SELECT prune_rows('kpis', %s)", [clock.now() + timedelta(days=3000)])
    for evidence in ("bars", "bars_history", "collection_logs", "quarantine", "symbols"):
        with pytest.raises(psycopg.errors.RaiseException, match="nothing is pruned of"):
            filled.execute("SELECT prune_rows(%s, %s)", [evidence, clock.now() - timedelta(days=400)])
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            filled.execute(f"DELETE FROM {evidence}".encode())


def test_row_61_partitions_are_made_ahead_and_their_want_is_said_a_month_before(collector: Connection, call: Call, clock: StoppedClock, capsys: pytest.CaptureFixture[str]) -> None:
    last = migrate.last_partition_year(collector)
    assert call("make-partitions").was_idle
    clock.move((datetime(last, 11, 30, tzinfo=UTC) - NOW).total_seconds())
    assert call("make-partitions", "--dry-run").status is Exit.DONE
    assert capsys.readouterr().out == f"missing: {last + 1}, {last + 2}\n"
    clock.move(3 * DAY)
    found = call("make-partitions", "--dry-run")
    assert found.status is Exit.FINDING and found.summary == f"bars of {last + 1} have no partition"
    assert call("make-partitions").summary == f"2 made: {last + 1}, {last + 2}"
    assert call("make-partitions", "--from", "1985").summary.startswith("5 made: 1985")
    assert {1985, last + 2} <= migrate.partition_years(collector)
    for words in (("--from", "1800"), ("--from", "2140"), ("--years-ahead", "500")):
        with pytest.raises(UsageError, match="out of reach"):
            call("make-partitions", *words)
