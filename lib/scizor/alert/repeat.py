"""The rule of repetition, pure: at once, after an hour, then daily, then "recovered".

What a person was told is part of the state: an incident is open from its first failure until a success has been told.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from scizor.alert.text import one_line, plain
from scizor.base.exit import Exit
from scizor.base.masking import mask
from scizor.base.protocols import Message, Severity

SECOND_MAIL_AFTER = timedelta(hours=1)
#: A job that runs once a day fails a second earlier on some days: a full day would make it every other day.
NEXT_MAILS_AFTER = timedelta(days=1) - timedelta(minutes=10)
CLOCK_TOLERANCE = timedelta(minutes=1)  # between processes; beyond it the clock was set back
TEXT_MAX = 6_000  # characters
LINES_MAX = 60

#: Endings that are neither failure nor success: somebody else is at it, or a person stopped it.
UNTOLD = frozenset({Exit.BUSY, Exit.INTERRUPTED, Exit.TERMINATED})


@dataclass(frozen=True, slots=True)
class Failure:
    """A run that failed. summary: one line for the subject; text: what was printed for a person, at most 40 lines.

    kind: the error's class name, or what else tells one cause from another; never a text with symbols in it.
    """

    job: str
    scope: str
    status: int
    kind: str
    summary: str = ""
    text: str = ""

    @property
    def fingerprint(self) -> str:
        parts = (self.job, self.scope, str(int(self.status)), self.kind)
        return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Success:
    """A run that ended well. is_idle: it proves nothing, because nothing was due, or because what failed before was
    not tried (its next time lies ahead): such a success recovers nothing."""

    job: str
    scope: str
    is_idle: bool = False


@dataclass(frozen=True, slots=True)
class Incident:
    """An open failure. Instants in UTC.

    count: failures so far. mails: how many were decided on, told_at: the last of them. is_waiting: it has not been
    delivered yet. recovered_at: the success that waits to be told. summary, text: the newest, masked and cut.
    """

    fingerprint: str
    job: str
    scope: str
    status: int
    kind: str
    summary: str
    text: str
    first_at: datetime
    last_at: datetime
    told_at: datetime
    count: int = 1
    mails: int = 1
    is_waiting: bool = True
    recovered_at: datetime | None = None

    @property
    def step(self) -> tuple[datetime, int, datetime | None]:
        """What tells one mail of this incident from another."""
        return self.first_at, self.mails, self.recovered_at


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a failure: the incident as it is now, whether to mail, and when the next mail can be."""

    incident: Incident
    is_mail: bool
    next_at: datetime


def due(state: Incident | None, failure: Failure, now: datetime) -> Decision:
    """Whether this failure, known or not, is to be mailed now."""
    summary, text = one_line(mask(failure.summary)), _cut(plain(mask(failure.text)))
    if state is None:
        opened = Incident(
            failure.fingerprint, failure.job, failure.scope, int(failure.status), failure.kind, summary, text,
            first_at=now, last_at=now, told_at=now,
        )  # fmt: skip
        return Decision(opened, True, now + SECOND_MAIL_AFTER)
    again = replace(state, summary=summary, text=text, last_at=now, count=state.count + 1, recovered_at=None)
    if state.recovered_at is not None:
        # It failed again before anybody could be told that it had recovered: for the reader it never ended.
        return Decision(replace(again, told_at=now, mails=state.mails + 1, is_waiting=True), True, now + NEXT_MAILS_AFTER)
    next_at = state.told_at + (SECOND_MAIL_AFTER if state.mails == 1 else NEXT_MAILS_AFTER)
    if now >= next_at or now < state.told_at - CLOCK_TOLERANCE:  # a clock that was set back mutes nothing
        return Decision(replace(again, told_at=now, mails=state.mails + 1, is_waiting=True), True, now + NEXT_MAILS_AFTER)
    return Decision(again, False, next_at)


def recovered(state: Incident, now: datetime) -> Incident:
    """The incident after a success: over, and waiting to be told so."""
    return state if state.recovered_at else replace(state, recovered_at=now, is_waiting=True)


def compose(incident: Incident, host: str) -> Message:
    """What a person reads about one incident."""
    job, scope = one_line(incident.job), one_line(incident.scope)
    name = f"{job} [{scope}]" if scope else job
    times = "once" if incident.count == 1 else f"{incident.count} times"
    labels = {"job": job, "scope": scope, "status": str(incident.status), "kind": one_line(incident.kind)}
    if incident.recovered_at:
        since = f"It failed {times}, first at {_at(incident.first_at)}, last at {_at(incident.last_at)}."
        body = f"{name} succeeded at {_at(incident.recovered_at)}.\n{since}\n\nThe last failure said:\n\n{incident.text}\n\n-- \nscizor on {host}\n"
        subject = f"scizor: {name} recovered, had failed {times} since {_at(incident.first_at)}"
        return Message(incident.fingerprint, Severity.LOW, subject, body, incident.recovered_at, recovered=True, labels=labels)
    what = f"still fails, {times} since {_at(incident.first_at)}" if incident.mails > 1 else "failed"
    subject = f"scizor: {name} {what} ({incident.status}): {incident.summary}"
    next_mail = "in an hour" if incident.mails == 1 else "in a day"
    body = (
        f"{incident.text}\n\n-- \nscizor on {host}. Failed {times}, first at {_at(incident.first_at)}, last at {_at(incident.last_at)}.\n"
        f"The same failure mails again {next_mail} at the earliest, and once more when it has recovered.\n"
    )
    return Message(incident.fingerprint, _severity(incident.status), subject, body, incident.told_at, labels=labels)


def _severity(status: int) -> Severity:
    if status in (Exit.REFUSED, Exit.NO_SPACE):
        return Severity.CRITICAL
    return Severity.MEDIUM if status in (Exit.PARTIAL, Exit.FINDING) else Severity.HIGH


def _cut(text: str) -> str:
    """The beginning says what happened; so the end is what goes."""
    lines = text.strip("\n").split("\n")
    kept = "\n".join(lines[:LINES_MAX])[:TEXT_MAX]
    return kept if kept == "\n".join(lines) else kept + "\n[cut; the whole is in the log]"


def _at(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%d %H:%M UTC")
