"""The previous product's tables: how they are known, and how bin/migrate moves them aside.

They stand in public, under names that ours have too. migrate sets the database's search path to scizor, so the same SQL
would from then on read our empty tables without a word; where they stand in a schema named scizor, ours could not even be
made. Moving them to the schema legacy keeps their rows, indexes, sequences and the views that read them, and says so.

Somebody else's table of the same name is left alone: only what has the columns of the originals' SQL is theirs, and a
symbols or watchlist only beside a market_data or collection_logs of theirs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from scizor.base.errors import RefusedError

Connection = psycopg.Connection[tuple[Any, ...]]

LEGACY = "legacy"

#: Columns that the originals' SQL names, by table. What the tables have beyond them varies.
SIGNATURES: Mapping[str, frozenset[str]] = {
    "market_data": frozenset({"symbol_id", "timestamp", "timeframe", "open", "high", "low", "close", "volume"}),
    "collection_logs": frozenset({"symbol_id", "status", "started_at", "completed_at"}),
    "symbols": frozenset({"id", "symbol", "exchange"}),
    "watchlist": frozenset({"symbol_id", "name", "priority"}),
    "historical_data_metadata": frozenset({"symbol_id", "timeframe"}),
}
ANCHORS = ("market_data", "collection_logs")  # no symbols is theirs without one of these


@dataclass(frozen=True, slots=True)
class Found:
    """A table of theirs. may_move: whether the login owns it, or is a member of its owner."""

    schema: str
    name: str
    owner: str
    may_move: bool

    @property
    def told(self) -> str:
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands in the way. others: tables with names of theirs that are not theirs, and that stay."""

    tables: tuple[Found, ...] = ()
    others: tuple[str, ...] = ()


def columns(connection: Connection, schema: str, table: str) -> dict[str, str]:
    """Column names of a table or view and their types, in order; empty when there is none. From the catalog: it tells them
    to a login without any right on the table too."""
    rows = connection.execute(
        "SELECT a.attname, format_type(CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.oid END, NULL) FROM pg_attribute a "
        "JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_type t ON t.oid = a.atttypid "
        "WHERE n.nspname = %s AND c.relname = %s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum", [schema, table],
    )  # fmt: skip
    return {str(name): str(kind) for name, kind in rows}


def standing(connection: Connection) -> Standing:
    """The originals' tables in public, and in a schema scizor that was never migrated."""
    tables: list[Found] = []
    others: list[str] = []
    schemas = ["public"] if _exists(connection, "scizor.schema_versions") else ["public", "scizor"]
    for schema in schemas:
        there = _tables(connection, schema)
        alike = {name for name in there if SIGNATURES[name] <= columns(connection, schema, name).keys()}
        theirs = alike if alike.intersection(ANCHORS) else set()
        tables += [Found(schema, name, *there[name]) for name in SIGNATURES if name in theirs]
        others += [f"{schema}.{name}" for name in SIGNATURES if name in there.keys() - theirs]
    return Standing(tuple(tables), tuple(others))


def refuse(connection: Connection, found: Standing, owner: str) -> None:
    """Raises RefusedError, before anything was changed, when the tables cannot be moved or cannot stay."""
    foreign = [each.told for each in found.tables if not each.may_move]
    if foreign:
        who = _one(connection, "SELECT current_user")
        statements = " ".join(f"ALTER TABLE {_quoted(connection, each)} OWNER TO {_quoted(connection, owner)};" for each in found.tables if not each.may_move)
        raise RefusedError(
            f"{', '.join(foreign)} of a previous product must move to the schema {LEGACY}, and {who} does not own them",
            hint=f"as a superuser, in this database: {statements} then bin/migrate again",
        )
    taken = [each.told for each in found.tables if _exists(connection, f"{LEGACY}.{each.name}")]
    if taken:
        raise RefusedError(
            f"{', '.join(taken)} of a previous product must move to the schema {LEGACY}, which has tables of that name already",
            hint=f"which of them are wanted? rename the others: ALTER TABLE {LEGACY}.{taken[0].partition('.')[2]} RENAME TO …",
        )
    blocked = [each for each in found.others if each.startswith("scizor.")]
    if blocked:
        raise RefusedError(
            f"{', '.join(blocked)} stand where scizor's own tables must be, and are no previous product's",
            hint="ALTER SCHEMA scizor RENAME TO …, or another database: [database] name",
        )


