"""The schema: sql/schema/NNN_*.sql, numbered and never edited, each file and its record in one transaction.

Two migrations at once wait for each other (an advisory lock, which the server frees when its holder dies), and a killed
one leaves whole files only: the next run goes on after the last record. What a DBA must run once as superuser (roles,
database) is printed by `print_setup`; when the migration itself runs as superuser, on the embedded server, it does that.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from scizor.base.config import DatabaseConfig
from scizor.base.errors import BusyError, ConfigurationError, RefusedError
from scizor.base.paths import ROOT
from scizor.db import originals

SCHEMA = ROOT / "sql" / "schema"
LOCK = 21345  # advisory; 21346 is the pacing ledger, 21347 its processes, 21348 the merge of a symbol
LOCK_WAIT_SECONDS = 300
FIRST_YEAR = 1990  # of bars; make_partitions reaches further back on demand
YEARS_AHEAD = 2
OLDEST_SERVER = 150000
OWNER, COLLECTOR, READER, BACKUP = "scizor_owner", "scizor_collector", "scizor_reader", "scizor_backup"

Connection = psycopg.Connection[tuple[Any, ...]]

ROLES = """
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {literal}) THEN
        CREATE ROLE {role} LOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;  -- somebody else made it just now
END $$"""


def files(directory: Path = SCHEMA) -> dict[int, Path]:
    """The schema's files by number. ConfigurationError when two share one. A number may be left out: numbers are given
    ahead to what is written side by side."""
    found = sorted(directory.glob("[0-9][0-9][0-9]_*.sql"))
    numbers = [int(path.name[:3]) for path in found]
    if not numbers or len(set(numbers)) != len(numbers):
        raise ConfigurationError(f"{directory} is not numbered 001, 002, ..., each number once: {numbers}")
    return dict(zip(numbers, found, strict=True))


def apply(connection: Connection, now: datetime, directory: Path = SCHEMA, say: Callable[[str], None] = lambda _: None) -> list[str]:
    """Brings the schema up to the code's and makes the partitions ahead. Returns the names of the files applied.

    connection: autocommit, as the owner or a superuser. now: aware. say: is told, in a line, of a previous product's tables
    that were moved aside first. Raises ConfigurationError for a server too old, a schema that is newer than the code, an
    applied file that was edited, or roles that are missing; BusyError when another migration holds on for more than five
    minutes; RefusedError, with nothing changed, when such tables are in the way and another login's.
    """
    if connection.info.server_version < OLDEST_SERVER:
        raise ConfigurationError(f"PostgreSQL {connection.info.server_version // 10000} is too old: 15 is the oldest that will do")
    _lock(connection)
    try:
        theirs = originals.standing(connection)
        originals.refuse(connection, theirs, OWNER)
        if _is_superuser(connection):
            _run(connection, role_statements())
            _own(connection)
        else:
            _refuse_a_foreign_database(connection)
        originals.move_aside(connection, theirs, OWNER, (COLLECTOR, READER, BACKUP))
        if theirs.tables:
            say(originals.told(theirs, done=True))
        _bootstrap(connection)
        done = _apply_missing(connection, now, files(directory))
        make_partitions(connection, FIRST_YEAR, now.year + YEARS_AHEAD)
    finally:
        _unlock(connection)
    return done


def move_aside(superuser: Connection, say: Callable[[str], None]) -> None:
    """Only the first step of `apply`, by whoever may move any table: on the embedded server nobody else can be asked to."""
    _lock(superuser)
    try:
        theirs = originals.standing(superuser)
        originals.refuse(superuser, theirs, OWNER)
        _own(superuser)
        originals.move_aside(superuser, theirs, OWNER, (COLLECTOR, READER, BACKUP))
    finally:
        _unlock(superuser)
    if theirs.tables:
        say(originals.told(theirs, done=True))


def check(connection: Connection, directory: Path = SCHEMA) -> None:
    """ConfigurationError unless the schema is exactly the one that this code was written for."""
    wanted = files(directory)
    have, need = version(connection), max(wanted)
    if have < need:
        raise ConfigurationError(f"the database has schema {have}, the code needs {need}", hint="bin/migrate")
    if missed := sorted(set(wanted) - applied(connection)):  # filled in later, below the last
        names = ", ".join(wanted[number].name for number in missed)
        raise ConfigurationError(f"the database has schema {have}, but not {names}", hint="bin/migrate")
    if have > need:
        raise ConfigurationError(f"the database has schema {have}, the code knows {need}", hint="update this checkout")


def version(connection: Connection) -> int:
    """The number of the last file applied; 0 for a database that was never migrated."""
    if _one(connection, "SELECT to_regclass('scizor.schema_versions') IS NULL"):
        return 0
    return int(_one(connection, "SELECT coalesce(max(number), 0) FROM scizor.schema_versions"))


def applied(connection: Connection) -> set[int]:
    """The numbers of the files that were applied; none for a database that was never migrated."""
    if version(connection) == 0:
        return set()
    return {int(number) for (number,) in connection.execute("SELECT number FROM scizor.schema_versions")}


def make_partitions(connection: Connection, first_year: int, last_year: int) -> int:
    """Makes the yearly partitions of bars that are missing; returns how many. The collector may do this too."""
    row = connection.execute("SELECT scizor.make_bar_partitions(%s, %s)", [first_year, last_year]).fetchone()
    return int(row[0]) if row else 0


def partition_years(connection: Connection) -> set[int]:
    """The years that bars has a partition for."""
    return {int(year) for (year,) in connection.execute("""
        SELECT substring(c.relname FROM '^bars_([0-9]{4})$')::integer
        FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'scizor.bars'::regclass""")}  # fmt: skip


def last_partition_year(connection: Connection) -> int:
    """The last of them; 0 when there is none."""
    return max(partition_years(connection), default=0)


def prepare(superuser: Connection, database: DatabaseConfig) -> None:
    """What print_setup prints, done: roles and an empty database. For the embedded server; idempotent."""
    _run(superuser, role_statements(database))
    if not superuser.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database.name]).fetchone():
        with contextlib.suppress(psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):  # made just now
            _execute(superuser, _create_database(database))


def role_statements(database: DatabaseConfig | None = None) -> Iterator[sql.Composed]:
    """The four roles, and the configuration's logins as members of them where they have other names."""
    names = [OWNER, COLLECTOR, READER, BACKUP]
    members = []
    if database is not None:
        members = [(database.user, COLLECTOR), (database.owner, OWNER)]
    for name in names + [login for login, role in members if login != role]:
        yield sql.SQL(ROLES).format(role=sql.Identifier(name), literal=sql.Literal(name))
    for login, role in members:
        if login != role:
            yield sql.SQL("GRANT {} TO {}").format(sql.Identifier(role), sql.Identifier(login))
    for name in (READER, BACKUP):
        yield sql.SQL("ALTER ROLE {} SET default_transaction_read_only TO on").format(sql.Identifier(name))
    yield sql.SQL("ALTER ROLE {} SET statement_timeout TO '60s'").format(sql.Identifier(READER))


