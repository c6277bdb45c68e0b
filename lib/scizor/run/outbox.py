"""Couples the failure mail with its state: what a run reports becomes at most one mail, and no run fails because of it.

Two steps. The incident is decided on and stored under one lock, in milliseconds; then whatever waits is delivered under
another, one process at a time, so that a slow relay keeps nobody from deciding. Killed between the two, the next run of
any job delivers; killed between delivery and its note, a mail arrives twice with the same Message-ID.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from scizor.alert import incidents, mail, repeat
from scizor.alert.incidents import Mailbox
from scizor.alert.repeat import Failure, Incident, Success
from scizor.alert.text import one_line
from scizor.base.clock import Clock
from scizor.base.config import Config, MailConfig
from scizor.base.errors import BusyError, ScizorError
from scizor.base.lock import hold
from scizor.base.paths import Paths
from scizor.base.protocols import Message, Outbox, Severity

__all__ = ["Failure", "Success", "in_database", "report"]

DECIDE_SECONDS = 5.0  # how long to wait for the lock of decisions, which is held for milliseconds
MAILS_PER_HOUR = 20
SINGLY_MAX = 3  # more than these at once go as one mail
DIGEST_BODY_MAX = 1_500  # characters of each in it
HOUR = timedelta(hours=1)


#: Opens where the database notes alerts; closed when the body ends.
OpenOutbox = Callable[[], AbstractContextManager[Outbox]]


def report(config: Config, paths: Paths, clock: Clock, event: Failure | Success, *, note: OpenOutbox | None = None) -> list[str]:
    """Tells a person what a person must hear of this run, and delivers what still waits of earlier ones.

    note: for a run that has reached its database, see in_database; what is decided on is noted in alerts as well, for
    psql. Opened only when there is something to note. Returns sentences for the log. Raises nothing that a mail, a file, a
    lock or a database can cause.
    """
    if not config.mail.host and note is None:
        return []
    directory = paths.state / "alerts"
    try:
        said, decided = _decide(directory, paths, clock.now(), event)
    except (ScizorError, OSError) as problem:
        return [f"cannot keep the state of alerts: {problem}", *_send_without_state(config.mail, clock.now(), event)]
    if decided and note is not None:
        try:
            with note() as outbox:
                for message in decided:
                    outbox.put(message)
        except (ScizorError, OSError) as problem:
            said.append(f"the database has no note of the alert: {problem}")
    try:
        return said + _deliver(config.mail, directory, paths, clock)
    except BusyError:
        return [*said, "another run is delivering mail; what it leaves waits for the next run"]
    except (ScizorError, OSError) as problem:
        return [*said, f"cannot note what was mailed: {problem}"]


def deliver(config: Config, paths: Paths, clock: Clock) -> list[str]:
    """Sends what waits, if anything does. Sentences for the log; raises nothing that a mail, a file or a lock can cause."""
    try:
        return _deliver(config.mail, paths.state / "alerts", paths, clock)
    except (ScizorError, OSError) as problem:
        return [f"mail waits: {problem}"]


@contextlib.contextmanager
def in_database(config: Config, job: str) -> Iterator[Outbox]:
    """The table of alerts, over a connection of its own: the job's may be closed, or in a transaction that failed."""
    from scizor.db.connect import connect  # late: hardly a run has something to note
    from scizor.db.outbox import PostgresOutbox
    from scizor.run.servers import database_server

    with database_server(config) as server, connect(server, application=job) as connection:
        yield PostgresOutbox(connection)


def _decide(directory: Path, paths: Paths, now: datetime, event: Failure | Success) -> tuple[list[str], list[Message]]:
    """Stores what this run means for the incidents. Returns sentences, and the messages that were decided on."""
    if isinstance(event, Success) and not any(directory.glob("*.json")):
        return [], []  # nearly always
    host = socket.gethostname()
    with hold(paths.locks, "alerts", {"pid": os.getpid()}, wait_seconds=DECIDE_SECONDS):
        said = _prune(directory, now)
        if isinstance(event, Success):
            if event.is_idle:
                return said, []
            over = [each for each in incidents.load_all(directory) if (each.job, each.scope) == (event.job, event.scope)]
            told = [repeat.recovered(each, now) for each in over]
            for before, after in zip(over, told, strict=True):
                if after != before:
                    incidents.save(directory, after)
            return said, [repeat.compose(each, host) for each in told]
        if event.status in repeat.UNTOLD:
            return said, []
        decision = repeat.due(incidents.load(directory, event.fingerprint), event, now)
        incidents.save(directory, decision.incident)
        if decision.is_mail:
            return said, [repeat.compose(decision.incident, host)]
        count, next_at = decision.incident.count, decision.next_at.strftime("%Y-%m-%d %H:%M UTC")
        return [*said, f"the same failure, {count} times now: not mailed again before {next_at}"], []


