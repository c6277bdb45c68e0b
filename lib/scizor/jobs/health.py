"""bin/health: the checks, every minute: what was seen is stored for psql, key figures with it, and findings become alerts.

Must end within twenty seconds whatever hangs, and must speak when the database is what is down: three steps, each with a limit of
its own (look, store, tell), and none depends on the one before. It asks for no database of the runner, which would wait for it.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from scizor.base import lock
from scizor.base.clock import RunningClock
from scizor.base.errors import ConfigurationError, ScizorError
from scizor.base.masking import mask
from scizor.base.protocols import Finding, Severity
from scizor.base.version import boot_id, code_version
from scizor.ib.pulse import Pulse as GatewaySeen
from scizor.jobs.checks import kpi, table
from scizor.jobs.checks.look import Look, look, within
from scizor.jobs.checks.words import Line, Remark, Status
from scizor.run import alerting, outbox
from scizor.run.context import Context, Result

STORE_SECONDS, TELL_SECONDS, MAIL_SECONDS = 4.0, 5.0, 2.0  # after ten at most for the look
STEP = {Severity.CRITICAL: Severity.HIGH, Severity.HIGH: Severity.MEDIUM, Severity.MEDIUM: Severity.LOW, Severity.LOW: Severity.LOW}


def run(context: Context) -> Result:
    """One at a time, but where locks cannot be had at all: that is one of the faults that it must tell of."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(lock.hold(context.paths.locks, context.name, {"pid": os.getpid(), "run": context.run_id[:8], "since": context.clock.now()}))
        except ConfigurationError as problem:
            context.log.error("%s", problem)
        return _run(context)


def _run(context: Context) -> Result:
    seen = look(context, table.TABLE, with_kpis=True)
    found = findings(seen.lines)
    if seen.is_database_there:
        stored = within(STORE_SECONDS, lambda: store(context, seen))
        _log(context, "store", stored)
        if not isinstance(stored, list):
            found.append(_not_stored(stored))
    told = within(TELL_SECONDS, lambda: _tell(context, found, is_database_there=seen.is_database_there))
    _log(context, "tell", told)
    for each in seen.lines:
        if each.status is not Status.OK:
            context.log.warning("%s %s: %s", each.check.name, each.status.name, each.value)
    bad = sum(each.status is not Status.OK for each in seen.lines)
    return Result(f"{len(seen.lines)} checks, {bad} of them not well", was_idle=True)


def _tell(context: Context, found: Sequence[Finding], *, is_database_there: bool) -> list[str]:
    """Findings become alerts and are told; and so is what a job's own failure mail still waits for."""
    mail = replace(context.config.mail, timeout_seconds=min(context.config.mail.timeout_seconds, MAIL_SECONDS))
    return [
        *alerting.note(context, found, is_database_there=is_database_there),
        *alerting.drain(context, is_database_there=is_database_there),
        *outbox.deliver(replace(context.config, mail=mail), context.paths, context.clock),
    ]


def _log(context: Context, what: str, found: Any) -> None:
    if found is None:
        context.log.error("%s: no end within its limit", what)
    elif isinstance(found, Exception):
        context.log.error("%s: %s", what, found)
    else:
        for sentence in found:
            context.log.info("%s", sentence)


def findings(lines: Sequence[Line]) -> list[Finding]:
    """What a person must hear: each remark of each check. A warning is a step below the check's severity. Unknown is a warning; what could
    only not be asked because the database is down is silent, for that is told already."""
    is_down = any(each.check.name == "database" and each.status is Status.CRITICAL for each in lines)
    found = []
    for line in lines:
        is_follower = is_down and (line.check.query or line.check.name == "schema")
        for remark in () if is_follower else line.remarks:
            found.append(_finding(line, remark))
    return found