def print_setup(database: DatabaseConfig, connection: Connection | None = None) -> str:
    """The psql script that a DBA runs once as superuser, before bin/migrate. Passwords are his to set."""
    statements = [each.as_string(connection).strip() + ";" for each in role_statements(database)]
    create = _create_database(database).as_string(connection)
    logins = sorted({database.owner, database.user, READER, BACKUP})
    return "\n".join([
        "-- Run once with psql as a superuser, against the server's database postgres.",
        *statements,
        f"SELECT {sql.Literal(create).as_string(connection)} WHERE NOT EXISTS",
        f"    (SELECT FROM pg_database WHERE datname = {sql.Literal(database.name).as_string(connection)}) \\gexec",
        "--",
        "-- Then, where the jobs reach the server over TCP, or a socket without peer authentication:",
        "-- 1. Set a password for each login, in psql (it asks twice and shows nothing):",
        *(f"--      \\password {login}" for login in logins),
        "-- 2. Let them in: in pg_hba.conf, above the lines that refuse them, then SELECT pg_reload_conf():",
        f"--      host  {_quoted(database.name)}  {','.join(map(_quoted, logins))}  ADDRESS/32  scram-sha-256",
        "--    ADDRESS is where the jobs run; for a socket write local in place of host, and no address.",
        f"-- 3. On the jobs' machine, as their user, put the passwords of {database.owner} and {database.user} into two files of mode 0400:",
        "--      (umask 377; printf '%s\\n' PASSWORD > FILE)",
        f"--    and name the files under [database]: owner_password_file ({database.owner}), password_file ({database.user}).",
        "-- 4. bin/migrate",
        "",
    ])  # fmt: skip


def _quoted(name: str) -> str:
    """A name as pg_hba.conf takes it."""
    return name if name.replace("_", "a").isalnum() else f'"{name}"'


def _create_database(database: DatabaseConfig) -> sql.Composed:
    return sql.SQL("CREATE DATABASE {} OWNER {} ENCODING 'UTF8' TEMPLATE template0").format(
        sql.Identifier(database.name), sql.Identifier(OWNER)
    )


def _bootstrap(connection: Connection) -> None:
    """The schema, the table of versions and the database's settings: what must be there before the first file."""
    with connection.transaction():
        _become_owner(connection)
        database = _database(connection)
        settings = connection.execute(
            "SELECT setconfig FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase "
            "WHERE d.datname = current_database() AND s.setrole = 0"
        ).fetchone()
        present = set(settings[0]) if settings else set()
        if "search_path=scizor" not in present:
            connection.execute(sql.SQL("ALTER DATABASE {} SET search_path TO scizor").format(database))
        if "TimeZone=UTC" not in present:
            connection.execute(sql.SQL("ALTER DATABASE {} SET timezone TO 'UTC'").format(database))
        if _one(connection, "SELECT to_regclass('scizor.schema_versions') IS NOT NULL"):
            return
        connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database))
        everybody = sql.SQL(", ").join(map(sql.Identifier, (COLLECTOR, READER, BACKUP)))
        connection.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(database, everybody))
        connection.execute(sql.SQL("GRANT TEMPORARY ON DATABASE {} TO {}").format(database, sql.Identifier(COLLECTOR)))
        connection.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
        connection.execute("CREATE SCHEMA IF NOT EXISTS scizor")
        connection.execute("""
            CREATE TABLE scizor.schema_versions (
                number integer PRIMARY KEY CHECK (number > 0),
                name text NOT NULL,
                sha256 text NOT NULL,
                applied_at timestamptz NOT NULL
            )""")
        for column, comment in {
            "number": "The file''s number.",
            "name": "Its name.",
            "sha256": "Of its text: an applied file is never edited.",
            "applied_at": "When.",
        }.items():
            connection.execute(f"COMMENT ON COLUMN scizor.schema_versions.{column} IS '{comment}'".encode())
        connection.execute("COMMENT ON TABLE scizor.schema_versions IS 'The files of sql/schema that were applied.'")


