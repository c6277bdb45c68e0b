"""Databases that a backup is restored into: made empty, refused when they are not, given what no dump holds, dropped when
they were made for a test only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg import sql

from scizor.base.errors import ConfigurationError, RefusedError, UsageError
from scizor.db.sql import query

Connection = psycopg.Connection[tuple[Any, ...]]
#: Settings whose value is a list of quoted names, as pg_dumpall knows them.
LISTS = {"search_path", "temp_tablespaces", "session_preload_libraries", "local_preload_libraries"}
MARK = "scizor: a restore test; the next one drops it"


def exists(connection: Connection, name: str) -> bool:
    return connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is not None


def absent_roles(connection: Connection, wanted: list[str]) -> list[str]:
    """Which of the roles that a dump names this server does not know."""
    known = {name for (name,) in connection.execute("SELECT rolname FROM pg_roles")}
    return sorted(set(wanted) - known)


def refuse_unless_empty(connection: Connection) -> None:
    """UsageError (2) when there is anything in the database that a fresh one has not."""
    found = [what for (what,) in connection.execute(query("content_foreign"))]
    if found:
        raise UsageError(
            f"target is not empty: {connection.info.dbname} has {', '.join(found)} …",
            hint="name a database that does not exist yet: --into NEWDB",
        )


def create(connection: Connection, name: str, said: Mapping[str, Any], *, mark: str = "") -> None:
    """An empty database with the owner, encoding and collation of the manifest's. connection: to another database."""
    try:
        connection.execute(
            sql.SQL("CREATE DATABASE {} OWNER {} ENCODING {} LC_COLLATE {} LC_CTYPE {} TEMPLATE template0").format(
                sql.Identifier(name), sql.Identifier(said["owner"]), *(sql.Literal(said[key]) for key in ("encoding", "collate", "ctype"))
            )
        )
    except psycopg.errors.InsufficientPrivilege as problem:
        raise RefusedError(
            f"{connection.info.user} may not make a database: {str(problem).splitlines()[0]}", hint="bin/backup --print-setup"
        ) from None
    except psycopg.errors.DuplicateDatabase:
        raise UsageError(f"target is not empty: somebody has just made {name}", hint="run it again") from None
    except psycopg.errors.DataError as problem:  # a locale that this server has not
        raise ConfigurationError(
            f"this server cannot have a database like it: {str(problem).splitlines()[0]}", hint="make the empty database yourself, then --into it"
        ) from None
    if mark:
        connection.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(sql.Identifier(name), sql.Literal(mark)))


def drop(connection: Connection, name: str) -> None:
    """Drops a database that this run has made."""
    connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def mark_of(connection: Connection, name: str) -> str | None:
    """The comment on a database; empty where it has none, None where there is no such database."""
    row = connection.execute("SELECT coalesce(shobj_description(oid, 'pg_database'), '') FROM pg_database WHERE datname = %s", [name]).fetchone()
    return None if row is None else str(row[0])


def is_empty(connection: Connection) -> bool:
    return connection.execute(query("content_foreign")).fetchone() is None


def finish(connection: Connection, said: Mapping[str, Any]) -> None:
    """What belongs to the database itself: its settings and who may connect; then the planner's statistics."""
    name = sql.Identifier(connection.info.dbname)
    for role, setting, value in said["settings"]:
        whose = sql.SQL("ROLE {} IN ").format(sql.Identifier(role)) if role else sql.SQL("")
        if setting in LISTS:  # through the session: written back as a list, whatever is quoted in it
            connection.execute("SELECT set_config(%s, %s, false)", [setting, value])
            to: sql.Composable = sql.SQL("FROM CURRENT")
        else:
            to = sql.SQL("TO {}").format(sql.Literal(value))
        connection.execute(sql.SQL("ALTER {}DATABASE {} SET {} {}").format(whose, name, sql.Identifier(setting), to))
    connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(name))
    for role, privilege in said["rights"]:
        who = sql.Identifier(role) if role else sql.SQL("PUBLIC")
        if privilege not in ("CREATE", "CONNECT", "TEMPORARY"):
            raise ConfigurationError(f"a database right that is not known: {privilege}")
        connection.execute(sql.SQL("GRANT {} ON DATABASE {} TO {}").format(sql.SQL(privilege), name, who))
    connection.execute("ANALYZE")
