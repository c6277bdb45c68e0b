"""bin/migrate where a previous product's tables stand: moved aside whole, once, or refused before anything is changed."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace

import psycopg
import pytest

from scizor.base.config import DatabaseConfig
from scizor.base.errors import RefusedError
from scizor.db import migrate, originals
from scizor.db.connect import connect
from scizor.db.embedded import PORT, Embedded
from tests.db.conftest import NOW, Connection
from tests.jobs.previous import BARE, NAIVE, build, put

OpenAs = Callable[[str], Connection]


@pytest.fixture
def previous(server: Embedded, superuser_of: OpenAs) -> Iterator[DatabaseConfig]:
    """A database that was the previous product's, with its tables in public and two rows in them."""
    config = replace(DatabaseConfig(), host=str(server.socket_directory), port=PORT, name=f"previous_{uuid.uuid4().hex[:8]}")
    with superuser_of("postgres") as superuser:
        migrate.prepare(superuser, config)
        superuser.execute(f"ALTER DATABASE {config.name} SET timezone TO 'Australia/Sydney'".encode())
        with superuser_of(config.name) as there:
            build(there, "public", NAIVE)
            put(there, "public", [(1, "2024-07-01", "1day", 1, 2, 1, 2, 100), (1, "2024-07-02", "1day", 1, 2, 1, 2, 100)])
        yield config
        superuser.execute(f'DROP DATABASE "{config.name}" WITH (FORCE)'.encode())


def give(superuser_of: OpenAs, config: DatabaseConfig) -> None:
    """What the hint says."""
    with superuser_of(config.name) as there:
        for name in originals.standing(there).tables:
            there.execute(f"ALTER TABLE {name.told} OWNER TO scizor_owner".encode())


def schema_of(connection: Connection, table: str) -> list[str]:
    rows = connection.execute("SELECT schemaname FROM pg_tables WHERE tablename = %s ORDER BY 1", [table])
    return [schema for (schema,) in rows if not schema.startswith("pg_")]


def test_tables_of_another_login_are_refused_with_the_statement_and_then_moved_whole_and_once(previous: DatabaseConfig, superuser_of: OpenAs) -> None:
    with connect(previous, application="tests", owner=True) as owner, pytest.raises(RefusedError) as refusal:
        migrate.apply(owner, NOW)
    with superuser_of(previous.name) as there:
        assert there.execute("SELECT to_regnamespace('scizor'), to_regnamespace('legacy')").fetchone() == (None, None), "nothing has changed"
        there.execute(refusal.value.hint.partition(": ")[2].partition(" then ")[0].encode())
        there.execute(f"ALTER DATABASE {previous.name} OWNER TO postgres".encode())
    with connect(previous, application="tests", owner=True) as owner, pytest.raises(RefusedError, match="belongs to postgres") as refusal:
        migrate.apply(owner, NOW)
    with superuser_of(previous.name) as there:
        assert schema_of(there, "market_data") == ["public"], "nothing has moved"
        there.execute(refusal.value.hint.partition(": ")[2].partition(" then ")[0].encode())
    said: list[str] = []
    with connect(previous, application="tests", owner=True) as owner:
        migrate.apply(owner, NOW, say=said.append)
        assert len(said) == 1 and "public.market_data" in said[0] and "bin/import-legacy" in said[0]
        assert migrate.apply(owner, NOW, say=said.append) == [] and len(said) == 1
    with superuser_of(previous.name) as there:
        assert schema_of(there, "market_data") == ["legacy"] and schema_of(there, "symbols") == ["legacy", "scizor"]
        assert there.execute("SELECT count(*) FROM legacy.market_data").fetchone() == (2,)
        assert there.execute("SELECT count(*) FROM public.latest").fetchone() == (1,), "a view goes on reading them"
        assert there.execute("INSERT INTO legacy.market_data (symbol_id) VALUES (2) RETURNING id").fetchone() == (3,), "its sequence too"
        assert there.execute("SELECT schemaname FROM pg_indexes WHERE indexname = 'md_index'").fetchall() == [("legacy",)]
        assert originals.stated_zone(there) == "Australia/Sydney"
    reader = psycopg.connect(host=previous.host, port=previous.port, dbname=previous.name, user="scizor_reader")
    with reader:  # the history of runs stays readable
        assert reader.execute("SELECT status FROM legacy.collection_logs").fetchall() == [("completed",)]
        assert reader.execute("SELECT count(*) FROM market_data").fetchone() == (0,), "bare psql sees ours"


