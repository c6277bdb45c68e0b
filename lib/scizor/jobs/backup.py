"""bin/backup: the whole database in one snapshot, proved by bringing it back, and old ones let go."""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from scizor.base.errors import FindingError, NoSpaceError, ScizorError, UsageError
from scizor.base.exit import Exit
from scizor.base.paths import private_directory
from scizor.base.progress import progress
from scizor.base.version import code_version
from scizor.db import backups, contents, migrate
from scizor.db.backups import Backup
from scizor.db.connect import embedded_data
from scizor.db.retry import explained
from scizor.jobs import backup_setup, backup_verify
from scizor.jobs import backup_shelf as shelf
from scizor.run import clients, dumping, sealing
from scizor.run.context import Context, Result
from scizor.run.dumping import Task

ARCHIVES = "archives"
INODES_MIN = 1000


def run(context: Context) -> Result:
    args = context.args
    if args.print_setup or args.print_wal_setup:
        print(backup_setup.wal(context.config) if args.print_wal_setup else backup_setup.grants(context.config))
        return Result()
    if args.all and args.verify is None:
        raise UsageError("--all goes with --verify")
    if sum((args.list, args.prune, args.verify is not None)) > 1:
        raise UsageError("--list, --prune and --verify go one at a time")
    if args.list:
        print(shelf.page(context.transact(backups.load), context.clock.now()))
        return Result(was_idle=True)
    if args.verify is not None:
        return verify(context)
    if args.prune:
        return prune(context)
    return plan(context) if args.dry_run else make(context)


def make(context: Context) -> Result:
    """Dump, seal, read through, restore, compare; then let go what has served its time."""
    folder = shelf.place(context)
    try:
        private_directory(folder)
    except OSError as problem:
        raise sealing.refusal(problem, folder) from None
    keys = sealing.recipients(context.config.backup.recipients)
    with task_of(context, "backup", 2 * len(contents.names(context.connection)) + 4) as task:
        shelf.clean(context, task.server.name)
        check_room(context, folder)
        row, findings = written(context, task, folder, keys)
        result = backup_verify.verify(context, task, row, accept_shrink=context.args.accept_shrink, is_read=True)
    gone = shelf.prune(context)
    rows = context.transact(backups.load)
    text = f"{row.path}: {row.size or 0:,} bytes, {result['rows']:,} rows, restored and equal in {result['restore_seconds']:.1f} s; {len(gone)} old ones removed"
    if findings:
        return Result(text, Exit.FINDING, failures=findings, hint="bin/export --verify says more; a good copy of the file back to its place", kind="archive")
    return Result(f"{text}\n{shelf.objectives(rows, context.clock.now())}")


def written(context: Context, task: Task, folder: Path, keys: list[str]) -> tuple[Backup, list[str]]:
    """A whole backup with its row, complete; and what was wrong with archives beside it. Nothing of it stays when it fails."""
    name = shelf.new_name(context, task.server.name)
    final, partial = folder / name, folder / f"{name}.partial"
    started = context.clock.now()
    which = context.transact(lambda c: backups.start(c, str(final), started))
    try:
        dumping.make_folder(partial)
        # Read before the snapshot: a year that leaves after this still lies in it, beside the table.
        files = [] if context.args.without_archives else context.transact(backups.archives)
        about = {
            "mode": context.config.mode, "schema_number": migrate.version(context.connection), "code_version": code_version(context.paths.root)
        }
        manifest = dumping.dump(task, partial, keys, about)
        copied, findings = copy_archives(task, partial, keys, files)
        manifest["files"] += copied
        if context.args.without_archives:
            manifest["archives_left_out"] = [f"{each.folder}/{each.path}" for each in context.transact(backups.archives)]
        sha = dumping.save(partial, manifest)
        dumping.read_through(task, partial, manifest, sealing.identities(context.config.backup.identity_file))
        partial.rename(final)
        sealing.sync(folder)
    except (ScizorError, OSError) as problem:
        shutil.rmtree(partial, ignore_errors=True)
        why, at = str(problem), context.clock.now()
        with contextlib.suppress(ScizorError):  # the server may be what failed; the next run closes the row
            context.transact(lambda c: backups.failed(c, which, "expired", why, at))
        if isinstance(problem, OSError):
            raise sealing.refusal(problem, final) from None
        raise
    size, now = shelf.size_of(final), context.clock.now()
    context.transact(lambda c: backups.complete(c, which, size=size, sha256=sha, manifest=manifest, now=now))
    return Backup(which, started, str(final), "complete", size, sha, None, None, manifest), findings


