"""What a database holds, so that two can be held against each other: counts and digests of each table, sequences, a hash of
each kind of object and of the grants, and what belongs to the database itself.

A digest is the sum of hashtextextended over the rows' text: it does not depend on their order, and one row more, less or
other changes it. Rows are written as text under the same settings on either side (UTC, ISO, all digits of a float).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import psycopg
from psycopg import sql

from scizor.base.errors import RefusedError
from scizor.db.sql import query

Connection = psycopg.Connection[tuple[Any, ...]]
Contents = dict[str, Any]  # as it stands in a manifest: plain JSON

LOCK_SECONDS = 60
SETTINGS = {
    "search_path": "pg_catalog", "timezone": "UTC", "datestyle": "ISO", "intervalstyle": "postgres", "extra_float_digits": "1",
    "bytea_output": "hex", "statement_timeout": "0", "idle_in_transaction_session_timeout": "0", "lock_timeout": f"{LOCK_SECONDS}s",
    "transaction_timeout": "0",
}  # fmt: skip


@contextlib.contextmanager
def snapshot(connection: Connection) -> Iterator[str]:
    """One view of the whole database while the body runs; yields its name for pg_dump --snapshot."""
    settle(connection)
    connection.execute("BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
    try:
        row = connection.execute("SELECT pg_export_snapshot()").fetchone()
        assert row is not None
        yield str(row[0])
    finally:
        if not connection.closed:
            connection.execute("ROLLBACK")


def settle(connection: Connection) -> None:
    """The session's settings: no limit of a statement's time, and the same text of a row everywhere."""
    for name, value in SETTINGS.items():
        with contextlib.suppress(psycopg.errors.UndefinedObject):  # transaction_timeout: since 17
            connection.execute(sql.SQL("SET {} TO {}").format(sql.Identifier(name), sql.Literal(value)))


def read(connection: Connection, advance: Callable[[str], None] = lambda _: None) -> Contents:
    """Everything, in the transaction that is open. Sequences are of the moment: they heed no transaction."""
    return {
        "database": of_database(connection), "sequences": sequences(connection), "schema": schema(connection),
        "tables": tables(connection, advance),
    }  # fmt: skip


def names(connection: Connection) -> list[str]:
    """schema.table of all that have rows of their own."""
    return [f"{schema}.{name}" for schema, name, *_ in connection.execute(query("content_tables")).fetchall()]


def tables(connection: Connection, advance: Callable[[str], None] = lambda _: None) -> dict[str, dict[str, Any]]:
    """By schema.table: root (the table whose partition it is), rows, digest, first and last key as text (None: no key or no row)."""
    found: dict[str, dict[str, Any]] = {}
    for schema_name, name, root, key in connection.execute(query("content_tables")).fetchall():
        advance(name)
        table = sql.Identifier(schema_name, name)
        try:
            row = connection.execute(sql.SQL(
                "SELECT count(*), coalesce(sum(hashtextextended(whole_row::text, 0)::numeric), 0)::text FROM ONLY {} AS whole_row"
            ).format(table)).fetchone()  # fmt: skip
        except psycopg.errors.InsufficientPrivilege:
            who = connection.info.user
            raise RefusedError(
                f"{who} may not read {schema_name}.{name}, and a backup is of everything",
                hint=f"GRANT SELECT ON {schema_name}.{name} TO {who}, or drop it; bin/backup --print-setup has a grant for all tables",
            ) from None
        assert row is not None
        first, last = _ends(connection, table, key) if row[0] and key else (None, None)
        found[f"{schema_name}.{name}"] = {"root": root, "rows": row[0], "digest": row[1], "first": first, "last": last}
    return found


def sequences(connection: Connection) -> dict[str, dict[str, Any]]:
    """By schema.sequence: the next value that it would give, its step, and the column that it numbers."""
    found: dict[str, dict[str, Any]] = {}
    for schema_name, name, step, table_schema, table, column in connection.execute(query("content_sequences")).fetchall():
        row = connection.execute(
            sql.SQL("SELECT last_value + CASE WHEN is_called THEN {} ELSE 0 END FROM {}").format(sql.Literal(step), sql.Identifier(schema_name, name))
        ).fetchone()
        assert row is not None
        found[f"{schema_name}.{name}"] = {
            "next": row[0], "step": step, "of": [table_schema, table, column] if table else None
        }
    return found


def behind(connection: Connection) -> list[str]:
    """Sequences whose next value is taken already: the next insert would fail."""
    found = []
    for name, each in sequences(connection).items():
        if each["of"] is None:
            continue
        schema_name, table, column = each["of"]
        which = sql.SQL("max" if each["step"] > 0 else "min")
        row = connection.execute(
            sql.SQL("SELECT {}({}) FROM {}").format(which, sql.Identifier(column), sql.Identifier(schema_name, table))
        ).fetchone()
        if row and row[0] is not None and (each["next"] - row[0]) * each["step"] <= 0:
            found.append(f"{name} would give {each['next']}, {table}.{column} has {row[0]}")
    return found


def schema(connection: Connection) -> dict[str, str]:
    """A hash by kind: columns, tables, constraints, indexes, views, functions, triggers, types, comments, owners, grants."""
    return {kind: digest for kind, digest, _ in connection.execute(query("content_schema"))}


def of_database(connection: Connection) -> dict[str, Any]:
    """Owner, encoding, collation, size, roles, settings [role, name, value] and rights [role, privilege]."""
    row = connection.execute(query("content_database")).fetchone()
    assert row is not None
    found: dict[str, Any] = dict(zip(("owner", "encoding", "collate", "ctype", "bytes", "roles"), row, strict=True))
    found["settings"] = [list(each) for each in connection.execute(query("content_settings"))]
    found["rights"] = [list(each) for each in connection.execute(query("content_rights"))]
    found["server_version"] = connection.info.server_version
    return found


def differences(said: Mapping[str, Any], found: Mapping[str, Any], *, with_schema: bool = True) -> list[str]:
    """What a restored database has otherwise than the manifest says, a line each; nothing: they are equal.

    A sequence may have gone on while the dump was made: its next value lies between what was read before and after.
    with_schema: False where the two servers are of different major versions, which write the same definitions differently.
    """
    lines = []
    for name in sorted(said["tables"].keys() | found["tables"].keys()):
        before, now = said["tables"].get(name), found["tables"].get(name)
        if before is None or now is None:
            lines.append(f"table {name} is {'missing' if now is None else 'not of it'}")
        elif before != now:
            what = ", ".join(f"{key} {before[key]} became {now[key]}" for key in before if before[key] != now[key])
            lines.append(f"table {name}: {what}")
    for name in sorted(said["sequences"].keys() | found["sequences"].keys()):
        low, high, now = (each.get(name) for each in (said["sequences"], said.get("sequences_after", said["sequences"]), found["sequences"]))
        if low is None or high is None or now is None:
            lines.append(f"sequence {name} is {'missing' if now is None else 'not of it'}")
        elif not min(low["next"], high["next"]) <= now["next"] <= max(low["next"], high["next"]):
            lines.append(f"sequence {name} would give {now['next']}, not {low['next']}")
    if with_schema:
        kinds = said["schema"].keys() | found["schema"].keys()
        lines += [f"the {kind} are not the same" for kind in sorted(kinds) if said["schema"].get(kind) != found["schema"].get(kind)]
    for key in ("encoding", "settings", "rights"):
        if said["database"][key] != found["database"][key]:
            lines.append(f"the database's {key}: {said['database'][key]} became {found['database'][key]}")
    return lines


def _ends(connection: Connection, table: sql.Identifier, key: list[str]) -> tuple[str | None, str | None]:
    columns = sql.SQL(", ").join(map(sql.Identifier, key))
    down = sql.SQL(", ").join(sql.SQL("{} DESC").format(sql.Identifier(each)) for each in key)
    row = connection.execute(sql.SQL(
        "SELECT (SELECT ROW({columns})::text FROM ONLY {table} ORDER BY {columns} LIMIT 1), "
        "(SELECT ROW({columns})::text FROM ONLY {table} ORDER BY {down} LIMIT 1)"
    ).format(columns=columns, table=table, down=down)).fetchone()  # fmt: skip
    assert row is not None
    return row[0], row[1]
