"""Where things are. Everything that is written at run time lies below one state directory (and logs/).

umask 077 for state and logs. Nothing is ever put into /tmp, except a Unix socket whose path would be too long.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True, slots=True)
class Paths:
    """root: the checkout. state: embedded servers, locks, outbox. logs: one file a job."""

    root: Path
    state: Path
    logs: Path

    @property
    def locks(self) -> Path:
        return self.state / "locks"

    @property
    def sql(self) -> Path:
        return self.root / "sql"


def private_directory(path: Path) -> Path:
    """Makes the directory and its parents, mode 0700, and returns it. Existing ones keep their modes."""
    missing = [each for each in (path, *path.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(mode=0o700, exist_ok=True)
    return path


def recordings_directory(named: str = "") -> Path | None:
    """The folder of recorded market data: named by the caller, SCIZOR_RECORDINGS, or ../shared/data; None if absent."""
    for candidate in (named, os.environ.get("SCIZOR_RECORDINGS", ""), str(ROOT.parent / "shared" / "data")):
        if candidate and Path(candidate).is_dir():
            return Path(candidate).resolve()
    return None
