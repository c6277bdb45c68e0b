"""bin/clean-logs: logs by age and by size. Needs no database: a full disk is one of the things that it is there for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from scizor.base.errors import ScizorError
from scizor.base.exit import Exit
from scizor.run import runner
from scizor.run.context import Context, Result

NAME = re.compile(r"[a-z][a-z0-9-]*\.log(?P<number>\.\d+)?")  # base.log's own names; whatever else lies there is not ours
FRESH = timedelta(hours=1)  # whoever wrote it may still be at it


@dataclass(frozen=True, slots=True)
class Log:
    path: Path
    bytes: int
    written_at: datetime
    is_rotated: bool


def run(context: Context) -> Result:
    """Cleans, then leaves a row where there is a database: whoever looks for dead jobs looks there."""
    result = clean(context)
    if context.args.dry_run:
        return result
    try:
        with runner.database(context):
            runner.recorded(lambda _: result, context)
    except ScizorError as problem:
        context.log.warning("this run has no row: %s", problem)
    return result


def clean(context: Context) -> Result:
    logs = found(context.paths.logs)
    keep = timedelta(days=context.config.logs.keep_days)
    going = what_goes(logs, context.clock.now(), keep, context.config.logs.total_mb * 1_000_000)
    size = sum(each.bytes for each in going)
    if context.args.dry_run:
        print("\n".join(f"{each.path}: {each.bytes:,} bytes, last written {each.written_at:%Y-%m-%d}" for each in going) or "no log is too old, nor are they too large")
        return Result()
    failures = []
    for each in going:
        try:
            each.path.unlink(missing_ok=True)
            context.log.info("deleted %s, last written %s", each.path, each.written_at.isoformat())
        except OSError as problem:
            failures.append(f"{each.path}: {problem.strerror}")
    result = Result(f"{len(going) - len(failures)} logs deleted, {size / 1e6:.1f} MB", failures=failures, was_idle=not going)
    left = sum(each.bytes for each in logs) - size
    if failures:
        result.status, result.hint = Exit.PARTIAL, f"may {context.name} write in {context.paths.logs}?"
    elif left > context.config.logs.total_mb * 1_000_000:
        result.status, result.kind = Exit.FINDING, "size"
        result.summary += f"; {left / 1e6:.0f} MB are left, all being written"
        result.hint = "see what fills them; [logs] total_mb is the limit"
    return result


def found(folder: Path) -> list[Log]:
    """The logs that base.log made in the folder. Links and folders are none, and are left alone."""
    logs = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        match = NAME.fullmatch(path.name)
        if match and path.is_file() and not path.is_symlink():
            status = path.stat()
            logs.append(Log(path, status.st_size, datetime.fromtimestamp(status.st_mtime).astimezone(), match["number"] is not None))
    return logs


def what_goes(logs: list[Log], now: datetime, keep: timedelta, bytes_max: int) -> list[Log]:
    """Pure: first what is older than `keep`, then the oldest until the rest fits: rotated ones before those that a job would
    go on writing. What was written within the hour stays, whatever its size."""
    old = [each for each in logs if each.written_at < now - keep]
    rest = [each for each in logs if each not in old]
    size = sum(each.bytes for each in rest)
    for each in sorted(rest, key=lambda each: (not each.is_rotated, each.written_at)):
        if size <= bytes_max:
            break
        if each.is_rotated or each.written_at < now - FRESH:
            old.append(each)
            size -= each.bytes
    return old