def _prune(directory: Path, now: datetime) -> list[str]:
    dropped = incidents.prune(directory, now)
    if not dropped:
        return []
    box = incidents.load_mailbox(directory)
    incidents.save_mailbox(directory, replace(box, dropped=box.dropped + dropped))
    return [f"{dropped} mails that could not be delivered were given up"]


@dataclass(frozen=True, slots=True)
class Parcel:
    """One mail, and the incidents of which it tells."""

    message: Message
    tells: tuple[Incident, ...]


def _deliver(config: MailConfig, directory: Path, paths: Paths, clock: Clock) -> list[str]:
    """Sends what waits, oldest first, until the relay fails: the rest waits for the next run. Without a relay it is
    told by the table alone."""
    if not any(each.is_waiting for each in incidents.load_all(directory)):
        return []
    said: list[str] = []
    with hold(paths.locks, "alerts-delivery", {"pid": os.getpid()}, wait_seconds=config.timeout_seconds):
        queue = deque(_pack([each for each in incidents.load_all(directory) if each.is_waiting], clock.now()))
        while queue:
            parcel, now = queue.popleft(), clock.now()
            box = incidents.load_mailbox(directory)
            if not config.host:
                _settle(directory, paths, parcel, box)
                continue
            sent = tuple(each for each in box.sent if now - HOUR < each <= now)
            if len(sent) >= MAILS_PER_HOUR:
                return [*said, f"{1 + len(queue)} mails wait: no more than {MAILS_PER_HOUR} an hour"]
            try:
                refused = mail.send(_with_count(parcel.message, box.dropped), config)
            except mail.ContentRefusedError as problem:
                said.append(f"not mailed: {problem}")
                queue.extend(_singly(parcel.tells) if len(parcel.tells) > 1 else ())
                continue
            except (ScizorError, OSError) as problem:
                return [*said, f"mail waits: {problem}"]
            _settle(directory, paths, parcel, Mailbox((*sent, now)))
            said.append(f"mailed {config.to}: {one_line(parcel.message.subject)}")
            said += [f"the relay refused {address}" for address in refused]
    return said


def _settle(directory: Path, paths: Paths, parcel: Parcel, box: Mailbox) -> None:
    """Notes the delivery, unless the incident has moved on in the meantime and has something new to tell."""
    with hold(paths.locks, "alerts", {"pid": os.getpid()}, wait_seconds=DECIDE_SECONDS):
        incidents.save_mailbox(directory, box)
        for told in parcel.tells:
            current = incidents.load(directory, told.fingerprint)
            if current is None or current.step != told.step:
                continue
            if current.recovered_at:
                incidents.remove(directory, current)
            else:
                incidents.save(directory, replace(current, is_waiting=False))


def _pack(waiting: list[Incident], now: datetime) -> list[Parcel]:
    """One mail a failure; one for all that a single success has ended; one for everything when there is much."""
    groups: dict[object, list[Incident]] = {}
    for each in waiting:
        groups.setdefault((each.job, each.scope) if each.recovered_at else each.fingerprint, []).append(each)
    parcels = [parcel for group in groups.values() for parcel in [_recovery(group) if group[0].recovered_at else _single(group[0])]]
    if len(parcels) <= SINGLY_MAX:
        return parcels
    body = "\n".join(f"{each.message.subject}\n\n{each.message.body[:DIGEST_BODY_MAX]}\n" for each in parcels)
    failed = sum(not each.message.recovered for each in parcels)
    subject = f"scizor: {failed} failures and {len(parcels) - failed} recoveries"
    fingerprint = "digest " + " ".join(sorted(each.fingerprint for each in waiting))
    return [Parcel(Message(fingerprint, Severity.HIGH, subject, body, now), tuple(waiting))]


def _single(incident: Incident) -> Parcel:
    return Parcel(repeat.compose(incident, socket.gethostname()), (incident,))


def _singly(tells: tuple[Incident, ...]) -> list[Parcel]:
    return [_single(each) for each in tells]


def _recovery(group: list[Incident]) -> Parcel:
    """Several failures of one job and scope ended with one success: one mail."""
    first, *others = (repeat.compose(each, socket.gethostname()) for each in group)
    return Parcel(replace(first, body="\n".join([first.body, *(each.body for each in others)])), tuple(group))


def _with_count(message: Message, dropped: int) -> Message:
    note = f"\n{dropped} earlier mails could not be delivered and were given up.\n" if dropped else ""
    return replace(message, body=message.body + note)


def _send_without_state(config: MailConfig, now: datetime, event: Failure | Success) -> list[str]:
    """Without a place for the state a failure is still told; that it repeats itself is the lesser evil."""
    if isinstance(event, Success) or event.status in repeat.UNTOLD:
        return []
    if not config.host:
        return []
    message = repeat.compose(repeat.due(None, event, now).incident, socket.gethostname())
    try:
        mail.send(message, config)
    except (ScizorError, OSError) as problem:
        return [f"not mailed: {problem}"]
    return [f"mailed {config.to}, without a note of it: {one_line(message.subject)}"]
