"""What a run has started ends with it: a hanging job takes its children along."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

from scizor.base.config import Config
from scizor.base.exit import Exit
from tests.run.configured import write
from tests.run.test_runner import fast_clock

#: A job that hangs with a child that ignores SIGTERM, a grandchild whose parent is gone, and a server that is meant to stay.
HANGING = """
import subprocess, sys, time
from pathlib import Path
from scizor.run import group, script, stop
from scizor.run.script import Needs
stop.GRACE_SECONDS, group.TERM_SECONDS = 0.1, 0.3
folder = Path(sys.argv[2])

def job(context):
    deaf = 'trap "" TERM; echo $$ > deaf; while :; do sleep 0.1; done'
    subprocess.Popen(["sh", "-c", deaf], cwd=folder)
    subprocess.Popen(["sh", "-c", "sleep 300 & echo $! > orphan"], cwd=folder).wait()
    stays = subprocess.Popen(["sleep", "300"], start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    (folder / "stays").write_text(str(stays.pid))
    time.sleep(300)

needs = Needs(database=False, row=False, mail=False)
script.main("a-job", lambda parser: None, job, name="a-job", needs=needs, argv=["--config", sys.argv[1]])
"""


def runs(pid: int) -> bool:
    """A zombie that nobody waits for (there is no init in a container) has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def pid_in(file: Path) -> int:
    until = time.monotonic() + 10
    while not (file.exists() and file.read_text().strip()) and time.monotonic() < until:
        time.sleep(0.01)
    return int(file.read_text())


def test_a_job_that_hangs_is_ended_with_all_that_it_started(config: Config, tmp_path: Path) -> None:
    hanging = replace(config, clock=fast_clock(config), gateway=replace(config.gateway, request_timeout_seconds=1.0), collect=replace(config.collect, deadline_minutes=15))
    file = write(hanging, tmp_path / "hanging.toml")
    ended = subprocess.run(
        [sys.executable, "-c", HANGING, str(file), str(tmp_path)], check=False, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL
    )
    pids = {name: pid_in(tmp_path / name) for name in ("deaf", "orphan", "stays")}
    try:
        assert ended.returncode == Exit.DEADLINE and "ended by force" in ended.stderr
        assert {name for name, pid in pids.items() if runs(pid)} == {"stays"}
    finally:
        for pid in pids.values():
            if runs(pid):
                os.kill(pid, signal.SIGKILL)


def test_a_run_of_cron_leads_a_group_of_its_own_and_a_person_s_stays_in_the_shell_s(tmp_path: Path) -> None:
    program = "import os; from scizor.run import group; print(group.lead(), os.getpgrp() == os.getpid())"
    from_cron = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=True)
    assert from_cron.stdout.split() == ["True", "True"]
    master, slave = os.openpty()
    try:
        at_terminal = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, stdin=slave, check=True)
    finally:
        os.close(master)
        os.close(slave)
    assert at_terminal.stdout.split() == ["False", "False"]
