"""I39, from the catalogue: what the server says is there, against what each role must not do. A table, a view, a function or a
column that is added later is in it by itself.

Everything that a role is to be refused is tried, as that role, in one connection; the server must say "permission denied",
"must be owner" or "read-only transaction". What a role must be able to do is tried too: a role that can do nothing passes no test.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import psycopg
import pytest

from scizor.base.config import DatabaseConfig
from scizor.db.connect import connect
from scizor.db.embedded import Embedded
from tests.conftest import fresh_database
from tests.db.conftest import Connection

ROLES = ("scizor_collector", "scizor_reader", "scizor_backup")
REFUSED = (psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction)

#: Against every table: nobody but the owner. The catalogue gives the names, already quoted.
ON_TABLES = (
    "DELETE FROM {}", "TRUNCATE {}", "DROP TABLE {}", "DROP TABLE {} CASCADE", "ALTER TABLE {} ADD planted integer", "ALTER TABLE {} RENAME TO planted",
    "ALTER TABLE {} DISABLE TRIGGER ALL", "ALTER TABLE {} OWNER TO CURRENT_USER", "ALTER TABLE {} SET (fillfactor = 50)", "CREATE INDEX ON {} ((1))",
    "CREATE TRIGGER planted BEFORE INSERT ON {} EXECUTE FUNCTION suppress_redundant_updates_trigger()", "COMMENT ON TABLE {} IS 'planted'",
    "CREATE RULE planted AS ON INSERT TO {} DO INSTEAD NOTHING", "ALTER TABLE {} ENABLE ROW LEVEL SECURITY", "CREATE POLICY planted ON {}",
)  # fmt: skip
ON_VIEWS = ("DROP VIEW {}", "ALTER VIEW {} RENAME TO planted", "DELETE FROM {}", "CREATE RULE planted AS ON DELETE TO {} DO INSTEAD NOTHING")
ON_SEQUENCES = ("DROP SEQUENCE {}", "ALTER SEQUENCE {} RESTART", "SELECT setval('{}', 1)")
ON_FUNCTIONS = ("DROP FUNCTION {}", "ALTER FUNCTION {} SECURITY INVOKER", "ALTER FUNCTION {} RENAME TO planted", "ALTER FUNCTION {} OWNER TO CURRENT_USER")
ON_TYPES = ("DROP DOMAIN {} CASCADE", "ALTER DOMAIN {} DROP NOT NULL")
#: Against the server, the schema and the other roles.
ELSEWHERE = (
    "CREATE TABLE planted (id integer)", "CREATE TABLE public.planted (id integer)", "CREATE SCHEMA planted", "DROP SCHEMA scizor CASCADE", "CREATE VIEW scizor.planted AS SELECT 1",
    "CREATE FUNCTION scizor.planted() RETURNS integer LANGUAGE sql AS 'SELECT 1'", "CREATE FUNCTION public.planted() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    "CREATE ROLE planted", "DROP ROLE scizor_reader", "ALTER ROLE scizor_owner PASSWORD 'planted'", "ALTER ROLE scizor_owner SUPERUSER", "SET ROLE scizor_owner", "SET ROLE postgres",
    "SET SESSION AUTHORIZATION scizor_owner", "GRANT scizor_owner TO CURRENT_USER", "ALTER ROLE CURRENT_USER SUPERUSER", "ALTER ROLE CURRENT_USER CREATEROLE",
    "CREATE DATABASE planted", "DROP DATABASE template1", "ALTER DATABASE postgres SET timezone TO 'Asia/Kolkata'", "ALTER SYSTEM SET fsync TO off", "SELECT pg_reload_conf()",
    "SELECT rolpassword FROM pg_authid", "SELECT passwd FROM pg_shadow", "SELECT pg_read_file('/etc/passwd')", "SELECT pg_ls_dir('/')", "SELECT pg_stat_file('/etc/passwd')",
    "SELECT lo_import('/etc/passwd')", "COPY scizor.symbols TO '/var/planted'", "COPY scizor.symbols FROM '/etc/passwd'", "COPY scizor.symbols TO PROGRAM 'cat'",
    "COPY scizor.symbols FROM PROGRAM 'cat'", "CREATE EXTENSION file_fdw", "CREATE LANGUAGE plpython3u", "SET session_replication_role TO replica", "SET log_statement TO 'none'",
    "SELECT pg_create_logical_replication_slot('planted', 'pgoutput')", "CREATE PUBLICATION planted FOR ALL TABLES", "CHECKPOINT", "CREATE EVENT TRIGGER planted ON ddl_command_start EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "ALTER DEFAULT PRIVILEGES FOR ROLE scizor_owner GRANT ALL ON TABLES TO CURRENT_USER", "DROP OWNED BY scizor_owner", "REASSIGN OWNED BY scizor_owner TO CURRENT_USER",
)  # fmt: skip


@pytest.fixture(scope="module")
def place(server: Embedded, template: str) -> Iterator[DatabaseConfig]:
    with fresh_database(server, template) as found:
        yield found


@pytest.fixture(scope="module")
def owner(place: DatabaseConfig) -> Iterator[Connection]:
    with connect(place, application="tests", owner=True) as connection:
        yield connection


def names(owner: Connection, kinds: str) -> list[str]:
    rows = owner.execute("SELECT oid::regclass::text FROM pg_class WHERE relnamespace = 'scizor'::regnamespace AND relkind = ANY(%s) ORDER BY 1", [list(kinds)])
    return [row[0] for row in rows]


def statements(owner: Connection) -> list[str]:
    """What no role but the owner may do, from what is there."""
    functions = [row[0] for row in owner.execute("SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = 'scizor'::regnamespace AND prokind = 'f' ORDER BY 1")]
    types = [row[0] for row in owner.execute("SELECT oid::regtype::text FROM pg_type WHERE typnamespace = 'scizor'::regnamespace AND typtype = 'd' ORDER BY 1")]
    pairs = ((ON_TABLES, names(owner, "rp")), (ON_VIEWS, names(owner, "vm")), (ON_SEQUENCES, names(owner, "S")), (ON_FUNCTIONS, functions), (ON_TYPES, types))
    return [text.format(name) for texts, found in pairs for text in texts for name in found] + list(ELSEWHERE)


def answer(connection: Connection, statement: str) -> str:
    """What the server said: refused, done (and undone), or another error by name."""
    with connection.transaction(force_rollback=True):
        try:
            with connection.transaction():
                connection.execute(statement.encode())
        except REFUSED:
            return "refused"
        except psycopg.Error as problem:
            return f"{type(problem).__name__}: {str(problem).splitlines()[0]}"
        return "done"


#: Not refused for want of a right: the server knows no such language here, SET ROLE to a name that is not there, a planted index
#: whose refusal comes later. Each still changes nothing; "done" is in none of them.
OTHER_ANSWERS = re.compile(r"UndefinedFile|FeatureNotSupported|UndefinedObject|InvalidParameterValue|ActiveSqlTransaction|WrongObjectType|UndefinedFunction|ObjectNotInPrerequisiteState|InvalidTableDefinition")


@pytest.mark.parametrize("role", ROLES)
def test_I39_nobody_but_the_owner_changes_anything_that_is_there(place: DatabaseConfig, owner: Connection, role: str) -> None:
    tried = statements(owner)
    assert len(tried) > 600, "from the catalogue"
    with connect(place, application="tests", user=role) as connection:
        said = {statement: answer(connection, statement) for statement in tried}
    allowed = {statement: text for statement, text in said.items() if text != "refused" and not OTHER_ANSWERS.match(text)}
    assert allowed == {}
    assert sum(text == "refused" for text in said.values()) > 0.9 * len(said), "refused for the right, not for a mistake in the statement"


def test_the_owner_could_planted_so_the_statements_are_what_they_should_be(owner: Connection) -> None:
    """The same statements as the owner: most go through (and are rolled back), so their refusal above means something."""
    tried = [each for each in statements(owner) if each not in ELSEWHERE]
    said = [answer(owner, statement) for statement in tried]
    assert said.count("refused") < 0.2 * len(said) and said.count("done") > 0.5 * len(said)


def columns(owner: Connection, table: str) -> list[str]:
    rows = owner.execute("SELECT quote_ident(attname) FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' AND attidentity = '' ORDER BY attnum", [table])
    return [row[0] for row in rows]


@pytest.mark.parametrize("role", ["scizor_reader", "scizor_backup"])
def test_I39_who_only_reads_writes_into_no_column_and_calls_no_function_that_does(place: DatabaseConfig, owner: Connection, role: str) -> None:
    tables = names(owner, "rp")
    tried = [f"UPDATE {table} SET {column} = {column}" for table in tables for column in columns(owner, table)]
    tried += [f"INSERT INTO {table} DEFAULT VALUES" for table in tables]
    with connect(place, application="tests", user=role) as connection:
        connection.execute("SET default_transaction_read_only TO off")  # a default that the session may change: the rights must hold alone
        assert {statement for statement in tried if answer(connection, statement) != "refused"} == set()
        assert [table for table in tables if answer(connection, f"SELECT 1 FROM {table} LIMIT 0") != "done"] == []
    definers = owner.execute("SELECT oid FROM pg_proc WHERE pronamespace = 'scizor'::regnamespace AND prosecdef").fetchall()
    assert definers, "the collector has functions of the owner's"
    for (oid,) in definers:
        assert owner.execute("SELECT has_function_privilege(%s, %s::oid, 'EXECUTE')", [role, oid]).fetchone() == (False,)


def test_a_function_of_the_owner_s_takes_its_names_from_nobody_else_s_path(owner: Connection) -> None:
    """SECURITY DEFINER without a pinned search_path runs what its caller plants in a temporary schema."""
    rows = owner.execute("SELECT proname, array_to_string(proconfig, ';') FROM pg_proc WHERE pronamespace = 'scizor'::regnamespace AND prosecdef").fetchall()
    assert rows and all(re.search(r"search_path=scizor, ?pg_temp$", settings or "") for _, settings in rows), rows
    open_to_all = owner.execute("SELECT proname FROM pg_proc WHERE pronamespace = 'scizor'::regnamespace AND prosecdef AND has_function_privilege('public', oid, 'EXECUTE')").fetchall()
    assert open_to_all == []
