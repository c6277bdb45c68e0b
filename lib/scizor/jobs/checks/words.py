"""The words of a check: status, remark, answer, facts. No I/O; every judge speaks them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Any

from scizor.base.clock import Clock
from scizor.base.config import Config
from scizor.base.paths import Paths
from scizor.base.protocols import Severity

SHOWN_MAX = 4  # remarks of one check that its line names; the rest is counted


class Status(IntEnum):
    """Nagios' numbers. `rank` says which wins: something critical is worse than something that could not be seen."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3

    @property
    def rank(self) -> int:
        return (0, 1, 3, 2)[self]


def worst(found: Sequence[Status]) -> Status:
    return max(found, key=lambda each: each.rank, default=Status.OK)


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing that is not as it should be. scope: what tells it from others of the same check (a job, an exchange), "" where the
    check has one. hint: the next command, where it differs from the check's own. since: aware, where it is known."""

    status: Status
    text: str
    scope: str = ""
    hint: str = ""
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a judge says. value: what was seen, for the line of a check that is well."""

    value: str
    remarks: tuple[Remark, ...] = ()

    @property
    def status(self) -> Status:
        return worst([each.status for each in self.remarks])


@dataclass(frozen=True, slots=True)
class Moment:
    """What every judge may know besides its facts. now: the product's clock; wall: the machine's; both aware, UTC.
    clock: for what a reader waits for. is_paused: bin/pause holds the jobs. asked_by: the job that looks. held: by lock, since when it
    was held last. earlier: by check, since when it is as bin/health saw it last, with its status' name."""

    now: datetime
    wall: datetime
    config: Config
    paths: Paths
    clock: Clock
    is_paused: bool = False
    asked_by: str = "check"
    held: Mapping[str, datetime] = field(default_factory=dict)
    earlier: Mapping[str, tuple[str, datetime]] = field(default_factory=dict)

    def troubled_since(self, name: str) -> datetime:
        """Since when the check has been anything but ok; now, where it was."""
        status, since = self.earlier.get(name, ("ok", self.now))
        return self.now if status == "ok" else min(since, self.now)


#: Facts of a check: rows of its query, or whatever its reader saw.
Facts = Any
Judge = Callable[[Facts, Moment], Answer]


@dataclass(frozen=True, slots=True)
class Check:
    """One row of the table. query: a file of sql/queries whose rows are the facts; else `read` gives them. threshold: for people.
    hint: the next command. severity: of the alert when it is critical; a warning is one step lower. is_ready: for --ready
    only. limit_seconds: of wall time; after it the check is unknown."""

    name: str
    judge: Judge
    threshold: str
    hint: str
    query: str = ""
    read: Callable[[Moment], Facts] | None = None
    severity: Severity = Severity.HIGH
    is_ready: bool = False
    limit_seconds: float = 5.0


@dataclass(frozen=True, slots=True)
class Line:
    """A check that was looked at."""

    check: Check
    status: Status
    value: str
    since: datetime | None = None
    hint: str = ""
    remarks: tuple[Remark, ...] = ()


def line_of(check: Check, answer: Answer, moment: Moment) -> Line:
    """The remarks of an answer in one line, the worst first."""
    remarks = tuple(sorted(answer.remarks, key=lambda each: -each.status.rank))
    if not remarks:
        return Line(check, Status.OK, answer.value, _since(check.name, Status.OK, moment))
    texts = [each.text for each in remarks[:SHOWN_MAX]]
    if len(remarks) > SHOWN_MAX:
        texts.append(f"and {len(remarks) - SHOWN_MAX} more")
    instants = [each.since for each in remarks if each.since is not None]
    since = min(instants) if instants else _since(check.name, remarks[0].status, moment)
    return Line(check, remarks[0].status, "; ".join(texts), since, remarks[0].hint or check.hint, remarks)


def _since(name: str, status: Status, moment: Moment) -> datetime | None:
    """As bin/health saw it last, if it was the same then: well or not well."""
    before, since = moment.earlier.get(name, ("", moment.now))
    return since if before and (before == "ok") == (status is Status.OK) else None


def unseen(check: Check, why: str, hint: str = "", status: Status = Status.UNKNOWN) -> Line:
    """The line of a check that could not be looked at."""
    return Line(check, status, why, None, hint or check.hint, (Remark(status, why, hint=hint),))


# ---- judging numbers and ages ----------------------------------------------------------------------------------------


def above(value: float, warning: float, critical: float) -> Status:
    """More is worse; a limit itself is still well."""
    return Status.CRITICAL if value > critical else Status.WARNING if value > warning else Status.OK


def below(value: float, warning: float, critical: float) -> Status:
    """Less is worse; a limit itself is still well."""
    return Status.CRITICAL if value < critical else Status.WARNING if value < warning else Status.OK


def one(status: Status, text: str, **more: Any) -> Answer:
    """An answer of one figure: a remark where it is not well."""
    return Answer(text, () if status is Status.OK else (Remark(status, text, **more),))


def ago(span: timedelta) -> str:
    """"3 min", "5 h", "12 days": for people."""
    seconds = max(0.0, span.total_seconds())
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    if seconds < 172800:
        return f"{seconds / 3600:.0f} h"
    return f"{seconds / 86400:.0f} days"


def at(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%d %H:%M UTC")


def size(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
