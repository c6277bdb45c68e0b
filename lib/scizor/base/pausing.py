"""Whether jobs are held: one file in the state directory, written by bin/pause and read by every job before it does anything.

A file, not a table: the database may be what is being repaired. Every pause ends by itself, a forgotten one too.
"""

from __future__ import annotations

import contextlib
import json
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from scizor.base.errors import UsageError
from scizor.base.paths import give_to_owner, private_directory

FILE = "paused.json"
USUAL, MOST = timedelta(hours=2), timedelta(hours=24)
REASON_MAX = 200  # characters
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


class Pause(NamedTuple):
    """since, until: UTC. by: who asked for it."""

    since: datetime
    until: datetime
    by: str = ""
    reason: str = ""

    @property
    def told(self) -> str:
        return f"paused until {self.until:%Y-%m-%d %H:%M} UTC" + (f" ({self.reason})" if self.reason else "")


def duration(text: str) -> timedelta:
    """30m, 2h or 1d. UsageError for anything else, and for more than a day: what is forgotten must end by itself."""
    match = re.fullmatch(r"([0-9]{1,4})([mhd])", text, re.ASCII)
    length = timedelta(**{_UNITS[match[2]]: int(match[1])}) if match else timedelta(0)
    if not timedelta(0) < length <= MOST:
        raise UsageError(f"{text!r} is no duration of up to a day", hint="--for 30m, --for 2h, --for 1d")
    return length


def read(state: Path, now: datetime) -> Pause | None:
    """The pause that holds at `now`; None: none, or it is over. A file that cannot be read holds jobs for the usual time after it
    was written: somebody wanted it."""
    path = state / FILE
    try:
        text, written = path.read_text(encoding="utf-8", errors="replace"), path.stat().st_mtime
    except OSError:
        return None
    try:
        found = json.loads(text)
        since, until = (datetime.fromisoformat(str(found[each])) for each in ("since", "until"))
        pause = Pause(since, min(until, since + MOST), str(found.get("by", ""))[:REASON_MAX], str(found.get("reason", ""))[:REASON_MAX])
    except (ValueError, TypeError, KeyError, AttributeError):
        since = datetime.fromtimestamp(written, now.tzinfo)
        pause = Pause(since, since + USUAL, reason=f"{path} cannot be read")
    try:
        return pause if now < pause.until else None
    except TypeError:  # an instant without a zone
        return Pause(now, now + USUAL, reason=f"{path} names no time zone")


def write(state: Path, pause: Pause) -> None:
    """Holds jobs from now on. The file is the old one or the new one."""
    private_directory(state)
    partial = state / f"{FILE}.partial"
    partial.write_text(json.dumps({"since": pause.since.isoformat(), "until": pause.until.isoformat(), "by": pause.by, "reason": pause.reason}))
    give_to_owner(partial)
    partial.replace(state / FILE)


def end(state: Path) -> bool:
    """Whether there was one."""
    with contextlib.suppress(FileNotFoundError):
        (state / FILE).unlink()
        return True
    return False
