"""The book of alerts in its tables: what is open and what was told, as rows; and what a person says about them.

Rows are dictionaries with the columns' names: the rules belong to another room. One statement for all rows of a kind, so that a storm
of ten thousand alerts is three statements. Every function raises a ScizorError, never psycopg's own.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from scizor.base.errors import UnreachableError
from scizor.db.connect import explain
from scizor.db.sql import query

Connection = psycopg.Connection[tuple[Any, ...]]
Row = Mapping[str, Any]

ALERT = ("fingerprint", "source", "rule", "scope", "severity", "subject", "body", "labels", "first_at", "last_at", "times", "resolved_at", "acked_at", "muted")
TELLING = ("fingerprint", "first_at", "channel", "occasion", "due_at", "next_at", "attempts", "sent_at", "given_up_at", "last_error", "instead_of")


def load(connection: Connection, since: datetime) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Alerts that are open, ended after `since` or wait to be told, and tellings: those that wait, and the newest of each."""
    with _explained(connection):
        alerts = connection.execute(query("alerting_alerts"), {"since": since}).fetchall()
        tellings = connection.execute(query("alerting_told"), {"since": since}).fetchall()
    return [dict(zip(ALERT, row, strict=True)) for row in alerts], [dict(zip(TELLING, row, strict=True)) for row in tellings]


def store(connection: Connection, alerts: Sequence[Row], tellings: Sequence[Row]) -> None:
    """All in one transaction; again with the same rows it changes nothing."""
    with _explained(connection), connection.transaction():
        if alerts:
            rows = {"rows": Jsonb([_plain(each) for each in alerts])}
            connection.execute(query("alerting_update"), rows)
            connection.execute(query("alerting_insert"), rows)
        if tellings:
            connection.execute(query("alerting_tellings"), {"rows": Jsonb([_plain(each) for each in tellings])})


def silences(connection: Connection, now: datetime) -> list[tuple[str, str, datetime]]:
    """Rule, scope, until."""
    with _explained(connection):
        return [(rule, scope, until) for rule, scope, until in connection.execute(query("alerting_silences"), {"now": now})]


def silence(connection: Connection, rule: str, scope: str, now: datetime, until: datetime, by: str) -> None:
    with _explained(connection):
        connection.execute(query("alerting_silence"), {"rule": rule, "scope": scope, "now": now, "until": until, "by": by})


def acknowledge(connection: Connection, number: int, now: datetime, by: str) -> str | None:
    """The subject of the alert; None when no open alert that nobody knows of has that number."""
    with _explained(connection):
        row = connection.execute(query("alerting_ack"), {"id": number, "now": now, "by": by}).fetchone()
    return str(row[0]) if row else None


def listed(connection: Connection, *, all: bool, limit: int) -> list[dict[str, Any]]:
    with _explained(connection), connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query("alerting_list"), {"all": all, "limit": limit}).fetchall()


def _plain(row: Row) -> dict[str, Any]:
    """For JSON, and without the zero character that a jsonb refuses."""
    found: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, str):
            found[name] = _text(value)
        elif isinstance(value, Mapping):
            found[name] = {_text(str(key)): _text(str(each)) for key, each in value.items()}
        else:
            found[name] = value.isoformat() if isinstance(value, datetime) else value
    return found


def _text(text: str) -> str:
    return text.replace("\0", "?").encode("utf-8", "replace").decode()


@contextlib.contextmanager
def _explained(connection: Connection) -> Iterator[None]:
    try:
        yield
    except psycopg.Error as problem:
        raise explain(problem, connection) or UnreachableError(f"the database took no alert: {problem}") from problem
