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
        give_to_owner(each)
    return path


def private_file(path: Path) -> Path:
    """Makes the file if it is not there, mode 0600, and returns it."""
    if not path.exists():
        private_directory(path.parent)
        path.touch(mode=0o600)
        give_to_owner(path)
    return path


def give_to_owner(path: Path) -> None:
    """Root in somebody else's checkout leaves nothing there that the owner cannot write."""
    if os.geteuid() == 0 and path.is_relative_to(ROOT):
        owner = ROOT.stat()
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def recordings_directory(named: str = "") -> Path | None:
    """The folder of recorded market data: named by the caller, SCIZOR_RECORDINGS, or ../shared/data; None if absent."""
    for candidate in (named, os.environ.get("SCIZOR_RECORDINGS", ""), str(ROOT.parent / "shared" / "data")):
        if candidate and Path(candidate).is_dir():
            return Path(candidate).resolve()
    return None
