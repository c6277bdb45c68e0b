"""bin/make-partitions: the yearly partitions of bars, ahead of the years."""

from __future__ import annotations

from datetime import timedelta

from scizor.base.errors import UsageError
from scizor.base.exit import Exit
from scizor.db import migrate
from scizor.run.context import Context, Result

NEEDED_WITHIN = timedelta(days=30)
EARLIEST, LATEST = 1900, 2150  # what the database's function takes


def run(context: Context) -> Result:
    now, args = context.clock.now(), context.args
    first, last = args.first or now.year, now.year + args.years_ahead
    if not EARLIEST <= first <= last <= LATEST:
        raise UsageError(f"years {first} to {last} are out of reach: {EARLIEST} to {LATEST}, and --from not after the last")
    missing = sorted(set(range(first, last + 1)) - migrate.partition_years(context.connection))
    if args.dry_run:
        print("missing: " + ", ".join(map(str, missing)) if missing else "nothing is missing")
        urgent = [year for year in missing if now.year <= year <= (now + NEEDED_WITHIN).year]
        if urgent:
            return Result(f"bars of {urgent[0]} have no partition", Exit.FINDING, hint="bin/make-partitions", kind="partition")
        return Result(was_idle=True)
    made = migrate.make_partitions(context.connection, first, last) if missing else 0
    return Result(f"{made} made: {', '.join(map(str, missing))}" if made else "nothing is missing", was_idle=not made)
