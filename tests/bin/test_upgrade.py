"""bin/upgrade with stand-ins for the scripts that it calls: the order, where it stops, and what it leaves."""

from __future__ import annotations

import os
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from scizor.base import lock
from scizor.base.exit import Exit
from scizor.base.paths import ROOT
from scizor.jobs import idle

STEPS = ["pause", "backup", "setup", "migrate", "check", "resume"]
STAND_IN = '#!/bin/sh\n# the first line of a python script names python\necho "$(basename "$0") $*" >> "$(dirname "$0")/../called"\nexit $(cat "$(dirname "$0")/../$(basename "$0").status" 2>/dev/null || echo 0)\n'


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "a checkout"
    (root / "bin").mkdir(parents=True)
    shutil.copy(ROOT / "bin" / "upgrade", root / "bin" / "upgrade")
    for name in STEPS:
        (root / "bin" / name).write_text(STAND_IN)
        (root / "bin" / name).chmod(0o755)
    return root


def upgrade(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(root / "bin" / "upgrade"), *words], cwd="/", env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=False, timeout=60)


def called(root: Path) -> list[str]:
    return (root / "called").read_text().splitlines() if (root / "called").exists() else []


def test_each_step_is_printed_and_done_in_order_and_twice(checkout: Path) -> None:
    for _ in range(2):
        told = upgrade(checkout)
        assert told.returncode == 0, told.stderr
        assert [line.split()[0] for line in called(checkout)] == STEPS
        assert [line.split(":")[1].strip() for line in told.stdout.splitlines()] == ["pause", "backup", "wait", "setup", "migrate", "restart", "check", "resume", "done"]
        (checkout / "called").unlink()


@pytest.mark.parametrize("failing", [name for name in STEPS if name != "resume"])
def test_the_first_step_that_fails_ends_it_paused_with_a_hint_and_it_goes_on_from_there(checkout: Path, failing: str) -> None:
    (checkout / f"{failing}.status").write_text("69")
    told = upgrade(checkout)
    assert told.returncode == Exit.UNREACHABLE
    assert [line.split()[0] for line in called(checkout)] == STEPS[: STEPS.index(failing) + 1], "nothing behind it, resume least of all"
    assert f"{failing} failed with 69" in told.stderr and "HINT: mend it and run bin/upgrade again" in told.stderr and "bin/resume" in told.stderr
    (checkout / f"{failing}.status").unlink()
    assert upgrade(checkout).returncode == 0 and called(checkout)[-1].startswith("resume")


def test_a_backup_that_the_old_code_has_made_is_not_made_again_by_the_new_one(checkout: Path) -> None:
    """Newer code may refuse an older schema: the backup is the business of the code that wrote the database."""
    told = upgrade(checkout, "--prepare")
    assert told.returncode == 0 and [line.split()[0] for line in called(checkout)] == ["pause", "backup"]
    (checkout / "called").unlink()
    (checkout / "backup.status").write_text("78")
    told = upgrade(checkout)
    assert told.returncode == 0 and "the one that was prepared" in told.stdout
    assert [line.split()[0] for line in called(checkout)] == [name for name in STEPS if name != "backup"]
    told = upgrade(checkout)
    assert told.returncode == Exit.CONFIGURATION, "used up: the next upgrade needs its own"
    assert "git checkout ORIG_HEAD && bin/upgrade --prepare" in told.stderr


def test_a_backup_that_was_prepared_long_ago_does_not_count(checkout: Path) -> None:
    assert upgrade(checkout, "--prepare").returncode == 0
    old = datetime.now(UTC).timestamp() - 5 * 3600
    os.utime(checkout / "var" / "upgrade.prepared", (old, old))
    assert upgrade(checkout).returncode == 0 and [line.split()[0] for line in called(checkout)].count("backup") == 2


def test_a_check_that_warns_is_no_reason_to_stay_paused(checkout: Path) -> None:
    (checkout / "check.status").write_text("1")
    assert upgrade(checkout).returncode == 0
    (checkout / "check.status").write_text("2")
    assert upgrade(checkout).returncode == 2


def test_a_dry_run_does_nothing_and_a_wrong_word_neither(checkout: Path) -> None:
    told = upgrade(checkout, "--dry-run")
    assert told.returncode == 0 and "migrate: " in told.stdout and called(checkout) == []
    assert upgrade(checkout, "--fast").returncode == Exit.USAGE and called(checkout) == []
    assert upgrade(checkout, "--without-backup").returncode == 0 and not [line for line in called(checkout) if line.startswith("backup")]


def test_a_script_that_is_not_there_is_said_before_anything_is_done(checkout: Path) -> None:
    (checkout / "bin" / "backup").unlink()
    told = upgrade(checkout)
    assert told.returncode == Exit.CONFIGURATION and "bin/backup" in told.stderr and "HINT:" in told.stderr and called(checkout) == []


def test_the_old_environment_runs_what_comes_before_setup(checkout: Path) -> None:
    """After git pull bin/python refuses a stale environment: pausing and backing up must not need bin/setup."""
    (checkout / ".venv" / "bin").mkdir(parents=True)
    (checkout / ".venv" / "bin" / "python").write_text('#!/bin/sh\n[ "$1" = -c ] && exit 0; echo "old $(basename "$1")" >> "$(dirname "$0")/../../called"\n')
    (checkout / ".venv" / "bin" / "python").chmod(0o755)
    for name in ("pause", "backup"):
        (checkout / "bin" / name).write_text("#!/usr/bin/env -S sh -c 'exec \"$(dirname \"$0\")/python\" \"$0\" \"$@\"'\n")
    assert upgrade(checkout).returncode == 0
    assert [line.split()[0:2] for line in called(checkout)][:3] == [["old", "pause"], ["old", "backup"], ["setup"]]


def test_help_is_the_comment_at_its_top() -> None:
    told = subprocess.run([str(ROOT / "bin" / "upgrade"), "--help"], capture_output=True, text=True, check=True, env={"PATH": "/usr/bin:/bin"})
    assert told.stdout.startswith("upgrade: ") and told.stdout.rstrip().endswith("that of the step that failed.") and "umask" not in told.stdout


def test_it_waits_for_a_job_that_runs_and_not_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "scizor.toml").write_text(f'mode = "paper"\n[paths]\nstate = "{tmp_path / "state"}"\n')
    monkeypatch.setenv("SCIZOR_CONFIG", str(tmp_path / "scizor.toml"))
    monkeypatch.setattr(idle, "POLL_SECONDS", 0.05)
    locks = tmp_path / "state" / "locks"
    assert idle.main(0.0) == Exit.DONE, "nobody ever ran"
    with lock.hold(locks, "alerts", {"pid": 1}), lock.hold(locks, "backfill", {"pid": 4711}):
        assert idle.main(0.2) == Exit.BUSY
        told = capsys.readouterr()
        assert told.out == "upgrade: waits for backfill (pid 4711)\n" and "HINT: kill PID" in told.err
    assert idle.main(0.0) == Exit.DONE
    with lock.hold(locks, "backfill", {"pid": 4712}):
        pass  # that it was looked at keeps nobody from starting
