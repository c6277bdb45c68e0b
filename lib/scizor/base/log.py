"""Logs: everything goes to logs/<job>.log with the run's id in every line; stderr is for people.

Two scopes of one job may write the same file at once: each line is one write to a file opened for appending, and
rotation happens at start, under a flock; a process that is in the middle notices the new inode and follows. Python's
RotatingFileHandler was rejected: with several processes it loses lines.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import logging.handlers
import re
import sys
from pathlib import Path

from scizor.base import flock
from scizor.base.clock import Clock
from scizor.base.masking import mask
from scizor.base.paths import give_to_owner, private_directory, private_file

BYTES_MAX = 10_000_000
KEPT = 5
ROTATE_SECONDS = 5.0  # how long to wait for another process that rotates
LINE_MAX = 4_000  # characters: a vendor's text cannot fill the disk with one line
TRACEBACK_MAX = 16_000
CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029]")  # a terminal's escapes, and line ends but ours


class LineFormatter(logging.Formatter):
    """2025-01-15T06:00:00.123Z 7f3a2c1d INFO collect-daily: text, on one line, secrets and accounts masked."""

    def __init__(self, clock: Clock, run_id: str) -> None:
        super().__init__()
        self._clock, self._run_id = clock, run_id

    def format(self, record: logging.LogRecord) -> str:
        text = mask(record.getMessage())[:LINE_MAX]
        if record.exc_info:
            # The end of a traceback says what happened: it is the beginning that goes.
            text += "\n" + mask(self.formatException(record.exc_info))[-TRACEBACK_MAX:]
        lines = CONTROL.sub(" ", text).split("\n")
        now = self._clock.now().strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
        return f"{now}Z {self._run_id[:8]} {record.levelname} {record.name}: " + "\n    ".join(lines)


class _JobFile(logging.handlers.WatchedFileHandler):
    """The job's file. A disk that fills up in the middle of a run is told once, not with a traceback for every line."""

    is_told = False

    def emit(self, record: logging.LogRecord) -> None:
        try:
            super().emit(record)
        except OSError:  # it follows a rotation, and the new file cannot be opened
            self.handleError(record)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            super().close()

    def handleError(self, record: logging.LogRecord) -> None:
        if not self.is_told:
            self.is_told = True
            print(f"scizor: cannot write {self.baseFilename}: {sys.exc_info()[1]}; this run goes on without its log", file=sys.stderr)


def start(job: str, run_id: str, logs: Path, clock: Clock, *, verbose: bool = False, debug: bool = False) -> logging.Logger:
    """The logger of one run. Falls back to stderr, with a warning, when the file cannot be written."""
    logger = logging.getLogger("scizor")
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()
    logger.propagate = False
    logger.setLevel(logging.DEBUG)
    people = logging.StreamHandler(sys.stderr)
    people.setLevel(logging.DEBUG if debug else logging.INFO if verbose else logging.CRITICAL + 1)
    people.setFormatter(LineFormatter(clock, run_id))
    logger.addHandler(people)
    try:
        file = _open(job, logs)
    except OSError as problem:
        people.setLevel(min(people.level, logging.WARNING))
        logger.warning("cannot write %s: %s; this run logs to stderr", logs / f"{job}.log", problem)
        return logger.getChild(job)
    file.setLevel(logging.DEBUG if debug else logging.INFO)
    file.setFormatter(LineFormatter(clock, run_id))
    logger.addHandler(file)
    return logger.getChild(job)


def _open(job: str, logs: Path) -> logging.Handler:
    private_directory(logs)
    path = logs / f"{job}.log"
    with open(private_file(logs / f".{job}.rotate.lock"), "a") as guard:
        # whoever rotates needs milliseconds: if it takes longer he is paused, and the next run rotates
        if flock.take(guard, fcntl.LOCK_EX, ROTATE_SECONDS) and path.exists() and path.stat().st_size > BYTES_MAX:
            for number in range(KEPT - 1, 0, -1):
                older = logs / f"{job}.log.{number}"
                if older.exists():
                    older.replace(logs / f"{job}.log.{number + 1}")
            path.replace(logs / f"{job}.log.1")
        private_file(path)
    handler = _JobFile(path, encoding="utf-8", errors="backslashreplace")
    give_to_owner(path)
    return handler
