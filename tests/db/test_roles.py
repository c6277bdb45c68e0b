"""Four roles, each with as little as it needs."""

from __future__ import annotations

import psycopg
import pytest

from scizor.base.config import DatabaseConfig
from scizor.db.connect import connect
from scizor.db.windows import store
from tests.db.conftest import NOW, Connection, Market, ok

TABLES = ["installation", "symbols", "symbol_codes", "watchlist", "sessions", "session_overrides", "job_locks", "job_runs", "origins", "collection_logs", "pacing_holders", "pacing_requests", "connection_events", "bars", "bars_history", "quarantine", "coverage", "coverage_gaps", "historical_data_metadata", "corporate_actions", "alerts", "alert_deliveries", "backups", "kpis", "health_checks", "kpi_limits", "kpis_now", "latencies", "recorded_limits", "schema_versions"]
OTHERS = [
    "CREATE TABLE mine (id integer)", "CREATE TABLE public.mine (id integer)", "DROP TABLE bars", "ALTER TABLE bars ADD note text",
    "ALTER TABLE bars DISABLE TRIGGER ALL", "CREATE INDEX ON bars (close)", "DROP FUNCTION keep_revision", "CREATE ROLE other",
    "ALTER ROLE scizor_owner SUPERUSER", "SET ROLE scizor_owner",
    "UPDATE bars SET \"timestamp\" = \"timestamp\"", "UPDATE bars SET revision = 0", "UPDATE bars_history SET close = 1",
    "INSERT INTO bars_history SELECT *, known_from FROM bars", "UPDATE collection_logs SET started_at = started_at",
    "UPDATE installation SET mode = 'live'", "UPDATE quarantine SET raw = ''", "UPDATE schema_versions SET number = 1",
    "COPY bars TO PROGRAM 'cat'", "COPY bars TO '/var/bars'", "SELECT pg_read_file('/etc/passwd')",
    "SELECT rolpassword FROM pg_authid", "ALTER DATABASE postgres SET timezone TO 'Asia/Kolkata'",
]  # fmt: skip


def test_I39_the_collector_deletes_empties_and_alters_nothing(collector: Connection, market: Market) -> None:
    store(collector, None, None, market.window(20), ok(market.bars(20)), NOW, sessions=market.sessions)
    forbidden = [text for table in TABLES for text in (f"DELETE FROM {table}", f"TRUNCATE {table}", f"DROP TABLE {table}")] + OTHERS
    for statement in forbidden:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            collector.execute(statement.encode())
            pytest.fail(statement)
    assert collector.execute("SELECT count(*) FROM bars").fetchone() == (20,)


def test_I39_history_is_append_only_for_its_owner_too(database: Connection, market: Market) -> None:
    for statement in ("DELETE FROM bars_history", "TRUNCATE bars_history", "UPDATE bars_history SET close = 1"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append only"):
            database.execute(statement.encode())


def test_the_reader_reads_and_the_backup_reads_sequences_too(database_config: DatabaseConfig, market: Market) -> None:
    with connect(database_config, application="tests", user="scizor_reader") as reader:
        assert reader.execute("SELECT count(*) FROM symbols").fetchone() == (2,)
        for statement in ("UPDATE symbols SET active = false", "INSERT INTO kpis VALUES ('a', '', '2025-01-01', 1, 's')"):
            with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction)):
                reader.execute(statement.encode())
    with connect(database_config, application="tests", user="scizor_backup") as backup:
        assert backup.execute("SELECT last_value FROM symbols_id_seq").fetchone() == (2,)


def test_I43_zones_and_formats_of_a_session_change_nothing_that_is_stored(
    collector: Connection, database: Connection, market: Market, database_config: DatabaseConfig
) -> None:
    hashes = set()
    for zone in ("UTC", "Australia/Sydney", "America/New_York", "Asia/Kolkata"):
        for style in ("ISO", "German", "SQL"):
            collector.execute(f"SET timezone TO '{zone}'".encode())
            collector.execute(f"SET datestyle TO '{style}'".encode())
            store(collector, None, None, market.window(), ok(market.bars()), NOW, sessions=market.sessions)
            database.execute("SET timezone TO 'UTC'")
            hashes.add(database.execute(
                'SELECT sum(hashtextextended(("timestamp", session_date, open, close, volume)::text, 0)::numeric), count(*) FROM bars'
            ).fetchone())  # fmt: skip
            assert database.execute("SELECT complete::text FROM coverage").fetchone() != ("{}",)
            database.execute("TRUNCATE bars, coverage, coverage_gaps, historical_data_metadata, quarantine")
    assert len(hashes) == 1
    # a defect that this would see: a stamp in the session's zone
    database.execute("SET timezone TO 'Asia/Kolkata'")
    assert database.execute("SELECT '2025-01-15 00:00'::timestamptz = '2025-01-15 00:00Z'").fetchone() == (False,)
