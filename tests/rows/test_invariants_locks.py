"""One writer at a time, whoever is paused; files that are whole; a disk that takes nothing; SIGTERM."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from scizor.base.config import Config
from scizor.base.exit import Exit
from scizor.base.paths import ROOT
from tests.jobs.stage import Stage, stage
from tests.rows.recount import disagreements
from tests.run.configured import write

SYMBOLS = ("CBA", "BHP", "CSL", "WBC", "ANZ", "NAB", "WOW", "WES")
DUE = "2025-01-15"
Process = subprocess.Popen[str]


@pytest.fixture
def slow(config: Config, database: psycopg.Connection, tmp_path: Path) -> Iterator[Stage]:
    """A gateway that takes its time, so that there is something to be paused in."""
    year = replace(config, collect=replace(config.collect, daily_years=1))
    with stage(year, database, tmp_path, service_seconds=0.2) as found:
        found.list_symbols(*SYMBOLS)
        yield found


def start(there: Stage, *words: str) -> Process:
    command = [sys.executable, str(ROOT / "bin" / "collect-daily"), "--config", str(there.file), *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ})


def until_stored(there: Stage, count: int) -> None:
    for _ in range(2000):
        if there.rows("SELECT count(*) FROM collection_logs")[0][0] >= count:
            return
        time.sleep(0.005)
    raise AssertionError("nothing was stored")


def everything(there: Stage) -> Any:
    """Whatever a writer could have changed."""
    return there.rows(
        "SELECT (SELECT md5(string_agg(b::text, '' ORDER BY b::text)) FROM bars b), (SELECT count(*) FROM bars_history), "
        "(SELECT md5(string_agg(c::text, '' ORDER BY c::text)) FROM coverage c), (SELECT max(id) FROM collection_logs), (SELECT max(id) FROM quarantine), "
        "(SELECT md5(string_agg(r::text, '' ORDER BY r.id)) FROM job_runs r)"
    )  # fmt: skip


def test_row_01_a_second_start_ends_with_75_at_once_says_nothing_and_with_v_who_runs(slow: Stage) -> None:
    first = start(slow)
    try:
        until_stored(slow, 1)
        quiet, told = start(slow), start(slow, "-v")
        assert (quiet.communicate(timeout=30), quiet.returncode) == (("", ""), Exit.BUSY)
        out, err = told.communicate(timeout=30)
        assert (out, told.returncode) == ("", Exit.BUSY)
        assert f"pid {first.pid}" in err and re.search(r"run [0-9a-f]{8}, since 2025-01-15T", err)
    finally:
        out, err = first.communicate(timeout=60)
    assert (out, err, first.returncode) == ("", "", Exit.DONE)
    assert slow.rows("SELECT count(*) FROM job_runs") == [(1,)], "who was sent away has written nothing"


def pause_between_transactions(superuser: psycopg.Connection, run: Process) -> None:
    """Inside one it would hold the fence's row: a successor ends with 69 until the server has ended that transaction."""
    busy = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename = 'scizor_collector' AND state <> 'idle'"
    for _ in range(100):
        run.send_signal(signal.SIGSTOP)
        seen = []
        for _ in range(3):  # what it had sent before may still be on its way to the server
            time.sleep(0.02)
            seen.append(superuser.execute(busy).fetchone())
        if seen == [(0,)] * 3:
            return
        run.send_signal(signal.SIGCONT)
        time.sleep(0.005)
    raise AssertionError("it was never outside of a transaction")


def test_I6_row_02_a_paused_holder_that_wakes_up_after_a_takeover_writes_nothing(
    slow: Stage, superuser_of: Callable[[str], psycopg.Connection]
) -> None:
    """SIGSTOP in the middle; its lock file is deleted, and another run takes over and finishes; then SIGCONT."""
    paused = start(slow)
    try:
        until_stored(slow, 1)
        with superuser_of(slow.database.info.dbname) as superuser:
            pause_between_transactions(superuser, paused)
        stored = slow.rows("SELECT count(*) FROM collection_logs")[0][0]
        assert stored < len(SYMBOLS)
        (slow.config.make_paths().locks / "collect-daily.lock").unlink()
        other = start(slow, "--date", DUE)  # not the same windows: an open request counts as now, and keeps identical ones waiting
        out, err = other.communicate(timeout=60)
        assert (out, err, other.returncode) == ("", "", Exit.DONE)
        before = everything(slow)
    finally:
        paused.send_signal(signal.SIGCONT)
        _, err = paused.communicate(timeout=60)
    assert paused.returncode == Exit.BUSY
    assert everything(slow) == before
    assert slow.rows("SELECT outcome FROM job_runs ORDER BY id") == [("abandoned",), ("done",)]
    assert slow.rows("SELECT count(DISTINCT symbol_id) FROM bars") == [(len(SYMBOLS),)]
    assert disagreements(slow.rows) == {}


