"""A backup proved: every file read to its end, restored into a database of its own, and compared with what it must hold.

What is not as it was written is `corrupt`; what is whole but does not count (it shrank, it could not be restored here) stays
`complete`, with the reason in its row. The others are never touched.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from scizor.base.errors import FindingError, PartialError, RefusedError, ScizorError, UnreachableError
from scizor.db import backups, retention, scratch
from scizor.db.backups import Backup
from scizor.jobs import backup_shelf as shelf
from scizor.run import dumping, sealing
from scizor.run.context import Context
from scizor.run.dumping import Task

#: Rows of these come and go: that none is left is no loss.
COMING_AND_GOING = {*retention.DAYS, "pacing_holders", "job_locks", "archived_sessions", "alert_deliveries", "watchlist"}


def verify(context: Context, task: Task, row: Backup, *, accept_shrink: bool = False, is_read: bool = False) -> dict[str, Any]:
    """Proves the backup and says so in its row and beside its folder. Raises FindingError for one that does not count. is_read:
    this run has read it to the end already."""
    folder = Path(row.path)
    before = context.clock.now()
    state = "corrupt"
    try:
        manifest = whole(context, task, folder, row.sha256, is_read=is_read)
        state = "complete"
        if not accept_shrink:
            refuse_shrunk(context, row, manifest, shelf.size_of(folder))
        began = context.clock.now()
        differ = tried(task, folder, manifest, sealing.identities(context.config.backup.identity_file))
        if differ:
            raise FindingError(f"{folder.name} restores to another database: {'; '.join(differ[:5])}", hint="keep it, and make another: bin/backup")
    except PartialError:
        raise
    except ScizorError as problem:
        # a server that is away or a disk that is full says nothing about the backup
        why, at = problem.message, context.clock.now()
        if isinstance(problem, FindingError):
            context.transact(lambda c: backups.failed(c, row.id, state, why, at))
            shelf.disprove(folder)
        raise
    now = context.clock.now()
    result = {
        "verified_at": now.isoformat(), "restore_seconds": round((now - began).total_seconds(), 3),
        "read_seconds": round((began - before).total_seconds(), 3), "rows": manifest["rows"], "tables": len(manifest["tables"]),
    }  # fmt: skip
    context.transact(lambda c: backups.verified(c, row.id, result, now))
    shelf.prove(folder, manifest, result)
    return result


def whole(context: Context, task: Task, folder: Path, sha256: bytes | None, *, is_read: bool = False) -> dict[str, Any]:
    """The manifest of a backup whose every file is what was written. sha256: of its SHA256SUMS, where a row remembers it."""
    if not shelf.is_reachable(folder):
        raise UnreachableError(f"{folder} is not there, and no other backup beside it", hint="is its disk mounted?")
    if not folder.is_dir():
        raise FindingError(f"{folder} is not there", hint="make another: bin/backup")
    identities = sealing.identities(context.config.backup.identity_file)
    sealing.check(folder)
    if sha256 is not None and bytes.fromhex(sealing.hash_of(folder / sealing.SUMS)) != sha256:
        raise FindingError(f"{folder.name} holds another backup than the one that was written there")
    manifest = dumping.load(folder)
    if not is_read:
        dumping.read_through(task, folder, manifest, identities)
    return manifest


def tried(task: Task, folder: Path, manifest: dict[str, Any], identities: Sequence[Any]) -> list[str]:
    """Restores it into a scratch database; what that has otherwise than the manifest says."""
    name = scratch_name(manifest["of"])
    with _scratch(task, name, manifest):
        dumping.restore(task, folder, manifest, identities, name)
        return dumping.compare(task, manifest, name)


def scratch_name(of: str) -> str:
    """Fixed, so that a DBA can let the login in, and the next run finds what a killed one left."""
    return f"{of[:48]}_restore_test"


def refuse_shrunk(context: Context, row: Backup, manifest: dict[str, Any], size: int) -> None:
    """FindingError when it is much smaller than the last verified one before it, or a table has lost all its rows."""
    former = [each for each in context.transact(backups.load) if each.state == "verified" and each.id < row.id]
    if not former:
        return
    before = former[-1]
    hint = f"if that is meant: bin/backup --verify {Path(row.path).name} --accept-shrink"
    most = context.config.backup.shrink_percent_max
    if before.size and size < before.size * (1 - most / 100):
        raise FindingError(f"{Path(row.path).name} takes {size:,} bytes, {Path(before.path).name} took {before.size:,}: it shrank by more than {most:g} %", hint=hint)
    had, has = _rows(before.manifest), _rows(manifest)
    if manifest["schema_number"] > before.manifest["schema_number"]:  # a migration may have dropped a table, not emptied one
        had = {table: rows for table, rows in had.items() if table in has}
    emptied = sorted(table for table, rows in had.items() if rows and not has.get(table) and table not in COMING_AND_GOING and not table.startswith("detached_"))
    if emptied:
        raise FindingError(f"no row is left in {', '.join(emptied)}, where {Path(before.path).name} has {had[emptied[0]]:,}", hint=hint)


@contextlib.contextmanager
def _scratch(task: Task, name: str, manifest: dict[str, Any]) -> Iterator[None]:
    with contextlib.closing(task.connect(task.restorer(), "postgres")) as outside:
        if (mark := scratch.mark_of(outside, name)) is not None:
            _refuse_stranger(task, name, mark)
            scratch.drop(outside, name)
        scratch.create(outside, name, manifest["database"], mark=scratch.MARK)
    try:
        yield
    finally:
        with contextlib.closing(task.connect(task.restorer(), "postgres")) as outside:
            scratch.drop(outside, name)


def _refuse_stranger(task: Task, name: str, mark: str) -> None:
    """What a killed test left is marked, or still empty: between making and marking lies an instant too."""
    if mark == scratch.MARK:
        return
    with contextlib.closing(task.connect(task.restorer(), name)) as inside:
        if not scratch.is_empty(inside):
            raise RefusedError(f"the database {name} is in the way of the restore test, and is not one of ours", hint=f"rename or drop {name}")


def _rows(manifest: dict[str, Any]) -> dict[str, int]:
    """By table, its partitions counted together."""
    found: dict[str, int] = {}
    for each in manifest.get("tables", {}).values():
        found[each["root"]] = found.get(each["root"], 0) + each["rows"]
    return found