def copy_archives(task: Task, partial: Path, keys: list[str], files: list[backups.File]) -> tuple[list[dict[str, Any]], list[str]]:
    """Files of years that left the table, with their manifests: the only place of those bars. One that is not what it was is
    told, and holds up nothing."""
    copied: list[dict[str, Any]] = []
    findings: list[str] = []
    if not files:
        return copied, findings
    dumping.make_folder(partial / ARCHIVES)
    wanted: list[tuple[str, str, int | None, str | None]] = [(each.folder, each.path, each.year, each.sha256.hex()) for each in files]
    wanted += [(folder, "manifest.json", None, None) for folder in sorted({each.folder for each in files})]
    for number, (folder, path, year, sha) in enumerate(wanted, 1):
        task.look(path)
        source, target = Path(folder) / path, partial / ARCHIVES / f"{number:06}{Path(path).suffix}"
        try:
            with open(source, "rb") as stream:
                sealed = sealing.write(stream, target, keys, task.is_stopped)
        except FileNotFoundError:
            findings.append(f"{source} is not there, and is the only place of its bars")
            continue
        if sha is not None and sealed.plain_sha256 != sha:
            findings.append(f"{source} is not the file that was verified: it is not in the backup")
            (target.parent / sealed.path).unlink()
            continue
        entry = replace(sealed, path=f"{ARCHIVES}/{sealed.path}")
        copied.append({"what": "archive", "folder": folder, "file": path, "year": year, **{name: getattr(entry, name) for name in entry.__slots__}})
    return copied, findings


def verify(context: Context) -> Result:
    """The ones named, or those that are not proved yet and the newest, or all."""
    rows = chosen(context)
    failures: list[str] = []
    proved = 0
    with task_of(context, "verify", len(rows) * (len(contents.names(context.connection)) + 2)) as task:
        for row in rows:
            if context.args.dry_run:
                print(f"{row.path}: {row.state}, would be read, restored and compared")
                continue
            if context.stop.is_asked:
                break
            try:
                backup_verify.verify(context, task, row, accept_shrink=context.args.accept_shrink)
                proved += 1
            except FindingError as problem:
                failures.append(str(problem))
    if context.args.dry_run:
        return Result(was_idle=True)
    text = f"{proved} of {len(rows)} backups read, restored and equal"
    if failures:
        hint = "the others are as they were; make another: bin/backup"
        return Result(text, Exit.FINDING, failures=failures, hint=hint, kind="corrupt")
    if context.stop.is_asked:
        return Result(text, Exit.PARTIAL, hint="run it again")
    return Result(f"{text}\n{shelf.objectives(context.transact(backups.load), context.clock.now())}", was_idle=not rows)


def chosen(context: Context) -> list[Backup]:
    rows = [row for row in context.transact(backups.load) if row.state != "writing"]
    if context.args.all:
        return rows
    if not context.args.verify:
        newest = [row for row in rows if row.state == "verified"][-1:]
        return [row for row in rows if row.state == "complete" or row in newest]
    folder = shelf.resolve(context, context.args.verify)
    known = [row for row in rows if Path(row.path) == folder]
    return known or [_registered(context, folder)]


def prune(context: Context) -> Result:
    if context.args.dry_run:
        rows = context.transact(backups.load)
        found = shelf.due(context, rows)
        print("\n".join(f"{row.path} would be removed" for row in found) or "nothing has served its time")
        return Result(was_idle=True)
    gone = shelf.prune(context)
    return Result(f"{len(gone)} backups removed", was_idle=not gone)