def test_row_03_a_lock_directory_of_somebody_else_ends_with_78(slow: Stage, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    locks = slow.config.make_paths().locks
    locks.mkdir(parents=True)
    locks.chmod(0o777)
    assert slow.run("collect-daily", "--date", DUE) is Exit.CONFIGURATION
    said = capfd.readouterr().err
    assert str(locks) in said and "writable by others" in said and "must be local, mode 0700 and ours" in said
    assert slow.requests() == []
    locks.chmod(0o700)
    assert slow.run("collect-daily", "--date", DUE) is Exit.DONE


def test_row_05_a_failure_that_no_relay_takes_is_kept_told_in_the_log_and_delivered_later(slow: Stage) -> None:
    """Nothing listens on the relay's port: the run's own end is untouched, and the mail is not lost."""
    from tests.relay import free_port, relay

    port = free_port()
    mail = replace(slow.config.mail, host="127.0.0.1", port=port, to="trader@example.org", timeout_seconds=2.0)
    write(replace(slow.config, mail=mail), slow.file)
    slow.inject("321", message="reqHistoricalData")
    assert slow.run("collect-daily", "--date", DUE, "--symbol", "CBA") is Exit.PARTIAL
    log = (slow.config.make_paths().logs / "collect-daily.log").read_text()
    assert "mail waits" in log
    slow.forget()
    with relay() as server:
        write(replace(slow.config, mail=replace(mail, port=server.port)), slow.file)
        assert slow.run("collect-daily", "--date", DUE, "--symbol", "BHP") is Exit.DONE
        assert len(server.mails) == 1 and "collect-daily" in server.subjects[0]


# ---- files -----------------------------------------------------------------------------------------------------------

UNSHARED = """
set -e
mount --bind "$1" "$1"
mount -o remount,ro,bind "$1"
shift
exec "$@"
"""


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize(("which", "status"), [("state", Exit.CONFIGURATION), ("logs", Exit.DONE)])
def test_I27_a_read_only_filesystem_gives_a_clear_answer_and_leaves_no_half_files(slow: Stage, which: str, status: Exit) -> None:
    """Without locks nothing runs (78); without a log the run goes on and says so."""
    if os.geteuid() != 0 or shutil.which("unshare") is None or subprocess.run(["unshare", "-m", "true"], check=False).returncode:
        pytest.skip("no mount namespace of our own: root and unshare are needed")
    paths = slow.config.make_paths()
    for folder in (paths.state, paths.logs):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / "kept").write_text("as it was")
    folder = getattr(paths, which)
    words = [sys.executable, str(ROOT / "bin" / "collect-daily"), "--config", str(slow.file), "--date", DUE]
    done = subprocess.run(["unshare", "-m", "sh", "-c", UNSHARED, "sh", str(folder), *words], check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == status, done.stderr
    assert tree(folder) == {"kept": b"as it was"}
    assert str(folder) in done.stderr and "Read-only file system" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(slow.requests()) == (len(SYMBOLS) if status is Exit.DONE else 0)


# Writes version 1; then, in a child of its own for each line that the writing of version 2 runs, is killed there.
KILLED_AT_EACH_LINE = """
import json, os, signal, sys
from pathlib import Path
{write}
here, file = Path(sys.argv[1]), Path(sys.argv[2])
write(here, 1)
seen = []
for last in range(1, 5000):
    child = os.fork()
    if child == 0:
        count = 0
        def trace(frame, event, argument):
            global count
            count += event == "line"
            if count == last:
                os.kill(os.getpid(), signal.SIGKILL)
            return trace
        sys.settrace(trace)
        write(here, 2)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    seen.append(json.loads(file.read_text())["port"])
    if status == 0:
        break
print(json.dumps(seen))
"""
REPLACERS = {
    "lock": ("from scizor.base.lock import _write_holder\ndef write(here, n): _write_holder(here / 'job.lock', {'port': n, 'text': 'x' * 9000})", "job.holder"),
    "gateway": ("from scizor.replay.tws.process import _write_ready\ndef write(here, n): _write_ready(here / 'ready.json', n)", "ready.json"),
    "planted": ("def write(here, n): (here / 'in.place').write_text(json.dumps({'port': n, 'text': 'x' * 9000}))", "in.place"),
}  # fmt: skip


@pytest.mark.parametrize("name", REPLACERS)
def test_I28_killed_at_each_line_a_file_that_is_replaced_is_old_or_new(name: str, tmp_path: Path) -> None:
    write, file = REPLACERS[name]
    program = KILLED_AT_EACH_LINE.replace("{write}", write)
    done = subprocess.run([sys.executable, "-c", program, tmp_path, tmp_path / file], check=False, capture_output=True, text=True, timeout=60)
    if name == "planted":
        assert "JSONDecodeError" in done.stderr, "written in place, it was never half"
        return
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert len(seen) > 5 and seen == sorted(seen) and {seen[0], seen[-1]} == {1, 2}


def test_I28_whatever_is_written_in_place_is_named_here() -> None:
    """Read from the source: everything else writes beside the file and renames."""
    in_place = set()
    for path in sorted((ROOT / "lib").rglob("*.py")):
        for match in re.finditer(r"([^\s=]+)\.write_(?:text|bytes)\(", path.read_text()):
            if match[1] not in ("partial", "private_file(partial)"):
                in_place.add((path.relative_to(ROOT / "lib" / "scizor").as_posix(), match[1]))
    assert in_place == {
        ("base/environment.py", '"scizor.pth")'),  # of an environment that is not whole until its mark is there
        ("db/embedded.py", '"pg_hba.conf")'),  # inside data.partial, which is renamed as a whole
        ("db/embedded.py", "note"),  # where the socket lies: used only if that directory exists and is ours
    }
