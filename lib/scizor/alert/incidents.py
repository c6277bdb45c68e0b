"""Open incidents as files, one a fingerprint: they must outlive a process, a crash and a database that is down.

A file is replaced by rename after fsync, so that whoever reads finds the old one or the new one. Whoever writes holds
the lock that run.outbox takes. What cannot be read is as good as absent: better a mail too many than none.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from scizor.alert.repeat import Incident
from scizor.base.paths import give_to_owner, private_directory

INCIDENTS_MAX = 500  # files; a burst of scopes beyond that is dropped, counted and said
AGE_MAX = timedelta(days=30)  # since the last failure: nobody runs that job and scope any more
PARTIAL = ".partial"
MAILBOX = "mailbox"


@dataclass(frozen=True, slots=True)
class Mailbox:
    """What was sent in the last hour, and how many mails were given up since the last one that arrived."""

    sent: tuple[datetime, ...] = ()
    dropped: int = 0


def load(directory: Path, fingerprint: str) -> Incident | None:
    try:
        found = _parse((directory / f"{fingerprint}.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return found if found.fingerprint == fingerprint else None


def load_all(directory: Path) -> list[Incident]:
    """All that can be read, oldest first."""
    found = (load(directory, path.stem) for path in directory.glob("*.json"))
    return sorted((each for each in found if each), key=lambda each: (each.first_at, each.fingerprint))


def save(directory: Path, incident: Incident) -> None:
    private_directory(directory)
    text = json.dumps(asdict(incident), default=datetime.isoformat, indent=1, sort_keys=True)
    replace_file(directory / f"{incident.fingerprint}.json", text.encode())


def remove(directory: Path, incident: Incident) -> None:
    with contextlib.suppress(FileNotFoundError):
        (directory / f"{incident.fingerprint}.json").unlink()


def prune(directory: Path, now: datetime) -> int:
    """Ends what nobody speaks of any more, and what is too much. Returns how many of them waited for a mail."""
    for path in directory.glob(f"*{PARTIAL}"):  # of a process that was killed; the lock is ours
        path.unlink(missing_ok=True)
    known = load_all(directory)
    readable = {each.fingerprint for each in known}
    for path in directory.glob("*.json"):
        if path.stem not in readable:
            path.unlink(missing_ok=True)
    old = [each for each in known if now - each.last_at > AGE_MAX]
    rest = sorted((each for each in known if each not in old), key=lambda each: (each.is_waiting, each.last_at))
    over = [*old, *rest[: max(0, len(rest) - INCIDENTS_MAX)]]
    for each in over:
        remove(directory, each)
    return sum(each.is_waiting for each in over)


def load_mailbox(directory: Path) -> Mailbox:
    try:
        table = json.loads((directory / MAILBOX).read_bytes())
        sent = tuple(filter(None, map(_instant, table["sent"])))
        return Mailbox(sent, int(table["dropped"]))
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return Mailbox()


def save_mailbox(directory: Path, mailbox: Mailbox) -> None:
    private_directory(directory)
    replace_file(directory / MAILBOX, json.dumps(asdict(mailbox), default=datetime.isoformat).encode())


def replace_file(path: Path, content: bytes) -> None:
    """The file is the old one or the new one, never a mixture and never absent, even after a power cut."""
    partial = path.with_suffix(PARTIAL)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    give_to_owner(partial)
    partial.replace(path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _parse(content: bytes) -> Incident:
    """Raises ValueError for whatever is no incident."""
    table = json.loads(content)
    if not isinstance(table, dict) or set(table) != {each.name for each in fields(Incident)}:
        raise ValueError("not an incident")
    values: dict[str, Any] = table
    for name in ("first_at", "last_at", "told_at", "recovered_at"):
        values[name] = _instant(values[name])
    _check(isinstance(values[name], str) for name in ("fingerprint", "job", "scope", "kind", "summary", "text"))
    _check(type(values[name]) is int for name in ("status", "count", "mails"))
    _check((isinstance(values["is_waiting"], bool), values["first_at"] and values["last_at"] and values["told_at"]))
    return Incident(**values)


def _instant(value: object) -> datetime | None:
    if value is None:
        return None
    instant = datetime.fromisoformat(value) if isinstance(value, str) else None
    if instant is None or instant.tzinfo is None:
        raise ValueError("not an instant")
    return instant


def _check(claims: Iterable[object]) -> None:
    if not all(claims):
        raise ValueError("not an incident")