def plan(context: Context) -> Result:
    """Everything that a run needs, looked at; nothing is written."""
    folder = shelf.place(context)
    keys = sealing.recipients(context.config.backup.recipients)
    identities = sealing.identities(context.config.backup.identity_file)
    with task_of(context, "backup", is_wanted=False) as task:
        with task.connect(task.reader()) as connection:
            contents.settle(connection)
            version, tables = connection.info.server_version, contents.names(connection)
            binaries = clients.find(context.config, version)
        with task.connect(task.restorer(), "postgres") as connection:
            may_create = connection.execute("SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()
        needed, free = check_room(context, folder)
        files = context.transact(backups.archives)
        print(
            f"{len(tables)} tables of {task.server.name} to {folder}, by {task.reader().user} with pg_dump {clients.major_of(binaries)} "
            f"({binaries}) from server {version // 10000}; {'encrypted to ' + str(len(keys)) + ' keys' if keys else 'not encrypted'}"
        )
        print(f"about {needed / 1e9:.2f} GB must be free, {free / 1e9:.2f} GB are; {len(files)} archive files of detached years")
        print(f"then restored into {backup_verify.scratch_name(task.server.name)} by {task.restorer().user}, compared, and dropped")
    rows = context.transact(backups.load)
    print(f"{len(shelf.due(context, rows))} old ones would be removed now")
    print(shelf.objectives(rows, context.clock.now()))
    if not (may_create and may_create[0]):
        return Result(f"{task.restorer().user} may not make the database for the restore test", Exit.REFUSED, hint="bin/backup --print-setup")
    if keys and not identities:
        return Result("what is encrypted could not be read back", Exit.CONFIGURATION, hint="name identity_file under [backup]")
    return Result(was_idle=True)


def check_room(context: Context, folder: Path) -> tuple[int, int]:
    """Bytes that must be free, and that are. NoSpaceError (73) before the first byte, rather than at the last."""
    rows = [row for row in context.transact(backups.load) if row.size]
    if rows:
        expected, count = int(1.5 * (rows[-1].size or 0)), len(rows[-1].manifest.get("files", ()))
    else:
        files = context.transact(backups.archives)
        expected, count = int(contents.of_database(context.connection)["bytes"]) + sum(each.size for each in files), len(files)
    needed = expected + int(context.config.backup.free_gb_min * 1e9)
    free, inodes = dumping.free(folder)
    if free < needed or inodes < INODES_MIN + int(1.5 * count):
        what = f"{needed / 1e9:.2f} GB, and has {free / 1e9:.2f} GB" if free < needed else f"{INODES_MIN + int(1.5 * count)} inodes, and has {inodes}"
        raise NoSpaceError(f"{folder} needs {what}", hint="free some, or name another: directory under [backup]; free_gb_min is the margin")
    _check_room_to_restore(context, folder, needed)
    return needed, free


def _check_room_to_restore(context: Context, folder: Path, needed: int) -> None:
    """The restore test takes as much again on the server's disk, which only the embedded server lets us see."""
    data = embedded_data((context.server or context.config.database).host)
    if data is None:
        return
    size = int(contents.of_database(context.connection)["bytes"])
    there = next(each for each in (folder, *folder.parents) if each.exists())
    total = size + (needed if there.stat().st_dev == data.stat().st_dev else 0)
    if (free := dumping.free(data)[0]) < total:
        raise NoSpaceError(f"the restore test needs {size / 1e9:.2f} GB beside {data}, and {free / 1e9:.2f} GB are free", hint="free some")


@contextlib.contextmanager
def task_of(context: Context, title: str, steps: int = 0, *, is_wanted: bool | None = None) -> Iterator[Task]:
    """What dumping and restoring share, with a progress bar of so many tables and files where a person watches."""
    server = context.server or context.config.database
    with explained(server), progress(title, steps, is_wanted=is_wanted) as advance:

        def look(text: str) -> None:
            advance(text=text)

        yield Task(context.config, server, context.clock, lambda: context.stop.is_asked, look)


def _registered(context: Context, folder: Path) -> Backup:
    """A backup that the database does not know: of another disk, or younger than what was brought back."""
    manifest = dumping.load(folder)
    sha = bytes.fromhex(sealing.hash_of(folder / sealing.SUMS)) if (folder / sealing.SUMS).exists() else None
    taken = datetime.fromisoformat(re.sub(r"Z$", "+00:00", manifest["taken_at"]))
    which = context.transact(lambda c: backups.start(c, str(folder), taken))
    now, size = context.clock.now(), shelf.size_of(folder)
    if sha is not None:
        digest = sha
        context.transact(lambda c: backups.complete(c, which, size=size, sha256=digest, manifest=manifest, now=now))
    return Backup(which, taken, str(folder), "complete", size, sha, None, None, manifest)
