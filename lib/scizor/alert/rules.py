"""The rules of alerting, pure: what is open and what is found now give what is raised, repeated, resolved, and told to whom.

One open alert a fingerprint, which is rule and scope and never the text. What follows from a loss that is told already (the gateway,
the database, the feed) is a row and not told. A channel is told of an alert once; a critical one again after 15 minutes, a high one
after four hours, a medium one in the digest of the day; and once more when it is over. What comes back before that was told never ended.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum

from scizor.base.masking import mask
from scizor.base.protocols import Finding, Severity

SETTLE = timedelta(minutes=2)
REPEAT = {Severity.CRITICAL: timedelta(minutes=15), Severity.HIGH: timedelta(hours=4)}
DIGEST_AT = time(6, 0, tzinfo=UTC)  # between Sydney's close and Europe's open
FINGERPRINT_MAX, SUBJECT_MAX, BODY_MAX = 200, 200, 8000  # characters, as the table's CHECKs say
RANK = {each: rank for rank, each in enumerate((Severity.LOW, Severity.MEDIUM, Severity.HIGH, Severity.CRITICAL))}


class Channel(StrEnum):
    """In the order in which one stands in for another."""

    MAIL = "mail"
    SLACK_ALERTS = "slack-alerts"
    SMS = "sms"
    WEBHOOK = "webhook"
    SLACK_PERFORMANCE = "slack-performance"


class Occasion(StrEnum):
    RAISED = "raised"
    REPEATED = "repeated"
    RESOLVED = "resolved"


ROUTES: Mapping[Severity, tuple[Channel, ...]] = {
    Severity.CRITICAL: (Channel.MAIL, Channel.SMS, Channel.SLACK_ALERTS, Channel.WEBHOOK),
    Severity.HIGH: (Channel.MAIL, Channel.SLACK_ALERTS, Channel.WEBHOOK),
    Severity.MEDIUM: (Channel.SLACK_PERFORMANCE, Channel.WEBHOOK),
    Severity.LOW: (),
}

#: What follows from the loss of a thing, by rule. A finding adds to it with its label `inhibited_by`.
FOLLOWERS: Mapping[str, frozenset[str]] = {
    "database": frozenset({
        "schema", "mode", "server", "clock", "jobs", "running", "failures", "coverage", "newest", "doubts", "calendars", "partitions",
        "pacing", "permissions", "session", "connection", "alerts", "growth", "backups", "store",
    }),
    "gateway": frozenset({
        "gateway-clock", "connection", "permissions", "failures", "coverage", "newest", "session", "feed", "freshness", "tick-rate", "latency",
        "lines", "book", "uptime",
    }),
    "feed": frozenset({"freshness", "tick-rate", "latency", "lines", "book", "newest"}),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Alert:
    """What a person must hear. source: who found it (a job), and who alone says that it is over. muted: why it is not told: the rule it
    follows from, or silence. Instants in UTC."""

    source: str
    rule: str
    scope: str
    severity: Severity
    subject: str
    body: str
    first_at: datetime
    last_at: datetime
    times: int = 1
    labels: Mapping[str, str] = field(default_factory=dict)
    resolved_at: datetime | None = None
    acked_at: datetime | None = None
    muted: str = ""

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.source, self.rule, self.scope)

    @property
    def key(self) -> tuple[str, datetime]:
        return self.fingerprint, self.first_at


@dataclass(frozen=True, slots=True)
class Telling:
    """One telling of one alert through one channel. key: the dedupe key, with the alert's. next_at: not tried before. A telling that was
    given up without an attempt was withdrawn: nobody was to hear of it after all. instead_of: the channel that it stands in for."""

    alert: tuple[str, datetime]
    channel: Channel
    occasion: Occasion
    due_at: datetime
    next_at: datetime
    attempts: int = 0
    sent_at: datetime | None = None
    given_up_at: datetime | None = None
    last_error: str = ""
    instead_of: str = ""

    @property
    def key(self) -> tuple[tuple[str, datetime], Channel, Occasion, datetime]:
        return self.alert, self.channel, self.occasion, self.due_at

    @property
    def is_waiting(self) -> bool:
        return self.sent_at is None and self.given_up_at is None

    @property
    def was_tried(self) -> bool:
        return self.sent_at is not None or self.attempts > 0


@dataclass(frozen=True, slots=True)
class Silence:
    """A rule that is not told until then; scope empty: whatever its scope."""

    rule: str
    scope: str
    until: datetime

    def covers(self, rule: str, scope: str, now: datetime) -> bool:
        return self.rule == rule and self.scope in ("", scope) and now < self.until


@dataclass(frozen=True, slots=True)
class Book:
    """All that is open, and what of it was told or waits: the state that a table and a file can both hold."""

    alerts: Mapping[tuple[str, datetime], Alert] = field(default_factory=dict)
    tellings: Mapping[object, Telling] = field(default_factory=dict)
    silences: tuple[Silence, ...] = ()

    @property
    def open(self) -> dict[str, Alert]:
        return {each.fingerprint: each for each in self.alerts.values() if each.resolved_at is None}

    def by_alert(self) -> dict[tuple[str, datetime], list[Telling]]:
        found: dict[tuple[str, datetime], list[Telling]] = {}
        for each in self.tellings.values():
            found.setdefault(each.alert, []).append(each)
        return found

    def having(self, alerts: Iterable[Alert] = (), tellings: Iterable[Telling] = ()) -> Book:
        """With these instead of their former selves."""
        return Book({**self.alerts, **{each.key: each for each in alerts}}, {**self.tellings, **{each.key: each for each in tellings}}, self.silences)


def judge(
    book: Book, source: str, findings: Sequence[Finding], now: datetime, *, channels: Collection[Channel], settle: timedelta = SETTLE
) -> Book:
    """The book after `source` has looked: findings are all that it finds now, and what it found before and does not now is over.

    settle: how long a recovery must last to be told. channels: those that are configured; a severity of which none is goes to the first other one from high upwards, for it must be heard.
    """
    known, told = book.open, book.by_alert()
    ending = {each.fingerprint: each for each in book.alerts.values() if each.resolved_at and now - each.resolved_at < settle}
    worst: dict[str, Finding] = {}
    for each in findings:
        name = fingerprint(source, each.rule, each.scope)
        if name not in worst or RANK[each.severity] > RANK[worst[name].severity]:
            worst[name] = each
    lost = {each.rule for each in findings if RANK[each.severity] >= RANK[Severity.HIGH]}
    lost |= {each.rule for each in known.values() if each.source != source and RANK[each.severity] >= RANK[Severity.HIGH]}
    alerts: list[Alert] = []
    tellings: list[Telling] = []
    for name, found in worst.items():
        before = known.get(name) or ending.get(name)
        mine = told.get(before.key, []) if before else []
        alert = _alert(before, source, found, now, _muted(found, lost, book.silences, now))
        alerts.append(alert)
        waiting = [each for each in mine if each.is_waiting]
        if before is not None and before.resolved_at:
            tellings += [withdrawn(each, now, "it came back") for each in waiting if each.occasion is Occasion.RESOLVED]
        if alert.muted:
            tellings += [withdrawn(each, now, alert.muted) for each in waiting if not each.was_tried]
        else:
            tellings += _due(alert, mine, now, routes(alert.severity, channels))
    for name, alert in known.items():
        if alert.source == source and name not in worst:
            alerts.append(replace(alert, resolved_at=now, muted=""))
            tellings += _over(alert, told.get(alert.key, []), now, now + settle)
    return book.having(alerts, tellings)


def routes(severity: Severity, channels: Collection[Channel]) -> tuple[Channel, ...]:
    """Through which of the configured channels this is told. What must be heard goes through any, if its own are not configured."""
    found = tuple(each for each in ROUTES[severity] if each in channels)
    if not found and RANK[severity] >= RANK[Severity.HIGH]:
        return tuple(each for each in Channel if each in channels)[:1]
    return found


def fingerprint(source: str, rule: str, scope: str) -> str:
    """Who found it, rule and scope; at most 200 characters, and never one that is cut and so another's."""
    whole = clean("/".join((source, rule, scope) if scope else (source, rule)))
    if len(whole) <= FINGERPRINT_MAX:
        return whole
    mark = hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{whole[: FINGERPRINT_MAX - 17]}~{mark}"


