"""The pacing ledger: one budget, decided under one lock, and a dead process is noticed, not guessed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from scizor.base.clock import StoppedClock
from scizor.base.config import DatabaseConfig
from scizor.base.paths import ROOT
from scizor.base.protocols import Grant, PacingRequest, PacingRule
from scizor.db.connect import connect
from scizor.db.ledger import PostgresLedger
from tests.db.conftest import NOW, Connection

Rows = Callable[..., list[tuple[Any, ...]]]


def at_once(history: Sequence[PacingRequest], request: PacingRequest, now: datetime) -> datetime:
    return now


def at_most(limit: int) -> Callable[[Sequence[PacingRequest], PacingRequest, datetime], datetime]:
    """A rule as simple as can be: so many in ten minutes; what is unanswered counts as now."""

    def decide(history: Sequence[PacingRequest], request: PacingRequest, now: datetime) -> datetime:
        return now if len(history) < limit else now + timedelta(seconds=1)

    return decide


def wanted(number: int = 0, rule: PacingRule = PacingRule.HARD) -> PacingRequest:
    return PacingRequest(f"key{number}", f"contract{number}", rule)


@pytest.fixture
def ledger(database_config: DatabaseConfig, clock: StoppedClock) -> Iterator[PostgresLedger]:
    made = PostgresLedger(lambda: connect(database_config, application="ledger"), clock)
    yield made
    made.close()


def granted(found: Grant | datetime) -> Grant:
    assert isinstance(found, Grant)
    return found


def test_a_reservation_counts_from_its_answer_and_occupies_a_slot_until_it_is_closed(
    ledger: PostgresLedger, clock: StoppedClock
) -> None:
    grant = granted(ledger.reserve(wanted(), at_once, clock.now()))
    (seen,) = ledger.history(clock.now())
    assert (seen.reserved_at, seen.counted_at, seen.is_open) == (clock.now(), None, True)
    clock.move(5)
    ledger.answered(grant, clock.now())
    clock.move(5)
    ledger.closed(grant, clock.now())
    (seen,) = ledger.history(clock.now())
    assert (seen.counted_at, seen.is_open) == (clock.now() - timedelta(seconds=5), False)
    assert ledger.history(clock.now() + timedelta(seconds=600)) == []


def test_what_must_wait_is_told_until_when_and_leaves_no_row(ledger: PostgresLedger, clock: StoppedClock, rows: Rows) -> None:
    for number in range(3):
        granted(ledger.reserve(wanted(number), at_most(3), clock.now()))
    assert ledger.reserve(wanted(3), at_most(3), clock.now()) == clock.now() + timedelta(seconds=1)
    assert rows("SELECT count(*) FROM pacing_requests") == [(3,)]


def test_soft_requests_are_forgotten_sooner_and_open_ones_never(ledger: PostgresLedger, clock: StoppedClock) -> None:
    first = granted(ledger.reserve(wanted(0, PacingRule.SOFT), at_once, clock.now()))
    second = granted(ledger.reserve(wanted(1, PacingRule.SOFT), at_once, clock.now()))
    ledger.closed(first, clock.now())
    ledger.answered(second, clock.now())
    clock.move(3600)
    assert [each.key for each in ledger.history(clock.now())] == ["key1"]


HOLD = """
import sys, time
from dataclasses import replace
from datetime import datetime, UTC
from scizor.base.clock import StoppedClock
from scizor.base.config import DatabaseConfig
from scizor.base.protocols import PacingRequest, PacingRule
from scizor.db.connect import connect
from scizor.db.ledger import PostgresLedger
host, port, name, stamp = sys.argv[1:5]
config = replace(DatabaseConfig(), host=host, port=int(port), name=name)
now = datetime.fromisoformat(stamp)
ledger = PostgresLedger(lambda: connect(config, application="hold"), StoppedClock(now))
for number in range(4):
    grant = ledger.reserve(PacingRequest(f"other{number}", "c", PacingRule.HARD), lambda history, request, now: now, now)
    if number < 2:
        ledger.answered(grant, now)
