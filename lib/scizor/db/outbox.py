"""Where messages wait until they are delivered: base.protocols.Outbox, kept in alerts."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from scizor.base.errors import UnreachableError
from scizor.base.protocols import Message
from scizor.db.connect import explain
from scizor.db.sql import query

Connection = psycopg.Connection[tuple[Any, ...]]

SUBJECT_MAX, BODY_MAX = 200, 8000  # characters, as the columns' CHECKs say


class PostgresOutbox:
    """One open row a fingerprint: the same message again counts up, `recovered` closes it. At least once.

    `put` raises a ScizorError, never psycopg's own.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put(self, message: Message) -> None:
        values = {
            "fingerprint": message.fingerprint[:200], "severity": message.severity, "subject": message.subject[:SUBJECT_MAX],
            "body": message.body[:BODY_MAX], "labels": Jsonb(message.labels), "at": message.at,
        }  # fmt: skip
        try:
            with self._connection.transaction():
                self._connection.execute(query("resolve_alert" if message.recovered else "put_alert"), values)
        except psycopg.Error as problem:  # who tells of a failure must be able to go on without this note
            raise explain(problem, self._connection) or UnreachableError(f"the database took no alert: {problem}") from problem

    def open(self, prefix: str) -> list[str]:
        try:
            rows = self._connection.execute(
                "SELECT fingerprint FROM alerts WHERE resolved_at IS NULL AND starts_with(fingerprint, %s) ORDER BY fingerprint", [prefix]
            ).fetchall()
        except psycopg.Error as problem:
            raise explain(problem, self._connection) or UnreachableError(f"the database named no alert: {problem}") from problem
        return [fingerprint for (fingerprint,) in rows]