def clean(text: str) -> str:
    """What every place that keeps it gives back as it was: no control characters, and nothing that is no Unicode."""
    return text if text.isprintable() else "".join(each if each.isprintable() else "?" for each in text)


def withdrawn(telling: Telling, now: datetime, why: str) -> Telling:
    return replace(telling, given_up_at=now, last_error=f"withdrawn: {why}"[:1000])


def repeats_at(severity: Severity, told_at: datetime) -> datetime:
    """When what was told then is told again."""
    if severity in REPEAT:
        return told_at + REPEAT[severity]
    digest = datetime.combine(told_at.date(), DIGEST_AT)
    return digest if digest > told_at else digest + timedelta(days=1)


def _alert(before: Alert | None, source: str, found: Finding, now: datetime, muted: str) -> Alert:
    body = mask(f"{found.body}\n\nHINT: {found.hint}" if found.hint else found.body)[:BODY_MAX]
    subject, labels = mask(found.subject)[:SUBJECT_MAX], {name: mask(value) for name, value in found.labels.items()}
    if before is None:
        return Alert(source, clean(found.rule), clean(found.scope), found.severity, subject, body, now, now, labels=labels, muted=muted)
    return replace(
        before, severity=found.severity, subject=subject, body=body, labels=labels, muted=muted, resolved_at=None,
        last_at=max(now, before.last_at), times=before.times + 1,
    )  # fmt: skip


