"""The one way in: exit statuses, silence, the row of a run, polite stops, and what a person reads."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from scizor.base.clock import RunningClock
from scizor.base.config import ClockConfig, Config
from scizor.base.errors import (
    BusyError,
    ConfigurationError,
    FindingError,
    NoSpaceError,
    PartialError,
    RefusedError,
    ScizorError,
    UnreachableError,
    UsageError,
)  # fmt: skip
from scizor.base.exit import Exit
from scizor.run import runner
from scizor.run.context import Context, Result
from scizor.run.script import Needs
from tests.relay import Relay
from tests.run.configured import write

Run = Callable[..., Exit]


def fast_clock(config: Config) -> ClockConfig:
    """A thousand times as fast, from now on."""
    now = RunningClock().now().isoformat()
    return replace(config.clock, origin=now, started=now, speed=1000.0)


@pytest.fixture
def run(config: Config, tmp_path: Path, database: psycopg.Connection) -> Run:
    """Runs a job through the runner, as a script would, on the test's database."""
    file = write(config, tmp_path / "scizor.toml")

    def call(job: Callable[[Context], Result], *, needs: Needs | None = None, scope: str = "", **words: object) -> Exit:
        args = argparse.Namespace(config=file, debug=False, verbose=False, **words)
        return runner.run(job, args, name="a-job", needs=needs or Needs(), scope=scope)

    return call


