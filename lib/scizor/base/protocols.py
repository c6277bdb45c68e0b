"""The words that two strangers share. Rooms of floor 4 never meet: what one needs of another is a Protocol here, and
run/ hands it the implementation.

Pacing: ib.pacing knows the rules and decides (pure), db.ledger keeps the history that all processes share and asks for
the decision inside its lock. Neither imports the other; both speak PacingRequest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol


class PacingClass(StrEnum):
    """Who goes first when the budget is short; in order of precedence."""

    LIVE = "live"
    DAILY = "daily"
    GAP_FILL = "gap-fill"
    BACKFILL = "backfill"
    PROBE = "probe"  # questions about the vendor himself


class PacingRule(StrEnum):
    HARD = "hard"  # IB's published rule: 60 in 600 s, 6 in 2 s a contract, identical within 15 s
    SOFT = "soft"  # bars of a minute and more: no published number; concurrency adapts


@dataclass(frozen=True, slots=True)
class PacingRequest:
    """A request as pacing sees it, past or wanted.

    key: what makes two requests identical (contract, bar size, what, hours, range). contract_key: contract, exchange
    and tick type, for the rule of six in two seconds. weight: 2 for BID_ASK. reserved_at, counted_at: aware, UTC.
    counted_at is the last instant at which the Gateway can have read it: the first frame that answers it; None while
    that is unknown, which counts as "now"; for a dead process, the instant at which its death was noticed.
    is_open: it occupies one of IB's 50 open slots.
    """

    key: str
    contract_key: str
    rule: PacingRule
    weight: int = 1
    pacing_class: PacingClass = PacingClass.DAILY
    reserved_at: datetime | None = None
    counted_at: datetime | None = None
    is_open: bool = False


@dataclass(frozen=True, slots=True)
class Grant:
    """A committed reservation: send now, then settle with the same id."""

    id: int
    request: PacingRequest


#: decide(history, request, now) -> the earliest instant at which the request may be sent (<= now means now).
Decide = Callable[[Sequence[PacingRequest], PacingRequest, datetime], datetime]


class Ledger(Protocol):
    """The one pacing budget of the login, shared by every process. Each call is one short transaction."""

    def reserve(self, request: PacingRequest, decide: Decide, now: datetime) -> Grant | datetime:
        """A committed grant, or the instant at which asking again makes sense."""
        ...

    def answered(self, grant: Grant, at: datetime) -> None:
        """The first frame that answers it arrived: from here on it counts from `at`."""
        ...

    def closed(self, grant: Grant, at: datetime) -> None:
        """The request is over (answered, cancelled, lost): its open slot is free."""
        ...


class Severity(StrEnum):
    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


@dataclass(frozen=True, slots=True)
class Message:
    """Something that a person must hear. fingerprint: rule and scope, never the text; equal ones are one alert."""

    fingerprint: str
    severity: Severity
    subject: str
    body: str
    at: datetime
    recovered: bool = False
    labels: dict[str, str] = field(default_factory=dict)


class Outbox(Protocol):
    """Where messages wait until they are delivered, at least once."""

    def put(self, message: Message) -> None: ...

    def open(self, prefix: str) -> list[str]:
        """Fingerprints of open messages that begin so."""
        ...


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a check found: open for as long as it is found again, over when it is not. rule: which check; scope: what tells it
    from others of that rule. hint: the next command. labels: by which findings are grouped and silenced."""

    rule: str
    scope: str
    severity: Severity
    subject: str
    body: str
    hint: str
    labels: dict[str, str] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        return f"{self.rule}/{self.scope}" if self.scope else self.rule


class Alerting(Protocol):
    """Who tells a person. context: the run's, which only run/ knows."""

    def note(self, context: Any, findings: Sequence[Finding]) -> list[str]:
        """All that is found now: what is new is told, what was found and is no more is resolved. Sentences for the log."""
        ...

    def drain(self, context: Any) -> list[str]:
        """Delivers what waits. Sentences for the log."""
        ...
