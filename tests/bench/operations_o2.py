"""O2: alerts through a real relay and a real webhook: how soon, how many in a storm, and what stays open after recovery.

How soon: a finding comes up, and bin/health's two steps (note, drain) run as they do every minute; measured from the instant at which it
was handed over to the instant at which the sink took it. The minute between two runs belongs to O1. The storm: 10,000 findings in ten
runs, all new; messages that each sink took. Planted: the same findings with one message each, as a job that mails for itself would.
Unresolved: open rows once the storm is over; planted: the same count before it is.
"""

from __future__ import annotations

import argparse
import logging
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scizor.base import service
from scizor.base.clock import StoppedClock
from scizor.base.config import Config
from scizor.base.paths import ROOT
from scizor.base.protocols import Finding, Severity
from scizor.db import migrate
from scizor.db.connect import connect
from scizor.db.embedded import PORT, SUPERUSER, embedded
from scizor.run import alerting
from scizor.run.context import Context
from scizor.run.stop import Stop
from tests.relay import relay
from tests.sink import sink

EVENTS, RUNS, TIMES = 10_000, 10, 200


def figures(report: Callable[[str], None], events: int = EVENTS, times: int = TIMES) -> list[dict[str, Any]]:
    import psycopg

    server = embedded(ROOT / "var" / "tests")
    with service.use(server.service), tempfile.TemporaryDirectory() as place, relay() as mails, sink() as hook:
        name = f"bench_alerts_{os.getpid()}"
        with psycopg.connect(host=str(server.socket_directory), port=PORT, user=SUPERUSER, dbname="postgres", autocommit=True) as superuser:
            superuser.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
            superuser.execute(f'CREATE DATABASE "{name}"')
            try:
                with psycopg.connect(host=str(server.socket_directory), port=PORT, user=SUPERUSER, dbname=name, autocommit=True) as fresh:
                    migrate.apply(fresh, datetime(2025, 1, 15, tzinfo=UTC))
                default = Config()
                config = replace(
                    default, mode="replay", mail=mails.config(), paths=replace(default.paths, state=place, logs=place),
                    database=replace(default.database, host=str(server.socket_directory), port=PORT, name=name),
                    alert=replace(default.alert, webhook_file=hook.url_file(Path(place))),
                )  # fmt: skip
                return _measure(report, config, mails, hook, events, times)
            finally:
                superuser.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def _measure(report: Callable[[str], None], config: Config, mails: Any, hook: Any, events: int, times: int) -> list[dict[str, Any]]:
    clock = StoppedClock(datetime(2025, 1, 15, 6, 30, tzinfo=UTC))
    context = Context(
        name="health", scope="", run_id="0" * 32, args=argparse.Namespace(), config=config, clock=clock, paths=config.make_paths(),
        log=logging.getLogger("bench"), stop=Stop(),
    )  # fmt: skip
    seconds = []
    for number in range(times):
        before = len(mails.mails), len(hook.bodies)
        began = time.perf_counter()
        alerting.note(context, [_finding(f"one/{number}")])
        alerting.drain(context)
        seconds.append(time.perf_counter() - began)
        assert (len(mails.mails), len(hook.bodies)) == (before[0] + 1, before[1] + 1), "told once, by both"
        clock.move(2 * 3600)  # out of reach of the hour's limit; the recovery of the one before comes along
    soon = sorted(seconds)[max(0, int(len(seconds) * 0.99) - 1)]
    report(f"{times} alerts, from handed over to taken by both sinks: median {statistics.median(seconds) * 1000:.0f} ms, p99 {soon * 1000:.0f} ms, most {max(seconds):.2f} s")

    alerting.note(context, [])
    clock.move(2 * 3600)
    alerting.drain(context)
    clock.move(2 * 3600)
    mails.mails.clear()
    hook.bodies.clear()
    ill: list[Finding] = []
    began = time.perf_counter()
    for run in range(RUNS):
        ill += [_finding(f"storm/{run}/{number}") for number in range(events // RUNS)]
        alerting.note(context, ill)
        alerting.drain(context)
        clock.move(60)
    took = time.perf_counter() - began
    messages = max(len(mails.mails), len(hook.bodies))
    with connect(config.database, application="bench") as connection:
        planted = _open(connection)
        alerting.note(context, [])
        unresolved = _open(connection)
    clock.move(3600)
    alerting.drain(context)
    report(f"a storm of {len(ill):,} findings in {RUNS} runs: {len(mails.mails)} mails, {len(hook.bodies)} to the webhook at the end of the hour; {took:.1f} s for all; {planted:,} open in it, {unresolved} after it")
    return [
        {"id": "O2", "name": "alert delivered after it was noticed, p99", "value": round(soon, 3), "unit": "s", "op": "<=", "bar": 60, "n": times,
         "min": round(min(seconds), 3), "median": round(statistics.median(seconds), 3), "rival": "real SMTP and webhook"},
        {"id": "O2", "name": f"messages a channel in a storm of {events:,}", "value": messages, "unit": "", "op": "<=", "bar": 3, "n": events, "planted": len(ill),
         "rival": "one message each"},
        {"id": "O2", "name": "alerts left unresolved after recovery", "value": unresolved, "unit": "", "op": "==", "bar": 0, "n": events, "planted": planted,
         "rival": "before it"},
    ]  # fmt: skip


def _finding(scope: str) -> Finding:
    return Finding("disk", scope, Severity.HIGH, f"{scope} is full", "since a minute", "bin/check --only disk", {})


def _open(connection: Any) -> int:
    ((count,),) = connection.execute("SELECT count(*) FROM alerts WHERE resolved_at IS NULL").fetchall()
    return int(count)


if __name__ == "__main__":
    for figure in figures(print):
        print(figure)