def test_I33_success_is_silent_and_leaves_a_row(
    run: Run, database: psycopg.Connection, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(lambda context: Result("three bars", counts={"targets": 1, "succeeded": 1, "rows_stored": 3})) is Exit.DONE
    assert capfd.readouterr() == ("", "")
    row = database.execute("SELECT job, outcome, exit_status, targets, rows_stored, pid FROM job_runs").fetchall()
    assert row == [("a-job", "done", 0, 1, 3, os.getpid())]


def test_a_run_with_nothing_due_updates_one_row_a_day(run: Run, database: psycopg.Connection) -> None:
    for _ in range(3):
        assert run(lambda context: Result("nothing is due", was_idle=True)) is Exit.DONE
    assert database.execute("SELECT outcome, times FROM job_runs").fetchall() == [("nothing-due", 3)]


@pytest.mark.parametrize(
    ("kind", "status"),
    [(UsageError, 2), (PartialError, 3), (FindingError, 4), (UnreachableError, 69), (NoSpaceError, 73), (RefusedError, 77),
     (ConfigurationError, 78)],
)  # fmt: skip
def test_I33_each_failure_has_its_status_says_what_and_what_to_do(
    run: Run, database: psycopg.Connection, capfd: pytest.CaptureFixture[str], kind: type[ScizorError], status: int
) -> None:
    def job(context: Context) -> Result:
        raise kind("CBA 2025-01-15 went wrong", hint="try bin/something")

    assert run(job) == status
    out, err = capfd.readouterr()
    assert out == ""
    assert err.splitlines()[:2] == ["a-job: CBA 2025-01-15 went wrong", "HINT: try bin/something"]
    assert "log: " in err
    assert ("again: " in err) is (kind is not UsageError)  # the same words would only be refused again
    assert database.execute("SELECT outcome, exit_status, error_class FROM job_runs").fetchone() in [
        ("failed", status, kind.__name__), ("partial", status, kind.__name__), ("finding", status, kind.__name__),
    ]  # fmt: skip


def test_a_bug_ends_with_1_and_its_traceback_is_in_the_log(
    run: Run, config: Config, capfd: pytest.CaptureFixture[str]
) -> None:
    def job(context: Context) -> Result:
        raise KeyError("the bug")

    assert run(job) is Exit.UNEXPECTED
    assert "Traceback" not in capfd.readouterr().err
    assert "Traceback" in (config.make_paths().logs / "a-job.log").read_text()


def test_a_failure_speaks_at_most_forty_lines(run: Run, capfd: pytest.CaptureFixture[str]) -> None:
    lines = [f"timeout: SYM{number}" for number in range(300)]
    assert run(lambda context: Result("some failed", Exit.PARTIAL, failures=lines)) is Exit.PARTIAL
    said = capfd.readouterr().err.splitlines()
    assert len(said) <= 40
    assert any("more, in the log" in line for line in said)


def test_row_1_a_second_start_ends_with_75_and_is_silent(run: Run, capfd: pytest.CaptureFixture[str]) -> None:
    inner: list[Exit] = []

    def job(context: Context) -> Result:
        inner.append(run(lambda _: Result()))
        inner.append(run(lambda _: Result(), scope="another"))  # another scope may run beside it
        return Result()

    assert run(job) is Exit.DONE
    assert inner == [Exit.BUSY, Exit.DONE]
    assert capfd.readouterr() == ("", "")


def test_row_1_skips_of_the_schedule_are_noted_until_the_lock_is_got(run: Run, config: Config) -> None:
    from scizor.base.lock import skips_of

    seen: list[int] = []

    def job(context: Context) -> Result:
        for _ in range(3):
            assert run(lambda _: Result()) is Exit.BUSY
        seen.append(skips_of(config.make_paths().locks)["a-job"].times)
        return Result()

    assert run(job) is Exit.DONE
    assert seen == [3]
    assert run(lambda _: Result()) is Exit.DONE
    assert skips_of(config.make_paths().locks) == {}


def test_row_2_a_holder_whose_lock_file_was_deleted_cannot_write_after_another_has_started(
    run: Run, config: Config, database: psycopg.Connection
) -> None:
    from scizor.db import runs

    seen: list[str] = []

    def job(context: Context) -> Result:
        (config.make_paths().locks / "a-job.lock").unlink()
        assert run(lambda _: Result()) is Exit.DONE  # the rival gets in, and takes the next epoch
        try:
            runs.heartbeat(context.connection, context.run, context.clock.now())
        except BusyError as refusal:
            seen.append(refusal.message)
        return Result()

    run(job)
    assert len(seen) == 1
    assert "lost lock epoch 1, now 2" in seen[0]


def test_a_database_of_another_mode_is_refused(run: Run, database: psycopg.Connection, config: Config, tmp_path: Path) -> None:
    assert run(lambda _: Result()) is Exit.DONE  # stamps it with replay
    file = write(replace(config, mode="paper"), tmp_path / "paper.toml")
    args = argparse.Namespace(config=file, debug=False, verbose=False)
    assert runner.run(lambda _: Result(), args, name="a-job", needs=Needs(), scope="") is Exit.REFUSED


def test_without_a_configuration_a_script_ends_with_78_and_names_the_example(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    args = argparse.Namespace(config=tmp_path / "none.toml", debug=False, verbose=False)
    assert runner.run(lambda _: Result(), args, name="a-job", needs=Needs(), scope="") is Exit.CONFIGURATION
    assert "scizor.example.toml" in capfd.readouterr().err


def test_I29_sigterm_lets_the_window_in_hand_finish_and_ends_with_143(run: Run, database: psycopg.Connection) -> None:
    finished: list[bool] = []

    def job(context: Context) -> Result:
        threading.Timer(0.1, os.kill, [os.getpid(), signal.SIGTERM]).start()
        while not context.stop.is_asked:
            time.sleep(0.01)
        finished.append(True)
        return Result("stopped early")

    assert run(job) is Exit.TERMINATED
    assert finished == [True]
    assert database.execute("SELECT outcome, exit_status FROM job_runs").fetchall() == [("interrupted", 143)]


def test_a_deadline_asks_first_and_ends_with_124(run: Run, config: Config, tmp_path: Path, database: psycopg.Connection) -> None:
    # 1 minute at 1000 times the speed: 0.06 s of the wall
    clock = fast_clock(config)
    fast = replace(config, clock=clock, collect=replace(config.collect, deadline_minutes=1))
    args = argparse.Namespace(config=write(fast, tmp_path / "fast.toml"), debug=False, verbose=False)

    def job(context: Context) -> Result:
        while not context.stop.is_asked:
            time.sleep(0.005)
        return Result("half of it", Exit.PARTIAL)

    assert runner.run(job, args, name="a-job", needs=Needs(), scope="") is Exit.DEADLINE
    assert database.execute("SELECT outcome FROM job_runs").fetchall() == [("deadline",)]


def test_a_run_killed_by_9_is_noticed_by_the_next(run: Run, config: Config, tmp_path: Path, database: psycopg.Connection) -> None:
    program = (
        "import argparse, os, sys\nfrom pathlib import Path\nfrom scizor.run import runner\n"
        "from scizor.run.script import Needs\n"
        "args = argparse.Namespace(config=Path(sys.argv[1]), debug=False, verbose=False)\n"
        "runner.run(lambda context: os.kill(os.getpid(), 9), args, name='a-job', needs=Needs(), scope='')\n"
    )
    file = write(config, tmp_path / "scizor.toml")
    assert subprocess.run([sys.executable, "-c", program, str(file)], check=False).returncode == -9
    assert database.execute("SELECT outcome FROM job_runs").fetchall() == [("running",)]
    assert run(lambda _: Result()) is Exit.DONE
    assert [row[0] for row in database.execute("SELECT outcome FROM job_runs ORDER BY id")] == ["abandoned", "done"]


def test_row_55_a_database_that_is_down_ends_with_69(config: Config, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    down = replace(config, database=replace(config.database, host=str(tmp_path)))
    clock = fast_clock(config)
    args = argparse.Namespace(config=write(replace(down, clock=clock), tmp_path / "down.toml"), debug=False, verbose=False)
    assert runner.run(lambda _: Result(), args, name="a-job", needs=Needs(), scope="") is Exit.UNREACHABLE
    assert str(tmp_path) in capfd.readouterr().err


def test_a_failure_mails_at_once_not_again_within_the_hour_and_says_when_it_is_over(
    config: Config, tmp_path: Path, database: psycopg.Connection, relay: Relay
) -> None:
    mailing = replace(config, mail=relay.config())
    args = argparse.Namespace(config=write(mailing, tmp_path / "mailing.toml"), debug=False, verbose=False)

    def run(job: Callable[[Context], Result]) -> Exit:
        return runner.run(job, args, name="a-job", needs=Needs(), scope="")

    def fail(context: Context) -> Result:
        raise UnreachableError("nothing listens on 127.0.0.1:4002", hint="start the Gateway")

    assert run(fail) is Exit.UNREACHABLE
    assert run(fail) is Exit.UNREACHABLE
    assert len(relay.mails) == 1
    assert "a-job" in relay.subjects[0]
    assert "HINT: start the Gateway" in relay.mails[0].get_content()
    assert database.execute("SELECT severity, count(*) FROM alerts GROUP BY 1").fetchall() == [("high", 1)]
    assert run(lambda _: Result("nothing is due", was_idle=True)) is Exit.DONE
    assert len(relay.mails) == 1  # an idle run proves nothing
    assert run(lambda _: Result("all stored", leaves_failures=True)) is Exit.DONE
    assert len(relay.mails) == 1  # nor does one that did not try what had failed
    assert run(lambda _: Result("all stored")) is Exit.DONE
    assert len(relay.mails) == 2
    assert "recovered" in relay.subjects[1]


def test_a_job_that_hangs_past_its_deadline_is_ended_by_force_and_mailed(config: Config, tmp_path: Path, relay: Relay) -> None:
    hanging = replace(config, mail=relay.config(), clock=fast_clock(config), collect=replace(config.collect, deadline_minutes=1))
    program = (
        "import argparse, sys, time\nfrom pathlib import Path\nfrom scizor.run import runner, stop\n"
        "from scizor.run.script import Needs\nstop.GRACE_SECONDS = 0.2\n"
        "args = argparse.Namespace(config=Path(sys.argv[1]), debug=False, verbose=False)\n"
        "runner.run(lambda context: time.sleep(60), args, name='a-job', needs=Needs(database=False, row=False), scope='')\n"
    )
    file = write(hanging, tmp_path / "hanging.toml")
    ended = subprocess.run([sys.executable, "-c", program, str(file)], check=False, capture_output=True, text=True, timeout=50)
    assert ended.returncode == Exit.DEADLINE
    assert "ended by force" in ended.stderr
    assert len(relay.mails) == 1


def test_what_is_in_hand_at_the_deadline_may_take_as_long_as_a_request(config: Config, tmp_path: Path) -> None:
    """A request may take 30 s; a grace of 20 would end by force, as hanging, a run that only waits for its answer."""
    slow = replace(config, clock=fast_clock(config), gateway=replace(config.gateway, request_timeout_seconds=1000.0))
    hurried = replace(slow, collect=replace(config.collect, deadline_minutes=1))
    program = (
        "import argparse, sys, time\nfrom pathlib import Path\nfrom scizor.run import runner, stop\n"
        "from scizor.run.context import Result\nfrom scizor.run.script import Needs\nstop.GRACE_SECONDS = 0.1\n"
        "args = argparse.Namespace(config=Path(sys.argv[1]), debug=False, verbose=False)\n"
        "def job(context):\n    time.sleep(0.6)\n    return Result('stored')\n"
        "sys.exit(runner.run(job, args, name='a-job', needs=Needs(database=False, row=False, mail=False), scope=''))\n"
    )
    file = write(hurried, tmp_path / "hurried.toml")
    ended = subprocess.run([sys.executable, "-c", program, str(file)], check=False, capture_output=True, text=True, timeout=50)
    assert ended.returncode == Exit.DEADLINE
    assert "by force" not in ended.stderr


def test_a_person_s_session_has_no_deadline(config: Config, tmp_path: Path) -> None:
    fast = replace(config, clock=fast_clock(config), collect=replace(config.collect, deadline_minutes=1))
    args = argparse.Namespace(config=write(fast, tmp_path / "fast.toml"), debug=False, verbose=False)
    needs = Needs(database=False, lock=False, row=False, mail=False, deadline=False)

    def job(context: Context) -> Result:
        time.sleep(0.3)
        return Result()

    assert runner.run(job, args, name="a-job", needs=needs, scope="") is Exit.DONE


def test_waiting_for_the_lock_hears_a_signal(config: Config, tmp_path: Path, database: psycopg.Connection) -> None:
    file = write(config, tmp_path / "scizor.toml")
    args = argparse.Namespace(config=file, debug=False, verbose=False, wait=True)

    def holder(context: Context) -> Result:
        threading.Timer(0.5, os.kill, [os.getpid(), signal.SIGTERM]).start()
        begun = time.monotonic()
        ended = runner.run(lambda _: Result(), args, name="a-job", needs=Needs(), scope="")  # waits for us
        assert time.monotonic() - begun < 10
        assert ended is Exit.TERMINATED
        return Result()

    assert runner.run(holder, args, name="a-job", needs=Needs(), scope="") is Exit.DONE
