"""Runs checks: every reader in a thread of its own with its own limit, the queries one after the other over one connection that
cannot write. What gets no answer in time is unknown and holds nobody up; a thread that hangs is left behind, and ends with the process.

Judged is at the end, all at one moment, when every fact is there.
"""

from __future__ import annotations

import logging
import subprocess
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from scizor.base import lock
from scizor.base.clock import RunningClock
from scizor.base.errors import ScizorError
from scizor.jobs.checks import host, kpi
from scizor.jobs.checks.words import Check, Line, Moment, Status, line_of, unseen, worst
from scizor.run.context import Context

_log = logging.getLogger("scizor.checks")

#: What a mistake in one check may raise: it must not silence the others, and it is told as what it is.
BUGS = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
DATABASE_SECONDS = 8.0  # for all of its queries; each is cut by the server after two


@dataclass(slots=True)
class Look:
    """What was seen. facts: by query or name of a check. is_database_there: it was reached."""

    lines: list[Line]
    facts: dict[str, Any]
    moment: Moment
    is_database_there: bool

    @property
    def status(self) -> Status:
        return worst([each.status for each in self.lines])


def moment_of(context: Context) -> Moment:
    return Moment(context.clock.now(), RunningClock().now(), context.config, context.paths, context.clock, asked_by=context.name)


def look(context: Context, checks: Sequence[Check], *, with_kpis: bool = False) -> Look:
    """Looks at all of them, within ten seconds whatever hangs."""
    wall = RunningClock()
    begun, moment = wall.now(), moment_of(context)
    facts: dict[str, Any] = {}
    threads = _readers(checks, moment, facts)
    needs_database = any(each.query or each.read is None for each in checks)
    if needs_database:
        queries = list(dict.fromkeys([each.query for each in checks if each.query] + (list(kpi.QUERIES) if with_kpis else [])))
        threads.append((_started("database", lambda: _ask(context, moment, queries, facts)), DATABASE_SECONDS))
    for thread, limit in threads:
        thread.join(max(0.0, limit - (wall.now() - begun).total_seconds()))
    seen = dict(facts)  # whoever is late from here on is too late
    earlier = {name: (status, since) for name, status, since in _rows(seen.get("health_before"))}
    moment = replace(moment, earlier=earlier, is_paused=_is_paused(moment), held=lock.last_held(moment.paths.locks))
    lines = [_line(each, seen, moment) for each in checks]
    return Look(lines, seen, moment, not needs_database or isinstance(seen.get("database"), float))


def _readers(checks: Sequence[Check], moment: Moment, facts: dict[str, Any]) -> list[tuple[threading.Thread, float]]:
    """A thread for each reader; checks that share one share its facts."""
    by_reader: dict[Callable[[Moment], Any], list[Check]] = {}
    for each in checks:
        if each.read is not None:
            by_reader.setdefault(each.read, []).append(each)

    def work(read: Callable[[Moment], Any], names: list[str]) -> None:
        try:
            found = read(moment)
        except (ScizorError, OSError, subprocess.SubprocessError, *BUGS) as problem:
            found = problem
        facts.update(dict.fromkeys(names, found))

    return [
        (_started(mine[0].name, partial(work, read, [each.name for each in mine])), max(each.limit_seconds for each in mine))
        for read, mine in by_reader.items()
    ]


def _started(name: str, work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work, name=f"check {name}", daemon=True)
    thread.start()
    return thread


def _ask(context: Context, moment: Moment, queries: Sequence[str], facts: dict[str, Any]) -> None:
    """Connects, and asks one query after the other; what the connection said stands under "database"."""
    from scizor.db import health
    from scizor.run.servers import database_server

    wall = RunningClock()
    values = {"now": moment.now, "window": moment.config.pacing.window_seconds}
    try:
        with database_server(context.config, is_made=False) as server:
            before = wall.now()
            with health.looking(server, context.name) as connection:
                facts["database"] = (wall.now() - before).total_seconds() * 1000
                facts["schema"] = health.schema(connection)
                facts["health_before"] = health.facts(connection, "health_before", {})
                for name in queries:
                    asked = wall.now()
                    found = health.facts(connection, name, values)
                    if name == "check_server" and not isinstance(found, ScizorError):
                        # between question and answer lies the instant that the server means
                        found = [(*row, asked + (wall.now() - asked) / 2) for row in found]
                    facts[name] = found
    except ScizorError as problem:
        facts.setdefault("database", problem)
        facts.setdefault("database_lost", problem)


def _line(check: Check, facts: dict[str, Any], moment: Moment) -> Line:
    key = check.query or check.name
    if key not in facts:
        if check.query or check.name == "schema":
            lost = facts.get("database")
            return unseen(check, "not asked: the database does not answer" if isinstance(lost, ScizorError) else "no answer in time")
        grave = check.name == "database"
        limit = DATABASE_SECONDS if grave else check.limit_seconds
        return unseen(check, f"no answer within {limit:.0f} s", status=Status.CRITICAL if grave else Status.UNKNOWN)
    found = facts[key]
    if isinstance(found, ScizorError) and check.name in ("database", "schema"):
        return unseen(check, found.message, found.hint, Status.CRITICAL)
    if isinstance(found, Exception) and (check.query or not isinstance(found, ScizorError)):
        return unseen(check, f"could not be looked at: {found.message if isinstance(found, ScizorError) else found}")
    try:
        return line_of(check, check.judge(found, moment), moment)
    except BUGS as bug:
        _log.error("a bug in the check %s", check.name, exc_info=bug)
        return unseen(check, f"the check itself failed: {type(bug).__name__}: {bug}", "its traceback is in the log")


def _rows(found: Any) -> list[tuple[Any, ...]]:
    return found if isinstance(found, list) else []


def _is_paused(moment: Moment) -> bool:
    try:
        return host.pause(moment) is not None
    except OSError:
        return False


def within(seconds: float, work: Callable[[], Any]) -> Any:
    """What work() returned, or the ScizorError or OSError that it raised; None if it took longer: it is left behind."""
    done: list[Any] = []

    def run() -> None:
        try:
            done.append(work())
        except (ScizorError, OSError) as problem:
            done.append(problem)

    _started("limited", run).join(seconds)
    return done[0] if done else None
