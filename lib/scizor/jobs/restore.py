"""bin/restore: a backup into a new database, proved equal; everything that could go wrong is looked at before the first byte."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from scizor.base.errors import ConfigurationError, FindingError, ScizorError
from scizor.base.exit import Exit
from scizor.base.paths import private_directory
from scizor.db import scratch
from scizor.jobs import backup_shelf as shelf
from scizor.jobs.backup import task_of
from scizor.run import clients, dumping, sealing
from scizor.run.context import Context, Result
from scizor.run.dumping import Task
from scizor.run.servers import database_server


def run(context: Context) -> Result:
    folder = shelf.resolve(context, context.args.backup)
    identities = sealing.identities(context.config.backup.identity_file)
    sealing.check(folder)
    manifest = dumping.load(folder)
    if manifest["recipients"] and not identities:
        raise ConfigurationError(f"{folder.name} is encrypted", hint="name the key: identity_file under [backup]")
    if context.server is not None:
        return restored(context, folder, manifest, identities)
    with database_server(context.config) as server:
        context.server = server
        return restored(context, folder, manifest, identities)


def restored(context: Context, folder: Path, manifest: dict[str, Any], identities: list[Any]) -> Result:
    name, began = context.args.into, context.clock.now()
    with task_of(context, "restore", len(manifest["tables"]) + len(manifest["files"])) as task:
        is_new = refuse(task, manifest, name)
        if context.args.dry_run:
            print(f"{manifest['rows']:,} rows of {len(manifest['tables'])} tables, taken {manifest['taken_at']}, would go into {'the new' if is_new else 'the empty'} database {name}")
            return Result(was_idle=True)
        dumping.read_through(task, folder, manifest, identities)
        differ = put(task, folder, manifest, identities, name, is_new=is_new)
    seconds = (context.clock.now() - began).total_seconds()
    failures = [f"{name} is not equal: {each}" for each in differ]
    if context.args.archives:
        failures += put_archives(folder, manifest, identities)
    text = f"{name}: {manifest['rows']:,} rows of {len(manifest['tables'])} tables as of {manifest['taken_at']}, {'equal' if not differ else 'NOT equal'}, in {seconds:.1f} s (RTO)"
    away = sorted({each["folder"] for each in manifest["files"] if each["what"] == "archive"})
    if failures:
        return Result(text, Exit.FINDING, failures=failures, hint="bin/backup --list names others", kind="restore")
    hint = f"use it: name = \"{name}\" under [database], then bin/migrate"
    if away and not context.args.archives:
        hint += f"; bars of detached years lie in {', '.join(away)}: --archives puts absent files back"
    print(f"{text}\nHINT: {hint}")
    return Result()


def refuse(task: Task, manifest: dict[str, Any], name: str) -> bool:
    """Whether the database is to be made. Raises for whatever would end in half a restore."""
    if manifest["schema_number"] > dumping.schema_number():
        raise ConfigurationError(
            f"the backup holds schema {manifest['schema_number']}, this checkout knows {dumping.schema_number()}", hint="update this checkout"
        )
    with contextlib.closing(task.connect(task.restorer(), "postgres")) as outside:
        version = outside.info.server_version
        if version // 10000 < manifest["server_version"] // 10000:
            raise ConfigurationError(
                f"the backup is of PostgreSQL {manifest['server_version'] // 10000}, this server is {version // 10000}",
                hint="restore it into a server that is not older",
            )
        # the dump's format is that of the client that wrote it
        clients.find(task.config, max(version, manifest["client_version"] * 10000))
        if absent := scratch.absent_roles(outside, manifest["database"]["roles"]):
            raise ConfigurationError(
                f"this server has no role {', '.join(absent)}", hint="bin/migrate --print-setup makes ours; the backup's globals.sql has all"
            )
        is_new = not scratch.exists(outside, name)
    if not is_new:
        with contextlib.closing(task.connect(task.restorer(), name)) as inside:
            scratch.refuse_unless_empty(inside)
    return is_new


def put(task: Task, folder: Path, manifest: dict[str, Any], identities: list[Any], name: str, *, is_new: bool) -> list[str]:
    """Restores and compares; a database that was made for it does not stay half full."""
    if is_new:
        with contextlib.closing(task.connect(task.restorer(), "postgres")) as outside:
            scratch.create(outside, name, manifest["database"])
    try:
        dumping.restore(task, folder, manifest, identities, name)
        return dumping.compare(task, manifest, name)
    except ScizorError:
        if is_new:
            with contextlib.closing(task.connect(task.restorer(), "postgres")) as outside:
                scratch.drop(outside, name)
        raise


def put_archives(folder: Path, manifest: dict[str, Any], identities: list[Any]) -> list[str]:
    """Files of detached years back to where the database looks for them, where they are absent; what lies there otherwise is
    told and left."""
    failures = []
    for each in manifest["files"]:
        if each["what"] != "archive":
            continue
        target = Path(each["folder"]) / each["file"]
        if target.exists():
            if each["year"] is not None and sealing.hash_of(target) != each["plain_sha256"]:
                failures.append(f"{target} is another file than the backup's, and was left")
            continue
        partial = target.with_name(target.name + ".partial")
        private_directory(target.parent)
        partial.unlink(missing_ok=True)
        with sealing.opened(folder / each["path"], identities) as plain:
            sealed = sealing.write(plain, partial, [])
        if sealed.sha256 != each["plain_sha256"]:
            partial.unlink()
            raise FindingError(f"{each['path']} does not hold what went into it")
        partial.rename(target)
        sealing.sync(target.parent)
    return failures