def test_a_move_that_cannot_be_finished_moves_nothing(previous: DatabaseConfig, superuser_of: OpenAs) -> None:
    give(superuser_of, previous)
    with superuser_of(previous.name) as busy, busy.transaction():
        busy.execute("LOCK TABLE watchlist IN ACCESS SHARE MODE")  # the last but one to go
        with connect(previous, application="tests", owner=True) as owner:
            owner.execute("SET lock_timeout TO '100ms'")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                originals.move_aside(owner, originals.standing(owner), "scizor_owner", ("scizor_reader",))
            assert schema_of(owner, "market_data") == ["public"]


def test_somebody_s_own_table_of_that_name_is_left_where_it_is(previous: DatabaseConfig, superuser_of: OpenAs) -> None:
    with superuser_of(previous.name) as there:
        there.execute("DROP TABLE market_data, collection_logs CASCADE; ALTER TABLE watchlist RENAME COLUMN priority TO weight")
    with connect(previous, application="tests", owner=True) as owner:
        found = originals.standing(owner)
        assert not found.tables and found.others == ("public.symbols", "public.watchlist")
        originals.refuse(owner, found, "scizor_owner")
        originals.move_aside(owner, found, "scizor_owner", ("scizor_reader",))
        assert schema_of(owner, "symbols") == ["public"]
        assert "public.symbols" in originals.told(found, done=False)


def test_their_tables_in_a_schema_of_our_name_are_moved_too_and_others_there_are_refused(previous: DatabaseConfig, superuser_of: OpenAs) -> None:
    with superuser_of(previous.name) as there:
        there.execute("DROP TABLE market_data, collection_logs, symbols, watchlist CASCADE")
        build(there, "scizor", BARE)
        there.execute("ALTER SCHEMA scizor OWNER TO scizor_owner; ALTER TABLE scizor.symbols RENAME COLUMN exchange TO place")
    give(superuser_of, previous)
    with connect(previous, application="tests", owner=True) as owner:
        migrate_refused = originals.standing(owner)
        assert not any(each.name == "symbols" for each in migrate_refused.tables)
        with pytest.raises(RefusedError, match="symbols stand where scizor's own tables must be"):
            migrate.apply(owner, NOW)
    with superuser_of(previous.name) as there:
        there.execute("ALTER TABLE scizor.symbols RENAME COLUMN place TO exchange; ALTER TABLE scizor.symbols OWNER TO scizor_owner")
        there.execute("DROP VIEW scizor.latest")
    with connect(previous, application="tests", owner=True) as owner:
        originals.move_aside(owner, originals.standing(owner), "scizor_owner", ("scizor_reader",))
        assert schema_of(owner, "market_data") == ["legacy"] and not originals.standing(owner).others


def test_a_table_in_pieces_moves_with_them_and_one_that_was_moved_before_is_never_overwritten(previous: DatabaseConfig, superuser_of: OpenAs) -> None:
    with superuser_of(previous.name) as there:
        there.execute("""
            DROP TABLE collection_logs CASCADE; ALTER TABLE market_data RENAME TO whole;
            CREATE TABLE market_data (LIKE whole) PARTITION BY LIST (symbol_id);
            CREATE TABLE market_data_one PARTITION OF market_data FOR VALUES IN (1);
            INSERT INTO market_data SELECT * FROM whole""")
        originals.move_aside(there, originals.standing(there), "scizor_owner", ("scizor_reader",))
        assert schema_of(there, "market_data") == schema_of(there, "market_data_one") == ["legacy"]
        assert there.execute("SELECT count(*) FROM legacy.market_data").fetchone() == (2,)
        there.execute("ALTER TABLE whole RENAME TO market_data")  # somebody has started the previous product again
        with pytest.raises(RefusedError, match=r"public\.market_data .* has tables of that name already"):
            originals.refuse(there, originals.standing(there), "scizor_owner")