def _muted(found: Finding, lost: Collection[str], silences: Sequence[Silence], now: datetime) -> str:
    """Why this is not told; empty: it is."""
    if any(each.covers(found.rule, found.scope, now) for each in silences):
        return "silence"
    named = {each.strip() for each in found.labels.get("inhibited_by", "").split(",")}
    for rule in sorted(lost):
        if rule != found.rule and (rule in named or found.rule in FOLLOWERS.get(rule, ())):
            return rule
    return ""


def _due(alert: Alert, mine: Sequence[Telling], now: datetime, channels: Sequence[Channel]) -> list[Telling]:
    """What is to be told of an open alert now: to whom it was not told yet, and to whom it is time to tell it again."""
    found = []
    for channel in channels:
        told = [each for each in mine if each.channel is channel and each.occasion is not Occasion.RESOLVED and (each.is_waiting or each.was_tried)]
        if not told:
            found.append(Telling(alert.key, channel, Occasion.RAISED, now, now))
        elif alert.acked_at is None and not any(each.is_waiting for each in told):
            last = max(at for each in told for at in (each.sent_at or each.given_up_at,) if at)
            if now >= repeats_at(alert.severity, last):
                found.append(Telling(alert.key, channel, Occasion.REPEATED, now, now))
    return found


def _over(alert: Alert, mine: Sequence[Telling], now: datetime, at: datetime) -> list[Telling]:
    """The recovery goes where the alert went, or is about to go; a repetition that waits is news no more."""
    changed = [withdrawn(each, now, "over") for each in mine if each.is_waiting and each.occasion is Occasion.REPEATED]
    heard = {each.channel for each in mine if each.occasion is not Occasion.RESOLVED and (each.sent_at or (each.is_waiting and each.occasion is Occasion.RAISED))}
    return changed + [Telling(alert.key, channel, Occasion.RESOLVED, at, at) for channel in Channel if channel in heard]
