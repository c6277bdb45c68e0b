"""bin/pause and bin/resume: no job starts, for so long; what runs goes on to its end."""

from __future__ import annotations

import getpass
from datetime import timedelta

from scizor.base import pausing
from scizor.base.exit import Exit
from scizor.base.pausing import Pause
from scizor.base.progress import progress
from scizor.jobs import idle
from scizor.run.context import Context, Result

WAIT_MOST = timedelta(minutes=30)
POLL_SECONDS = 2.0


def run(context: Context) -> Result:
    now, args = context.clock.now(), context.args
    state = context.paths.state
    if args.dry_run:
        found = pausing.read(state, now)
        return Result(found.told if found else "not paused")
    length = pausing.duration(args.length)
    pause = Pause(now, now + length, getpass.getuser(), " ".join(args.reason.split())[: pausing.REASON_MAX])
    pausing.write(state, pause)
    context.log.info("%s, by %s", pause.told, pause.by)
    running = idle.busy(context.paths.locks)
    limit = now + WAIT_MOST
    with progress("waiting for jobs", max(len(running), 1), is_wanted=None if args.wait else False) as bar:
        while args.wait and running and context.clock.now() < limit and not context.stop.is_asked:
            bar(0, text=", ".join(running))
            context.clock.pause(POLL_SECONDS)
            running = idle.busy(context.paths.locks)
    if not running:
        return Result(f"{pause.told}; no job runs")
    still = f"still running: {', '.join(running)}"
    if args.wait:
        return Result(f"{pause.told}; {still} after {WAIT_MOST.seconds // 60} minutes", Exit.BUSY, hint="kill PID asks it to finish the window in hand and end")
    return Result(f"{pause.told}; {still}")


def resume(context: Context) -> Result:
    """Jobs start again, at their next minute; what was missed they make up by themselves."""
    was = pausing.read(context.paths.state, context.clock.now())
    pausing.end(context.paths.state)
    return Result("jobs start again; what was missed is made up" if was else "nothing was paused", was_idle=was is None)
