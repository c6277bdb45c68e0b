"""The one way in for every script: configuration, lock, log, database, mode, run row, deadline, mail, exit status.

Silent on success unless a person watches. On failure at most 40 lines: what, which symbol and window, a hint, where the
log is, and how to run it again. This is the only place where any exception at all is caught: what is not a ScizorError
is a bug, gets its traceback into the log, and ends with 1.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import shlex
import socket
import sys
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from scizor.base import config as configuration
from scizor.base import lock, log, pausing
from scizor.base.config import Config
from scizor.base.errors import BusyError, ScizorError
from scizor.base.exit import Exit
from scizor.base.masking import mask
from scizor.base.version import boot_id, code_version
from scizor.run import ping
from scizor.run.context import Context, Result
from scizor.run.script import Needs
from scizor.run.stop import Stop, beating, listening

LINES_MAX = 40
HEARTBEAT_SECONDS = 30.0
PATIENCE_SECONDS = 20.0  # for a server that is just starting


def run(job: Callable[[Context], Result], args: argparse.Namespace, *, name: str, needs: Needs, scope: str) -> Exit:
    """Runs the job and returns its exit status; everything that a person must read is printed."""
    os.umask(0o077)
    try:
        config = load(args, needs)
    except ScizorError as failure:
        print(mask(f"{name}: {failure}"), file=sys.stderr)
        return failure.exit
    context = Context(
        name=name, scope=scope, run_id=uuid.uuid4().hex, args=args, config=config, clock=config.make_clock(),
        paths=config.make_paths(), log=logging.getLogger("scizor"), stop=Stop(),
    )  # fmt: skip
    verbose = getattr(args, "verbose", False)
    context.log = log.start(name, context.run_id, context.paths.logs, context.clock, verbose=verbose, debug=args.debug)
    if needs.pause and needs.row and needs.mail and (held := pausing.read(context.paths.state, context.clock.now())):
        context.log.info("%s", held.told)
        if verbose or args.debug or sys.stderr.isatty():
            print(f"{name}: {held.told}, nothing was done. HINT: bin/resume", file=sys.stderr)
        return Exit.DONE
    deadline = context.clock.wall_seconds(config.collect.deadline_minutes * 60.0) if needs.deadline else None
    in_hand = context.clock.wall_seconds(config.gateway.request_timeout_seconds)
    switch = ping.of(config.ping, name, context.run_id, context.log.warning) if needs.mail else None
    if switch:
        switch.start()
    try:
        with listening(context.stop, deadline, lambda: _forced(context, needs), in_hand_wall_seconds=in_hand):
            result = _guarded(job, context, needs)
    except ScizorError as failure:
        result = Result(failure.message, failure.exit, hint=failure.hint, kind=type(failure).__name__)
    except Exception as bug:
        context.log.critical("a bug", exc_info=bug)
        result = Result(f"{type(bug).__name__}: {bug}", Exit.UNEXPECTED, hint="the traceback is in the log", kind=type(bug).__name__)
    if context.stop.status is not None and result.status in (Exit.DONE, Exit.PARTIAL, Exit.BUSY):
        result.status = context.stop.status
    _tell(context, result, needs)
    if switch:
        switch.end(int(result.status))
    return result.status


def load(args: argparse.Namespace, needs: Needs) -> Config:
    """The configuration of this run; the defaults for a script that needs none."""
    if not needs.configuration and args.config is None and not configuration.default_file().exists():
        return Config()
    return configuration.load(args.config or configuration.default_file())


def _guarded(job: Callable[[Context], Result], context: Context, needs: Needs) -> Result:
    """The job behind everything that it needs, each a `with`."""
    with contextlib.ExitStack() as stack:
        if needs.lock:
            stack.enter_context(_lock(context))
        if needs.database:
            stack.enter_context(database(context, login=needs.login, schema=needs.schema))
        return recorded(job, context) if needs.row else job(context)


@contextlib.contextmanager
def _lock(context: Context) -> Iterator[None]:
    who = {
        "pid": os.getpid(), "run": context.run_id[:8], "since": context.clock.now().isoformat(timespec="seconds"),
        "host": socket.gethostname(),
    }  # fmt: skip
    wait = context.config.collect.deadline_minutes * 60.0 if getattr(context.args, "wait", False) else 0.0
    name = f"{context.name}.{context.scope}" if context.scope else context.name
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(
                lock.hold(context.paths.locks, name, who, wait_seconds=wait, clock=context.clock, is_cancelled=lambda: context.stop.is_asked)
            )
        except BusyError:
            if not sys.stderr.isatty():  # a person who tries is no schedule that waits behind itself
                lock.note_skip(context.paths.locks, name, context.clock.now())
            raise
        lock.forget_skips(context.paths.locks, name)
        yield


@contextlib.contextmanager
def database(context: Context, *, login: str = "collector", schema: bool = True) -> Iterator[None]:
    """The server (embedded: started), a connection as `login`, the schema and the mode as they must be."""
    from scizor.db import migrate
    from scizor.db.connect import check_clock, check_mode, connect
    from scizor.db.retry import Link, explained
    from scizor.run.servers import database_server

    with database_server(context.config) as server, explained(server):
        context.server = server
        open_one = partial(
            connect, server, application=context.name, owner=login == "owner", clock=context.clock, patience_seconds=PATIENCE_SECONDS
        )
        with contextlib.closing(Link(open_one, context.clock)) as link:
            context.link = link
            if schema:
                migrate.check(link.connection)
            check_clock(link.connection, context.clock)  # before the first write, which is the stamp
            if schema:
                check_mode(link.connection, context.config.mode, context.clock)
            yield
    context.link = None


OUTCOMES = {
    Exit.DONE: "done", Exit.PARTIAL: "partial", Exit.FINDING: "finding", Exit.DEADLINE: "deadline",
    Exit.INTERRUPTED: "interrupted", Exit.TERMINATED: "interrupted",
}  # fmt: skip


def recorded(job: Callable[[Context], Result], context: Context) -> Result:
    """The job with its row: started, beating, and closed however it ends."""
    from scizor.db import runs
    from scizor.db.connect import connect
    from scizor.db.retry import explained

    place = runs.Place(
        host=socket.gethostname(), pid=os.getpid(), boot_id=boot_id(), code_version=code_version(context.paths.root),
        log_id=context.run_id[:8], arguments=sys.argv[1:],
    )  # fmt: skip
    row = context.row = runs.start(context.connection, job=context.name, scope=context.scope, place=place, now=context.clock.now())
    server = context.server
    assert server is not None

    def beat() -> None:
        # A connection of its own: the job's may be in the middle of a transaction.
        with explained(server), connect(server, application=context.name) as connection:
            runs.heartbeat(connection, row, context.clock.now())

    failure: ScizorError | None = None
    result = Result("killed by a bug", Exit.UNEXPECTED)
    try:
        with beating(beat, HEARTBEAT_SECONDS, context.log):
            result = job(context)
    except ScizorError as problem:
        failure = problem
        result = Result(problem.message, problem.exit)
        raise
    finally:
        status = context.stop.status if context.stop.status and result.status in (Exit.DONE, Exit.PARTIAL) else result.status
        outcome = "nothing-due" if result.was_idle and status is Exit.DONE else OUTCOMES.get(status, "failed")
        finish = partial(
            runs.finish, run=row, now=context.clock.now(), outcome=outcome, exit_status=int(status),
            counts=runs.Counts(**result.counts), error_class=type(failure).__name__ if failure else None,
            error_message=None if status is Exit.DONE else mask(result.summary),
        )  # fmt: skip
        try:
            context.transact(finish)
        except ScizorError as problem:
            context.log.error("the row of this run stays open, the next run closes it: %s", problem)
            if failure is None:
                raise
    return result


def _tell(context: Context, result: Result, needs: Needs) -> None:
    """Log, mail, and what a person reads."""
    level = "info" if result.status is Exit.DONE else "error"
    getattr(context.log, level)("ended with %d (%s): %s", result.status, result.status.name.lower(), result.summary)
    for line in result.failures:
        context.log.error("%s", line)
    if result.status is Exit.BUSY:
        # Being busy is information: cron must not mail it, a person must see it.
        if sys.stderr.isatty() or context.args.debug or getattr(context.args, "verbose", False):
            print(f"{context.name}: {result.summary}. HINT: {result.hint}", file=sys.stderr)
        return
    text = failure_text(context, result)
    if result.status is not Exit.DONE:
        print(text, file=sys.stderr)
    elif result.summary and sys.stdout.isatty():
        print(result.summary)
    if needs.mail:
        _mail(context, result, text)


def failure_text(context: Context, result: Result) -> str:
    """At most 40 lines: what happened, to what, what to do, where the log is, how to run it again. Accounts and passwords
    that a vendor or a driver quotes are masked."""
    lines = [f"{context.name}: {result.summary}"]
    tail = [f"HINT: {result.hint}"] if result.hint else []
    tail.append(f"log: {context.paths.logs / (context.name + '.log')} (run {context.run_id[:8]})")
    if result.status is not Exit.USAGE:  # the same words would only be refused again
        tail.append(f"again: {_command_line()}")
    room = LINES_MAX - len(lines) - len(tail)
    shown = result.failures if len(result.failures) <= room else result.failures[: room - 1]
    lines += [f"  {line}" for line in shown]
    if len(shown) < len(result.failures):
        lines.append(f"  … and {len(result.failures) - len(shown)} more, in the log")
    return mask("\n".join(lines + tail))


def _command_line() -> str:
    return shlex.join([str(Path(sys.argv[0]).resolve()), *sys.argv[1:]])


def _mail(context: Context, result: Result, text: str) -> None:
    """A failure at once, after an hour, then daily, then "recovered": decided from a file, for PostgreSQL may be what
    failed."""
    from scizor.run import outbox

    event: outbox.Failure | outbox.Success
    if result.status is Exit.DONE:
        event = outbox.Success(context.name, context.scope, is_idle=result.was_idle or result.leaves_failures)
    else:
        event = outbox.Failure(context.name, context.scope, int(result.status), result.kind, result.summary, text)
    # What is decided on stands in the database too, if it was reached at all.
    note = partial(outbox.in_database, context.config, context.name) if context.server else None
    for sentence in outbox.report(context.config, context.paths, context.clock, event, note=note):
        context.log.info("%s", sentence)


def _forced(context: Context, needs: Needs) -> None:
    """The job hangs and is about to be ended by force: a person must hear of it, and the log too."""
    result = Result("hung past its deadline and was ended by force", Exit.DEADLINE, hint="see the end of the log", kind="hung")
    context.log.critical("%s", result.summary)
    if needs.mail:
        _mail(context, result, failure_text(context, result))