print("held", flush=True)
time.sleep(60)
"""


def test_I21_a_process_that_was_killed_counts_when_it_is_noticed_and_only_then(
    ledger: PostgresLedger, clock: StoppedClock, database_config: DatabaseConfig, rows: Rows
) -> None:
    command = [sys.executable, "-c", HOLD, database_config.host, str(database_config.port), database_config.name, clock.now().isoformat()]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        clock.move(100)
        granted(ledger.reserve(wanted(), at_once, clock.now()))
        alive = [each for each in ledger.history(clock.now()) if each.key.startswith("other")]
        assert all(each.is_open for each in alive) and [each.counted_at for each in alive].count(None) == 2
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    deadline = time.monotonic() + 10
    while rows("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'scizor/hold'") != [(0,)]:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    clock.move(100)
    granted(ledger.reserve(wanted(1), at_once, clock.now()))
    dead = {each.key: each for each in ledger.history(clock.now()) if each.key.startswith("other")}
    assert not any(each.is_open for each in dead.values())
    start = clock.now() - timedelta(seconds=200)
    assert [dead[f"other{number}"].counted_at for number in range(4)] == [start, start, clock.now(), clock.now()]
    assert rows("SELECT count(*) FROM pacing_requests WHERE noticed_dead") == [(4,)]


def test_a_process_that_lost_its_connection_is_not_dead(
    ledger: PostgresLedger, clock: StoppedClock, database_config: DatabaseConfig, rows: Rows, superuser_of: Callable[[str], Connection]
) -> None:
    grant = granted(ledger.reserve(wanted(), at_once, clock.now()))
    with superuser_of("postgres") as superuser:
        superuser.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'scizor/ledger'")
    other = PostgresLedger(lambda: connect(database_config, application="other"), clock)
    granted(other.reserve(wanted(1), at_once, clock.now()))
    assert rows("SELECT noticed_dead FROM pacing_requests WHERE id = %s", grant.id) == [(True,)]
    clock.move(7)
    at = clock.now()
    ledger.answered(grant, at)  # on a new connection
    assert rows("SELECT noticed_dead, closed_at, counted_at FROM pacing_requests WHERE id = %s", grant.id) == [(False, None, at)]
    other.close()


def test_eight_processes_share_one_budget_exactly(database_config: DatabaseConfig, rows: Rows) -> None:
    program = HOLD.replace("for number in range(4):", "for number in range(50):").replace(
        "lambda history, request, now: now, now)",
        "lambda history, request, now: now if len(history) < 40 else datetime.max.replace(tzinfo=UTC), now)\n    if not hasattr(grant, 'id'): break",
    ).replace("if number < 2:", "if True:")
    arguments = [database_config.host, str(database_config.port), database_config.name, NOW.isoformat()]
    running = [subprocess.Popen([sys.executable, "-c", program, *arguments], stdout=subprocess.PIPE, text=True, cwd=ROOT) for _ in range(8)]
    try:
        for process in running:
            assert process.stdout is not None and process.stdout.readline() == "held\n"
        assert rows("SELECT count(*) FROM pacing_requests") == [(40,)]
    finally:
        for process in running:
            process.kill()
            process.communicate()


def test_what_is_a_week_old_is_pruned_and_the_last_day_never(ledger: PostgresLedger, clock: StoppedClock, rows: Rows) -> None:
    for number in range(4):
        ledger.closed(granted(ledger.reserve(wanted(number), at_once, clock.now())), clock.now())
        clock.move(4 * 86400)
    assert rows("SELECT prune_pacing_requests(%s)", clock.now() - timedelta(days=7)) == [(3,)]
    assert rows("SELECT prune_pacing_requests(%s)", clock.now() + timedelta(days=7000)) == [(0,)]
    assert rows("SELECT count(*) FROM pacing_requests") == [(1,)]
