"""What goes out now, pure: all that is due for a channel is one message, and a storm is three of them and a summary.

In an hour a channel gets `messages_per_hour` messages with news, the last of which is kept for a critical alert that was not told
before; beyond that all waits, repetitions too, and is one summary when the hour allows. Repetitions alone do not count: they come no
oftener than every 15 minutes. A channel that fails is tried again after 30 seconds, doubling; then the next one is told instead.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from scizor.alert.rules import RANK, ROUTES, Alert, Book, Channel, Occasion, Telling
from scizor.alert.text import one_line, plain
from scizor.base.protocols import Message, Severity

HOUR = timedelta(hours=1)
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=30), timedelta(minutes=15)
SHOWN_MAX = 20  # alerts with their whole text in one message; the others a line each
LINES_MAX = 100  # of those
EACH_MAX = 1_500  # characters of each, where there are several


@dataclass(frozen=True, slots=True)
class Parcel:
    """One message through one channel, and what it tells."""

    channel: Channel
    tellings: tuple[Telling, ...]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a channel did not take a message. is_final: the same again would be refused again."""

    text: str
    is_final: bool = False


def due(book: Book, now: datetime, messages_per_hour: int) -> list[Parcel]:
    """At most one parcel a channel: all that is due for it, or nothing while the hour is full."""
    parcels = []
    for channel in Channel:
        waiting = [each for each in book.tellings.values() if each.channel is channel and each.is_waiting and each.next_at <= now]
        if waiting and _may(book, channel, waiting, now, messages_per_hour):
            parcels.append(Parcel(channel, tuple(sorted(waiting, key=lambda each: (each.due_at, each.alert, each.occasion)))))
    return parcels


def sent(book: Book, parcel: Parcel, now: datetime) -> Book:
    """The book once the channel has taken it. One message, one instant."""
    return book.having(tellings=[replace(each, sent_at=now, attempts=each.attempts + 1, last_error="") for each in parcel.tellings])


def failed(book: Book, parcel: Parcel, problem: Failure, now: datetime, attempts_max: int, channels: Collection[Channel]) -> Book:
    """The book once the channel has not: later again, or given up, and then the next channel is told that this one is silent."""
    told = book.by_alert()
    changed: list[Telling] = []
    for each in parcel.tellings:
        tried = replace(each, attempts=each.attempts + 1, last_error=problem.text[:1000])
        if not problem.is_final and tried.attempts < attempts_max:
            changed.append(replace(tried, next_at=now + pause(tried.attempts)))
            continue
        changed.append(replace(tried, given_up_at=now))
        alike = [other for other in told[each.alert] if other.occasion is each.occasion and (other.is_waiting or other.was_tried)]
        used = {other.channel for other in alike if each.occasion is Occasion.RAISED or other.due_at >= each.due_at}
        then = next((other for other in Channel if other in channels and other not in used and other is not each.channel), None)
        if then is not None:
            changed.append(Telling(each.alert, then, each.occasion, now, now, instead_of=each.instead_of or each.channel))
    return book.having(tellings=changed)


def pause(attempts: int) -> timedelta:
    """After so many failures in a row: 30 seconds, doubling to 15 minutes."""
    doubled: int = 2 ** min(attempts - 1, 10)
    return min(FIRST_PAUSE * doubled, LONGEST_PAUSE)


def compose(book: Book, parcel: Parcel, host: str) -> Message:
    """What a person reads: the gravest first; one alert by its own subject, several by their number."""
    told: dict[tuple[str, datetime], list[Telling]] = {}
    for each in parcel.tellings:
        told.setdefault(each.alert, []).append(each)
    rows = sorted(((book.alerts[key], mine) for key, mine in told.items()), key=lambda row: (bool(row[0].resolved_at), -RANK[row[0].severity], row[0].first_at, row[0].fingerprint))
    worst = max((alert.severity for alert, _ in rows), key=lambda each: RANK[each])
    is_over = all(alert.resolved_at for alert, _ in rows)
    texts = [_text(alert, mine, EACH_MAX if len(rows) > 1 else None) for alert, mine in rows[:SHOWN_MAX]]
    rest = [f"- {_headline(alert, mine)}" for alert, mine in rows[SHOWN_MAX : SHOWN_MAX + LINES_MAX]]
    if len(rows) > SHOWN_MAX + LINES_MAX:
        rest.append(f"… and {len(rows) - SHOWN_MAX - LINES_MAX} more: bin/alerts list")
    silent = sorted({each.instead_of for each in parcel.tellings if each.instead_of})
    first = [f"{' and '.join(silent)} did not take this: it comes to you instead.\n"] if silent else []
    body = "\n\n".join([*first, *texts, "\n".join(rest)]).rstrip() + f"\n\n-- \nscizor on {host}; bin/alerts list shows all that is open\n"
    subject = _headline(*rows[0]) if len(rows) == 1 else _count([alert for alert, _ in rows])
    identity = "\n".join(f"{each.alert} {each.occasion} {each.due_at.isoformat()}" for each in parcel.tellings)
    mark = hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    at = max(each.due_at for each in parcel.tellings)  # delivered again, it is the same message
    return Message(mark, worst, one_line(f"scizor: {subject}"), body, at, recovered=is_over)


def _may(book: Book, channel: Channel, waiting: list[Telling], now: datetime, most: int) -> bool:
    """Whether this hour still has room. Messages are told apart by the instant at which the channel took them."""
    recent = [each for each in book.tellings.values() if each.channel is channel and each.sent_at and now - each.sent_at < HOUR]
    news = {each.sent_at for each in recent if each.occasion is not Occasion.REPEATED}
    is_urgent = any(each.occasion is Occasion.RAISED and book.alerts[each.alert].severity is Severity.CRITICAL for each in waiting)
    if all(each.occasion is Occasion.REPEATED for each in waiting):
        return len(news) < most
    return len(news) < (most if is_urgent else most - 1)


def _headline(alert: Alert, mine: list[Telling]) -> str:
    name = alert.rule + (f" [{alert.scope}]" if alert.scope else "")
    if alert.resolved_at:
        was_told = any(each.occasion is Occasion.RESOLVED for each in mine)
        return one_line(f"{name} {'recovered' if was_told else 'came and went'}: {alert.subject}")
    still = " still" if any(each.occasion is Occasion.REPEATED for each in mine) else ""
    return one_line(f"{alert.severity.upper()}{still}: {alert.subject}")


def _text(alert: Alert, mine: list[Telling], most: int | None) -> str:
    times = "once" if alert.times == 1 else f"{alert.times} times"
    when = f"Found {times}, first at {_at(alert.first_at)}" + (f", over at {_at(alert.resolved_at)}." if alert.resolved_at else f", last at {_at(alert.last_at)}.")
    return f"{_headline(alert, mine)}\n{plain(alert.body)[:most]}\n{when}"


def _count(alerts: list[Alert]) -> str:
    counted = [(each, sum(alert.severity is each and not alert.resolved_at for alert in alerts)) for each in ROUTES]
    over = sum(alert.resolved_at is not None for alert in alerts)
    return ", ".join([f"{count} {severity}" for severity, count in counted if count] + ([f"{over} over"] if over else [])) + f": {alerts[0].subject}"


def _at(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%d %H:%M UTC")