def _not_stored(problem: object) -> Finding:
    """The database is read and takes nothing: a server that is full, or read-only. v_health is old then, and must not look well."""
    text = problem.message if isinstance(problem, ScizorError) else str(problem or f"no end within {STORE_SECONDS:.0f} s")
    hint = problem.hint if isinstance(problem, ScizorError) and problem.hint else "bin/psql -f sql/monitor/space.sql; bin/psql -c 'SELECT * FROM pg_stat_activity'"
    body = f"What bin/health saw could not be stored: {text}.\nv_health and the key figures are as old as the last time it could."
    return Finding("store", "", Severity.CRITICAL, mask(f"store: the database takes no writes: {text}")[:200], mask(body), hint, {"check": "store"})


def _finding(line: Line, remark: Remark) -> Finding:
    severity = line.check.severity if remark.status is Status.CRITICAL else STEP[line.check.severity]
    since = f"Since {remark.since:%Y-%m-%d %H:%M} UTC.\n" if remark.since else ""
    body = f"{remark.text}.\n{since}Wanted: {line.check.threshold or 'known'}.\nbin/check --only {line.check.name} looks again."
    labels = {"check": line.check.name, "status": remark.status.name.lower()}
    return Finding(line.check.name, remark.scope, severity, mask(f"{line.check.name}: {remark.text}")[:200], mask(body), remark.hint or line.check.hint, labels)


def store(context: Context, seen: Look) -> list[str]:
    """Checks, key figures, limits and latencies into the database; and the row that says that this job ran."""
    from scizor.db import health, runs
    from scizor.run.servers import database_server

    now, wall, config = seen.moment.now, RunningClock(), context.config
    rows = [
        health.Seen(each.check.name, each.status.name.lower(), mask(each.value), each.check.threshold, each.hint if each.status is not Status.OK else "", each.since)
        for each in seen.lines
    ]  # fmt: skip
    with database_server(config) as server, health.writing(server, context.name) as connection:
        row = runs.start(connection, job=context.name, scope="", place=_place(context), now=now)
        before = wall.now()
        health.store_checks(connection, rows, now)
        write_ms = (wall.now() - before).total_seconds() * 1000
        kpis = [*kpi.measure(seen.facts, seen.moment), kpi.kpi("database_write", write_ms)]
        health.store_kpis(connection, kpis, now)
        settings = {"pacing_requests_max": config.pacing.requests_max, "pacing_window_seconds": config.pacing.window_seconds, "pacing_open_max": config.pacing.open_max}
        health.store_limits(connection, kpi.LIMITS, settings, now)
        hour = now.replace(minute=0, second=0, microsecond=0)
        health.store_latency(connection, "database_write", hour, lambda old: kpi.added(old, [write_ms]))
        gateway = seen.facts.get("gateway")
        if isinstance(gateway, GatewaySeen):
            health.store_latency(connection, "gateway_answer", hour, lambda old: kpi.added(old, [gateway.answered_ms]))
        _note_gateway(context, connection, seen, now)
        counts = runs.Counts(targets=len(rows), succeeded=sum(each.status == "ok" for each in rows), failed=sum(each.status != "ok" for each in rows))
        runs.finish(connection, row, now, outcome="nothing-due", exit_status=0, counts=counts)
    return []


def _note_gateway(context: Context, connection: Any, seen: Look, now: datetime) -> None:
    """A row in connection_events when the Gateway goes or comes back: uptime is counted from them."""
    from scizor.db import health

    found = seen.facts.get("gateway")
    if found is None:
        return
    is_up = isinstance(found, GatewaySeen) and found.is_upstream
    events = seen.facts.get("check_connection")
    last = next((event for _, event, _, _ in events if event in ("gateway-up", "gateway-down")), "gateway-up") if isinstance(events, list) else ""
    if last and (last == "gateway-up") != is_up:
        text = found.message if isinstance(found, ScizorError) else "answers" if is_up else "has lost IB"
        health.store_event(connection, now, "gateway-up" if is_up else "gateway-down", context.config.gateway.client_id_last, mask(text))


def _place(context: Context) -> Any:
    from scizor.db import runs

    return runs.Place(
        host=socket.gethostname(), pid=os.getpid(), boot_id=boot_id(), code_version=code_version(context.paths.root),
        log_id=context.run_id[:8], arguments=sys.argv[1:],
    )  # fmt: skip