def move_aside(connection: Connection, found: Standing, owner: str, readers: tuple[str, ...]) -> None:
    """Moves the tables to the schema legacy, all or none. Their own partitions, indexes and sequences go with them, and views
    go on reading them. readers: roles that may read them from now on."""
    if not found.tables:
        return
    zone = _stated_zone(connection)
    with connection.transaction():
        legacy = sql.Identifier(LEGACY)
        connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {} AUTHORIZATION {}").format(legacy, sql.Identifier(owner)))
        if zone:
            # migrate sets the database's time zone to UTC; instants without a zone were perhaps meant in this one
            connection.execute(sql.SQL("COMMENT ON SCHEMA {} IS {}").format(legacy, sql.Literal(f"TimeZone={zone}")))
        everybody = sql.SQL(", ").join(map(sql.Identifier, readers))
        connection.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(legacy, everybody))
        for each in found.tables:
            for schema, name in [(each.schema, each.name), *_partitions(connection, each)]:
                connection.execute(sql.SQL("ALTER TABLE {} SET SCHEMA {}").format(sql.Identifier(schema, name), legacy))
            connection.execute(sql.SQL("GRANT SELECT ON {} TO {}").format(sql.Identifier(LEGACY, each.name), everybody))


def told(found: Standing, *, done: bool) -> str:
    """A line for a person; empty when there is nothing to tell."""
    lines = []
    if found.tables:
        names = ", ".join(each.told for each in found.tables)
        if done:
            lines.append(f"moved {names} of a previous product to the schema {LEGACY}, whole: bin/import-legacy brings their bars over")
        else:
            lines.append(f"would move {names} of a previous product to the schema {LEGACY}")
    if found.others:
        lines.append(f"left {', '.join(found.others)} where they are: not a previous product's, and bare psql reads scizor's tables of that name")
    return "\n".join(lines)


def stated_zone(connection: Connection) -> str:
    """The time zone that the database stated before it was migrated; empty when it stated none."""
    text = _one(connection, f"SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = '{LEGACY}'") or ""
    return text.partition("TimeZone=")[2]


def _stated_zone(connection: Connection) -> str:
    row = connection.execute(
        "SELECT substring(setting FROM '^TimeZone=(.*)$') FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase "
        "CROSS JOIN unnest(s.setconfig) AS setting WHERE d.datname = current_database() AND s.setrole = 0 AND setting LIKE 'TimeZone=%'"
    ).fetchone()
    return row[0] if row else ""


def _tables(connection: Connection, schema: str) -> dict[str, tuple[str, bool]]:
    """Tables of a schema with names of theirs: owner, and whether the login may move them."""
    return {
        name: (owner, may_move) for name, owner, may_move in connection.execute(
            "SELECT c.relname, pg_get_userbyid(c.relowner), pg_has_role(c.relowner, 'USAGE') FROM pg_class c "
            "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relname = ANY (%s) AND c.relkind IN ('r', 'p')",
            [schema, list(SIGNATURES)],
        )
    }  # fmt: skip


def _partitions(connection: Connection, table: Found) -> list[tuple[str, str]]:
    return [
        (schema, name) for schema, name in connection.execute(
            "SELECT n.nspname, c.relname FROM pg_partition_tree(format('%%I.%%I', %s::text, %s::text)::regclass) t "
            "JOIN pg_class c ON c.oid = t.relid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE t.level > 0",
            [table.schema, table.name],
        )
    ]  # fmt: skip


def _quoted(connection: Connection, what: Found | str) -> str:
    names = (what,) if isinstance(what, str) else (what.schema, what.name)
    return sql.Identifier(*names).as_string(connection)


def _exists(connection: Connection, name: str) -> bool:
    row = connection.execute("SELECT to_regclass(%s) IS NOT NULL", [name]).fetchone()
    return bool(row and row[0])


def _one(connection: Connection, statement: str) -> Any:
    row = connection.execute(statement.encode()).fetchone()
    return row[0] if row else None