def _apply_missing(connection: Connection, now: datetime, wanted: dict[int, Path]) -> list[str]:
    known = {
        number: (name, sha256)
        for number, name, sha256 in connection.execute("SELECT number, name, sha256 FROM scizor.schema_versions")
    }
    if known and max(known) > max(wanted):
        raise ConfigurationError(f"the database has schema {max(known)}, the code knows {max(wanted)}", hint="update this checkout")
    done = []
    for number, path in wanted.items():
        text = path.read_bytes()
        sha256 = hashlib.sha256(text).hexdigest()
        if number in known:
            if known[number][1] != sha256:
                raise ConfigurationError(
                    f"sql/schema/{path.name} was edited after it was applied as {known[number][0]}",
                    hint="restore it with git, and put the change into a new file",
                )
            continue
        with connection.transaction():
            _become_owner(connection)
            connection.execute("SET LOCAL search_path TO scizor")
            connection.execute("SET LOCAL statement_timeout TO 0")  # a migration may rewrite a table
            connection.execute(text)
            connection.execute(
                "INSERT INTO schema_versions (number, name, sha256, applied_at) VALUES (%s, %s, %s, %s)",
                [number, path.name, sha256, now],
            )
        done.append(path.name)
    return done


def _own(superuser: Connection) -> None:
    """Makes the database the owner role's."""
    _execute(superuser, sql.SQL("ALTER DATABASE {} OWNER TO {}").format(_database(superuser), sql.Identifier(OWNER)))


def _refuse_a_foreign_database(connection: Connection) -> None:
    """RefusedError where the owner role may not set the database's search path: a database that was somebody else's before."""
    row = connection.execute(
        "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database() "
        "AND NOT EXISTS (SELECT FROM pg_roles WHERE rolname = %s AND pg_has_role(rolname, datdba, 'USAGE'))", [OWNER],
    ).fetchone()  # fmt: skip
    if row is not None and connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [OWNER]).fetchone():
        name = _database(connection).as_string(connection)
        raise RefusedError(
            f"the database {connection.info.dbname} belongs to {row[0]}, not to {OWNER}",
            hint=f"as a superuser: ALTER DATABASE {name} OWNER TO {OWNER}; then bin/migrate again",
        )


def _become_owner(connection: Connection) -> None:
    """Everything is made as the owner role, whoever runs the migration. For this transaction."""
    try:
        connection.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(OWNER)))
    except psycopg.errors.InvalidParameterValue:
        raise ConfigurationError(f"the role {OWNER} does not exist", hint="bin/migrate --print-setup") from None
    except psycopg.errors.InsufficientPrivilege:
        who = connection.info.user
        raise RefusedError(f"{who} may not act as {OWNER}", hint="set database.owner, see bin/migrate --print-setup") from None


def _lock(connection: Connection) -> None:
    connection.execute(sql.SQL("SET lock_timeout TO {}").format(sql.Literal(f"{LOCK_WAIT_SECONDS}s")))
    try:
        connection.execute("SELECT pg_advisory_lock(%s)", [LOCK])
    except psycopg.errors.LockNotAvailable:
        raise BusyError("another migration is running", hint="look at it with: bin/psql -c 'SELECT * FROM pg_stat_activity'") from None
    finally:
        if not connection.broken:
            connection.execute("RESET lock_timeout")


def _unlock(connection: Connection) -> None:
    if not connection.broken:
        connection.execute("SELECT pg_advisory_unlock(%s)", [LOCK])


def _is_superuser(connection: Connection) -> bool:
    return bool(_one(connection, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"))


def _database(connection: Connection) -> sql.Identifier:
    return sql.Identifier(connection.info.dbname)


def _run(connection: Connection, statements: Iterator[sql.Composed]) -> None:
    for statement in statements:
        _execute(connection, statement)


def _execute(connection: Connection, statement: sql.Composed) -> None:
    """Roles and settings are rows that all databases share: two migrations of two databases can collide on one."""
    for attempt in range(20):
        try:
            connection.execute(statement)
            return
        except psycopg.errors.InternalError_ as problem:
            if "concurrently" not in str(problem) or attempt == 19:
                raise


def _one(connection: Connection, statement: str) -> Any:
    row = connection.execute(statement.encode()).fetchone()
    return row[0] if row else None
