"""kill -9 at any moment, a second run beside the first, SIGTERM: the next run goes on, and the end is the same."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from scizor.base.config import Config
from scizor.base.exit import Exit
from scizor.base.paths import ROOT
from tests.jobs.stage import Stage, stage

SYMBOLS = ("CBA", "BHP", "CSL", "WBC", "ANZ", "NAB", "WOW", "WES", "RIO", "MQG")
DIGEST = """
SELECT count(*), md5(string_agg(concat_ws('|', s.symbol, b."timestamp", b.open, b.high, b.low, b.close, b.volume, b.revision),
                                E'\\n' ORDER BY s.symbol, b."timestamp"))
FROM bars b JOIN symbols s ON s.id = b.symbol_id
"""


@pytest.fixture
def slow(config: Config, database: psycopg.Connection, tmp_path: Path) -> Iterator[Stage]:
    """A gateway that takes its time, so that there is something to be killed in."""
    with stage(config, database, tmp_path, service_seconds=0.15) as found:
        found.list_symbols(*SYMBOLS)
        yield found


def _start(there: Stage, *words: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(ROOT / "bin" / "collect-daily"), "--config", str(there.file), *words]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ})


def _digest(there: Stage) -> Any:
    return there.rows(DIGEST)[0]


def _kill_until_done(there: Stage, kills: int) -> int:
    """Kills run after run at random moments, then lets one end. Returns how many were really killed. Prints its seed."""
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    dice, killed = random.Random(seed), 0
    for _ in range(kills):
        run = _start(there)
        try:
            run.wait(dice.uniform(0.2, 1.6))
        except subprocess.TimeoutExpired:
            run.send_signal(signal.SIGKILL)
            run.wait()
            killed += 1
    assert _start(there).wait(120) == Exit.DONE
    return killed


def test_I4_runs_killed_at_random_moments_end_where_an_undisturbed_run_ends(
    slow: Stage, config: Config, database: psycopg.Connection, tmp_path: Path
) -> None:
    assert _kill_until_done(slow, 6) >= 2
    bars, digest = _digest(slow)
    assert bars > len(SYMBOLS) * 19 * 250
    assert slow.rows("SELECT count(*) FROM bars_history") == [(0,)]
    assert slow.rows("SELECT count(DISTINCT (symbol_id, timeframe, origin, \"timestamp\")) FROM bars") == [(bars,)]
    assert slow.rows("SELECT count(*) FROM coverage_gaps WHERE resolved_at IS NULL AND NOT is_explained") == [(0,)]
    assert slow.rows("SELECT outcome FROM job_runs WHERE outcome = 'running'") == []
    # the same answers asked for once more, undisturbed: nothing changes, not one row
    slow.database.execute("DELETE FROM coverage_gaps")
    slow.database.execute("UPDATE coverage SET complete = '{}'")
    assert slow.run("collect-daily") is Exit.DONE
    assert _digest(slow) == (bars, digest)
    assert slow.rows("SELECT sum(stored), sum(revised) FROM collection_logs WHERE run_id = (SELECT max(id) FROM job_runs)") == [(0, 0)]


@pytest.mark.exhaustive
def test_I4_two_hundred_kills(slow: Stage) -> None:
    for _ in range(20):
        slow.database.execute("DELETE FROM coverage_gaps")
        slow.database.execute("UPDATE coverage SET complete = '{}'")
        _kill_until_done(slow, 10)
    assert slow.rows("SELECT count(*) FROM bars_history") == [(0,)]


def test_I29_sigterm_stores_the_windows_in_hand_and_ends_with_143_within_ten_seconds(slow: Stage) -> None:
    run = _start(slow)
    for _ in range(400):
        if slow.rows("SELECT count(*) FROM collection_logs WHERE outcome = 'ok'") != [(0,)]:
            break
        time.sleep(0.01)
    begun = time.monotonic()
    run.send_signal(signal.SIGTERM)
    assert run.wait(30) == Exit.TERMINATED
    assert time.monotonic() - begun < 10
    assert slow.rows("SELECT count(*) FROM collection_logs WHERE outcome <> 'ok'") == [(0,)]
    asked, stored = len(slow.requests()), slow.rows("SELECT count(*) FROM collection_logs")[0][0]
    assert asked == stored  # what was sent was waited for and stored
    assert slow.rows("SELECT outcome, exit_status FROM job_runs") == [("interrupted", 143)]
    assert _start(slow).wait(120) == Exit.DONE
    assert slow.rows("SELECT count(DISTINCT symbol_id) FROM bars") == [(len(SYMBOLS),)]


def test_two_scopes_side_by_side_share_one_budget_and_store_everything_once(slow: Stage) -> None:
    slow.database.execute("UPDATE symbols SET priority = 1 WHERE symbol = ANY(%s)", [list(SYMBOLS[:5])])
    runs = [_start(slow, "--priority-only"), _start(slow, "--low-priority")]
    assert [run.wait(120) for run in runs] == [Exit.DONE, Exit.DONE]
    assert slow.rows("SELECT count(DISTINCT symbol_id) FROM bars") == [(len(SYMBOLS),)]
    assert len(slow.requests()) == len(SYMBOLS)
    # the second to come is told that the first client id is taken, and takes the next; no limit was touched
    assert set(slow.gateway.violations) <= {"client-id"}
