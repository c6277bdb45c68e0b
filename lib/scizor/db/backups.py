"""The table of backups: one row a backup, whose state tells what it is worth. What lies on the disk decides; the row tells."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

import psycopg
from psycopg.types.json import Jsonb

from scizor.db.sql import query

Connection = psycopg.Connection[tuple[Any, ...]]


class Backup(NamedTuple):
    """A row. size (in bytes), sha256 (of its SHA256SUMS), verified_at, result: None as long as they are not known."""

    id: int
    started_at: datetime
    path: str
    state: str
    size: int | None
    sha256: bytes | None
    verified_at: datetime | None
    result: dict[str, Any] | None
    manifest: dict[str, Any]


class File(NamedTuple):
    """A file of an archive that is the only place of its bars."""

    folder: str
    path: str
    year: int
    size: int
    sha256: bytes


def load(connection: Connection) -> list[Backup]:
    """All that are not removed, the oldest first."""
    return [Backup(*row) for row in connection.execute(query("backups"))]


def start(connection: Connection, path: str, now: datetime) -> int:
    """A row of state `writing`; its id."""
    row = connection.execute(query("backup_start"), {"path": path, "now": now}).fetchone()
    assert row is not None
    return int(row[0])


def complete(connection: Connection, which: int, *, size: int, sha256: bytes, manifest: dict[str, Any], now: datetime) -> None:
    """It is whole on disk, which proves nothing yet."""
    _change(connection, which, "complete", bytes=size, sha256=sha256, manifest=Jsonb(manifest), finished_at=now)


def verified(connection: Connection, which: int, result: dict[str, Any], now: datetime) -> None:
    """It was restored and found equal."""
    _change(connection, which, "verified", result=Jsonb(result), verified_at=now)


def failed(connection: Connection, which: int, state: str, why: str, now: datetime) -> None:
    """state: corrupt (not what was written), complete (whole, but does not count), expired (nothing of it is left)."""
    _change(connection, which, state, result=Jsonb({"why": why[:1000], "at": now.isoformat()}))


def expired(connection: Connection, which: int) -> None:
    """Its files were removed."""
    _change(connection, which, "expired")


def archives(connection: Connection) -> list[File]:
    """What a backup of the database alone would lack."""
    return [File(*row) for row in connection.execute(query("backup_archives"))]


def _change(connection: Connection, which: int, state: str, **values: Any) -> None:
    names = ("finished_at", "bytes", "sha256", "manifest", "verified_at", "result")
    connection.execute(query("backup_change"), {"id": which, "state": state, **{name: values.get(name) for name in names}})
