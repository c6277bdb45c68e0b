"""One run of a job and scope at a time: a flock, held as a `with`, that names its owner.

The kernel frees the lock when its process dies, so nothing is cleaned up and nothing is unlinked: unlinking a held lock
lets a second holder in. The file's content is never the lock; who holds it stands in a file beside it, for people.
A paused holder is beyond what a flock can stop: the database's fencing number does that (db.runs).
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from scizor.base.clock import Clock, RunningClock
from scizor.base.errors import BusyError, ConfigurationError
from scizor.base.paths import give_to_owner, private_directory, private_file

NETWORK_FILESYSTEMS = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "fuse.sshfs", "9p", "afs", "ceph", "glusterfs"})
POLL_SECONDS = 0.2
SKIPS_BYTES_MAX = 20_000  # 750 skips: nobody needs to know of more


@contextlib.contextmanager
def hold(
    directory: Path, name: str, holder: Mapping[str, object], *, wait_seconds: float = 0.0, clock: Clock | None = None,
    is_cancelled: Callable[[], bool] | None = None,
) -> Iterator[None]:  # fmt: skip
    """Holds the lock `name` in `directory` while the body runs.

    holder: what others are told (run id, pid, started at, command). wait_seconds: how long to wait for it, in the
    clock's seconds; is_cancelled: looked at while waiting, ends it. Raises BusyError naming the holder; ConfigurationError if the directory cannot keep a lock.
    """
    from filelock import FileLock, Timeout  # late: --help needs no lock

    check_directory(directory)
    path = directory / f"{name}.lock"
    lock = FileLock(path, mode=0o600, fallback_to_soft=False)
    try:
        lock.acquire(timeout=(clock or RunningClock()).wall_seconds(wait_seconds), poll_interval=POLL_SECONDS, cancel_check=is_cancelled)
    except Timeout:
        raise BusyError(f"{name} is already running: {_tell(path)}", hint="--wait waits for it") from None
    except OSError as problem:
        raise ConfigurationError(f"cannot lock {path}: {problem.strerror}", hint="is it on a local disk, and ours?") from None
    try:
        with contextlib.suppress(OSError):  # a note for people: a full disk takes none, and the lock holds without it
            give_to_owner(path)
            _write_holder(path, holder)
        yield
    finally:
        lock.release()


class Skips(NamedTuple):
    """How often in a row a lock was found held by a start from the schedule, and when first."""

    times: int
    first: datetime | None


def note_skip(directory: Path, name: str, now: datetime) -> None:
    """Leaves a note that the lock was found held: a line in a file beside it, since a busy run has no row in the database."""
    with contextlib.suppress(OSError):
        path = private_file(directory / f"{name}.skips")
        if path.stat().st_size < SKIPS_BYTES_MAX:
            with path.open("a") as notes:
                notes.write(now.isoformat(timespec="seconds") + "\n")


def forget_skips(directory: Path, name: str) -> None:
    """The lock was got: the row of skips has ended."""
    path = directory / f"{name}.skips"
    with contextlib.suppress(OSError):
        if path.exists() and path.stat().st_size:
            os.truncate(path, 0)


def skips_of(directory: Path) -> dict[str, Skips]:
    """By lock, the skips since it was last got; those without any are left out."""
    found = {}
    for path in sorted(directory.glob("*.skips")):
        with contextlib.suppress(OSError, ValueError):
            lines = path.read_text().split()
            if lines:
                found[path.stem] = Skips(len(lines), datetime.fromisoformat(lines[0]))
    return found


def check_directory(directory: Path) -> None:
    """A directory for locks must be local, ours, and closed to others' writing. It is made if it is not there."""
    try:
        private_directory(directory)
        status = directory.stat()
    except OSError as problem:
        raise ConfigurationError(f"cannot use the lock directory {directory}: {problem.strerror}") from None
    wrong = ""
    if status.st_mode & (stat.S_IWOTH | stat.S_IWGRP):
        wrong = f"is writable by others (mode {status.st_mode & 0o777:04o})"
    elif status.st_uid != os.geteuid() and os.geteuid() != 0:
        wrong = f"belongs to user {status.st_uid}"
    elif filesystem(directory) in NETWORK_FILESYSTEMS:
        wrong = f"is on {filesystem(directory)}, where locks are not to be trusted"
    if wrong:
        raise ConfigurationError(
            f"the lock directory {directory} {wrong}",
            hint="it must be local, mode 0700 and ours: see paths.state in etc/scizor.toml",
        )


def filesystem(path: Path, mounts: Path = Path("/proc/self/mounts")) -> str:
    """The type of the filesystem on which the path lies; empty where the system does not tell."""
    try:
        table = [line.split(" ")[:3] for line in mounts.read_text().splitlines()]
    except OSError:
        return ""
    resolved = path.resolve()
    below = [(len(point), kind) for _, point, kind in table if resolved.is_relative_to(point.replace("\\040", " "))]
    return max(below)[1] if below else ""


def holder_of(directory: Path, name: str) -> dict[str, object]:
    """Who held the lock last, as he wrote it; empty if nobody ever did."""
    try:
        found = json.loads((directory / f"{name}.holder").read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def last_held(directory: Path) -> dict[str, datetime]:
    """By lock, since when its last holder held it, as he wrote it; those who wrote no such note are left out."""
    found = {}
    for path in sorted(directory.glob("*.holder")):
        with contextlib.suppress(ValueError):
            since = datetime.fromisoformat(str(holder_of(directory, path.stem).get("since", "")))
            if since.tzinfo is not None:
                found[path.stem] = since
    return found


def _write_holder(path: Path, holder: Mapping[str, object]) -> None:
    note = path.with_suffix(".holder")
    partial = path.with_suffix(".holder.partial")
    partial.write_text(json.dumps(dict(holder), default=str))
    partial.chmod(0o600)
    partial.replace(note)
    give_to_owner(note)


def _tell(path: Path) -> str:
    holder = holder_of(path.parent, path.stem)
    return ", ".join(f"{key} {value}" for key, value in holder.items()) or "by somebody who left no name"
