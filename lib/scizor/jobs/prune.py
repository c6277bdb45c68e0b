"""bin/prune: what has served its time. A detached year goes only when its files were read back a moment ago; the database
compares their counts with the table's once more before it drops it (drop_detached_bars)."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from scizor.archive import files, manifest, table
from scizor.base.errors import FindingError
from scizor.base.exit import Exit
from scizor.db import archives, retention
from scizor.db.archives import Detached
from scizor.run.context import Context, Result

DETACHED_DAYS = 30  # so long a year can be put back without its files


def run(context: Context) -> Result:
    now, connection = context.clock.now(), context.connection
    rows = {what: count for what, count in retention.due(connection, now).items() if count}
    years = archives.detached(connection)
    ripe = [each for each in years if each.since is None or each.since <= now - timedelta(days=DETACHED_DAYS)]
    if context.args.dry_run:
        print(plan(rows, years, ripe))
        return Result(was_idle=True)
    pruned = freed = 0
    failures: list[str] = []
    for what in rows:
        if context.stop.is_asked:
            return Result(f"{pruned:,} rows pruned", Exit.PARTIAL, hint="run it again")
        pruned += retention.prune(connection, what, now)
        context.log.info("pruned %s", what)
    for each in ripe:
        if context.stop.is_asked:
            return Result(f"{pruned:,} rows pruned, {freed / 1e6:.1f} MB of detached years", Exit.PARTIAL, hint="run it again")
        try:
            freed += drop(context, each)
            context.log.info("dropped the detached bars of %d", each.year)
        except FindingError as problem:
            failures.append(f"the detached bars of {each.year} stay: {problem.message}")
    result = Result(f"{pruned:,} rows pruned, {freed / 1e6:.1f} MB of detached years", failures=failures, was_idle=not (pruned or freed or failures))
    if failures:
        result.status, result.kind = Exit.FINDING, "archive"
        result.hint = "bin/export --import --year YEAR puts the year back; then bin/export --year YEAR --detach again"
    return result


def drop(context: Context, each: Detached) -> int:
    """Reads every file of the year back, says so to the database, and has it delete the table; the bytes freed."""
    if each.folder is None:
        raise FindingError("no file of them is known")
    folder = Path(each.folder)
    found = manifest.load(folder)
    proved = []
    for path, sha, digest in archives.files_of_year(context.connection, each.folder, each.year):
        entry = found.entries.get(path)
        if entry is None or files.sha256(folder / path) != sha:
            raise FindingError(f"{folder / path} is not the file that was verified")
        if table.digest(files.read(folder / path, entry.piece, former=entry.former)) != digest:
            raise FindingError(f"{folder / path} does not hold the values that were exported")
        proved.append((path, sha))
    now = context.clock.now()
    archives.verified(context.connection, each.folder, proved, now)
    return archives.drop(context.connection, each.year, each.folder, now)


def plan(rows: dict[str, int], years: list[Detached], ripe: list[Detached]) -> str:
    """What would go, and what is too young."""
    lines = [f"{what}: {count:,} rows older than {retention.DAYS[what]} days" for what, count in rows.items()]
    for each in years:
        what = f"detached bars of {each.year}: {each.bytes / 1e6:.1f} MB"
        if each in ripe:
            lines.append(f"{what}, once every file in {each.folder} is proved again" if each.folder else f"{what}: no file is known, they stay")
        elif each.since is not None:
            lines.append(f"{what}, not before {each.since + timedelta(days=DETACHED_DAYS):%Y-%m-%d}")
    return "\n".join(lines) or "nothing has served its time"
