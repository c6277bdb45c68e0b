"""Logs: one line a record with the run's id; rotated without losing a line between processes; never a secret."""

from __future__ import annotations

import fcntl
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from scizor.base import log
from scizor.base.clock import StoppedClock

WRITER = """
import sys
from pathlib import Path
from scizor.base import log
from scizor.base.clock import RunningClock
log.BYTES_MAX = 20_000
for start in range(10):
    logger = log.start("job", sys.argv[2] + "0000000", Path(sys.argv[1]), RunningClock())
    for line in range(50):
        logger.info("line %s-%d-%d", sys.argv[2], start, line)
"""


@pytest.fixture(autouse=True)
def _closed() -> None:
    yield  # type: ignore[misc]
    logger = logging.getLogger("scizor")
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()


def test_a_line_has_time_run_level_and_job(tmp_path: Path, clock: StoppedClock) -> None:
    log.start("collect-daily", "7f3a2c1d99", tmp_path, clock).info("stored %d", 3)
    assert (tmp_path / "collect-daily.log").read_text() == "2025-01-15T06:00:00.000Z 7f3a2c1d INFO scizor.collect-daily: stored 3\n"


def test_a_vendors_text_cannot_forge_a_line(tmp_path: Path, clock: StoppedClock) -> None:
    log.start("job", "r", tmp_path, clock).info("said %s", "x\n2025-01-15T06:00:00.000Z r INFO forged")
    _, second = (tmp_path / "job.log").read_text().splitlines()
    assert second.startswith("    ")


def test_a_vendors_text_cannot_forge_a_line_for_other_readers_or_speak_to_a_terminal(tmp_path: Path, clock: StoppedClock) -> None:
    log.start("job", "r", tmp_path, clock).info("said %s", "a\rb\u2028c\x85d\x0be\x1b[2Jf\x9b2Jg\0h")
    assert (tmp_path / "job.log").read_bytes().decode().endswith("said a b c d e [2Jf 2Jg h\n")


def test_a_text_that_is_no_unicode_is_written_all_the_same(tmp_path: Path, clock: StoppedClock, capsys: pytest.CaptureFixture[str]) -> None:
    log.start("job", "r", tmp_path, clock).info("argument %s", "\udcff")
    assert (tmp_path / "job.log").read_text().endswith("argument \\udcff\n")
    assert capsys.readouterr().err == ""


def test_a_long_traceback_keeps_its_end(tmp_path: Path, clock: StoppedClock) -> None:
    def deep(levels: int) -> None:
        if levels == 0:
            raise ValueError("the cause")
        [deep, deep][levels % 2](levels - 1) if levels % 3 else (lambda: deep(levels - 1))()

    logger = log.start("job", "r", tmp_path, clock)
    try:
        deep(400)
    except ValueError:
        logger.exception("a bug")
    written = (tmp_path / "job.log").read_text()
    assert written.endswith("    ValueError: the cause\n") and len(written) < 3 * log.TRACEBACK_MAX


def test_row_73_a_disk_that_fills_up_is_told_once(tmp_path: Path, clock: StoppedClock, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "job.log").symlink_to("/dev/full")
    logger = log.start("job", "r", tmp_path, clock)
    for number in range(5):
        logger.info("line %d", number)
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "No space left" in said and "Traceback" not in said
    logging.getLogger("scizor").handlers[-1].close()
    assert capsys.readouterr().err == ""


def test_row_73_a_log_directory_that_goes_away_ends_no_job(tmp_path: Path, clock: StoppedClock, capsys: pytest.CaptureFixture[str]) -> None:
    logger = log.start("job", "r", tmp_path / "logs", clock)
    logger.info("before")
    (tmp_path / "logs").rename(tmp_path / "elsewhere")
    for _ in range(3):
        logger.info("after")
    assert capsys.readouterr().err.count("cannot write") == 1


def test_row_77_a_secret_and_an_account_are_masked(tmp_path: Path, clock: StoppedClock) -> None:
    log.start("job", "r", tmp_path, clock).info("postgresql://me:hunter2@host/db account U1234567")
    written = (tmp_path / "job.log").read_text()
    assert "hunter2" not in written
    assert "U1234567" not in written


def test_several_processes_and_rotations_lose_no_line(tmp_path: Path) -> None:
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), name]) for name in "abc"]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    files = sorted(tmp_path.glob("job.log*"))
    assert len(files) > 1  # it did rotate
    lines = [line for file in files for line in file.read_text().splitlines()]
    assert len([line for line in lines if "line " in line]) == 3 * 10 * 50


def test_row_73_a_log_that_cannot_be_written_goes_to_stderr_and_the_job_runs(
    tmp_path: Path, clock: StoppedClock, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "logs").write_text("a file where the directory should be")
    log.start("job", "r", tmp_path / "logs", clock).error("something")
    said = capsys.readouterr().err
    assert "cannot write" in said
    assert "something" in said


def test_a_log_is_for_its_owner_alone(tmp_path: Path, clock: StoppedClock) -> None:
    log.start("job", "r", tmp_path / "logs", clock).info("x")
    assert (tmp_path / "logs" / "job.log").stat().st_mode & 0o077 == 0


def test_a_process_that_is_paused_while_it_rotates_keeps_nobody_from_logging(tmp_path: Path, clock: StoppedClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "ROTATE_SECONDS", 0.1)
    monkeypatch.setattr(log, "BYTES_MAX", 10)
    (tmp_path / "a-job.log").write_text("long enough to be rotated\n")
    with open(tmp_path / ".a-job.rotate.lock", "w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        log.start("a-job", "7f3a2c1d", tmp_path, clock).info("here")
    assert "here" in (tmp_path / "a-job.log").read_text() and not (tmp_path / "a-job.log.1").exists()
    log.start("a-job", "7f3a2c1d", tmp_path, clock)
    assert (tmp_path / "a-job.log.1").exists(), "the next run rotates"
