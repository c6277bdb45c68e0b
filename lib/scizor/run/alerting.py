"""Couples the rules of alerting with where their book is kept and with the channels: base.protocols.Alerting.

The table is the book; a file beside it is its copy, and the book itself while PostgreSQL is what died. What then happened is moved into the
table afterwards, by the dedupe key, so nothing is told twice for it. Two steps, each under a lock of its own: what is found is judged and
stored in one transaction; then whatever is due is sent, one process at a time, and noted. Killed in between, the next run sends it: at least
once, and a mail that comes twice has the same Message-ID.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from scizor.alert import channels, parcels, rows, rules
from scizor.alert.parcels import Failure, Parcel
from scizor.alert.rules import Book
from scizor.base.config import Config
from scizor.base.errors import BusyError, ScizorError
from scizor.base.lock import hold
from scizor.base.protocols import Finding
from scizor.run.context import Context

if TYPE_CHECKING:
    from psycopg import Connection

LOCK_SECONDS = 5.0  # of the state, which is held for as long as a transaction takes
FINDINGS_MAX = 10_000  # of one run: what is beyond is counted and said
LIMIT_SECONDS = 4.0  # for each channel, all at once: bin/health comes again in a minute

Change = Callable[[Book], Book]


def note(context: Context, findings: Sequence[Finding], *, is_database_there: bool = True) -> list[str]:
    """All that is found now: what is new will be told, what was found and is no more is over. Returns sentences for the log; raises
    nothing that a database, a file or a lock can cause. is_database_there: False spares the attempt to reach it."""
    now, known = context.clock.now(), channels.configured(context.config)
    settle = timedelta(seconds=context.config.alert.recovery_seconds)
    said = [f"{len(findings) - FINDINGS_MAX} findings are too many: they are not noted"] if len(findings) > FINDINGS_MAX else []

    def change(book: Book) -> Book:
        return rules.judge(book, context.name, findings[:FINDINGS_MAX], now, channels=known, settle=settle)

    try:
        return said + _changed(context, change, is_database_there=is_database_there)[1]
    except (ScizorError, OSError) as problem:
        return [*said, f"cannot keep the state of alerts: {problem}", *_without_state(context, findings)]


def drain(context: Context, *, is_database_there: bool = True, limit_seconds: float = LIMIT_SECONDS) -> list[str]:
    """Sends what is due. Returns sentences for the log; raises nothing that a channel, a database, a file or a lock can cause.
    limit_seconds: for each channel, wall; they are sent side by side."""
    try:
        with hold(context.paths.locks, "findings-delivery", {"pid": os.getpid()}):
            return _drain(context, is_database_there, limit_seconds)
    except BusyError:
        return ["another run is telling; what it leaves waits for the next run"]
    except (ScizorError, OSError) as problem:
        return [f"cannot keep the state of alerts: {problem}"]


def _drain(context: Context, is_database_there: bool, limit_seconds: float) -> list[str]:
    now, config = context.clock.now(), context.config
    book, said = _changed(context, lambda book: book, is_database_there=is_database_there)
    due = parcels.due(book, now, config.alert.messages_per_hour)
    if not due:
        return said
    host, quick = socket.gethostname(), _quick(config, limit_seconds)
    with ThreadPoolExecutor(len(due)) as pool:
        answers = list(pool.map(lambda each: channels.send(each.channel, parcels.compose(book, each, host), quick), due))
    known = channels.configured(config)

    def change(book: Book) -> Book:
        for parcel, problem in zip(due, answers, strict=True):
            current = _as_it_is(book, parcel)
            book = parcels.failed(book, current, problem, now, config.alert.attempts_max, known) if problem else parcels.sent(book, current, now)
        return book

    said += [_sentence(parcel, problem) for parcel, problem in zip(due, answers, strict=True)]
    return said + _changed(context, change, is_database_there=is_database_there)[1]


def _changed(context: Context, change: Change, *, is_database_there: bool) -> tuple[Book, list[str]]:
    """The book as it became, kept in the table, or in the file where the table is out of reach. Raises what neither can keep."""
    said: list[str] = []
    directory = context.paths.state / "findings"
    with hold(context.paths.locks, "findings", {"pid": os.getpid()}, wait_seconds=LOCK_SECONDS):
        if is_database_there:
            try:
                with _connection(context) as connection:
                    return _in_table(connection, directory, context, change, said), said
            except ScizorError as problem:
                said.append(f"the table of alerts is out of reach, a file keeps them meanwhile: {problem}")
        before, was_ahead = rows.load(directory)
        after = change(before)
        if after != before or not was_ahead:
            rows.save(directory, _pruned(after, context), is_ahead=was_ahead or after != before)
        return after, said


def _in_table(connection: Connection, directory: Path, context: Context, change: Change, said: list[str]) -> Book:
    from scizor.db import alerting as table

    now = context.clock.now()
    copy, is_ahead = rows.load(directory)
    if is_ahead:
        table.store(connection, rows.alert_rows(copy.alerts.values()), rows.telling_rows(copy.tellings.values()))
        _keep(directory, copy)
        said.append(f"what happened while the database was away is in its table now: {len(copy.alerts)} alerts")
    before = rows.book(*table.load(connection, now - parcels.HOUR), table.silences(connection, now))
    after = change(before)
    alerts = [each for key, each in after.alerts.items() if before.alerts.get(key) != each]
    tellings = [each for key, each in after.tellings.items() if before.tellings.get(key) != each]
    table.store(connection, rows.alert_rows(alerts), rows.telling_rows(tellings))
    if _news(copy) != _news(after):
        _keep(directory, after)
    return after


def _keep(directory: Path, book: Book) -> None:
    """The copy of the table. A full disk takes none; an old one would say what is not so any more."""
    try:
        rows.save(directory, book, is_ahead=False)
    except OSError:
        with contextlib.suppress(OSError):
            (directory / rows.NAME).unlink()


def _news(book: Book) -> object:
    """What a copy must know: what is open and what was told; not that it was seen once more."""
    return {key: (each.resolved_at, each.acked_at, each.muted, each.severity) for key, each in book.alerts.items()}, book.tellings, book.silences


def _pruned(book: Book, context: Context) -> Book:
    """Without what is long over, which no table takes away while it is out of reach."""
    since = context.clock.now() - parcels.HOUR
    waiting = {each.alert for each in book.tellings.values() if each.is_waiting}
    alerts = {key: each for key, each in book.alerts.items() if each.resolved_at is None or each.resolved_at > since - timedelta(days=2) or key in waiting}
    return replace(book, alerts=alerts, tellings={key: each for key, each in book.tellings.items() if each.alert in alerts})


def _as_it_is(book: Book, parcel: Parcel) -> Parcel:
    """The parcel's tellings as they are in the book now: what was judged meanwhile is not undone."""
    return Parcel(parcel.channel, tuple(book.tellings.get(each.key, each) for each in parcel.tellings))


def _without_state(context: Context, findings: Sequence[Finding]) -> list[str]:
    """Neither table nor file: once an hour all that is found is told at once, without a memory of it."""
    now, known = context.clock.now(), channels.configured(context.config)
    if now.minute != 0 or not findings:
        return []
    book = rules.judge(Book(), context.name, findings[:FINDINGS_MAX], now, channels=known)
    quick, host = _quick(context.config, LIMIT_SECONDS), socket.gethostname()
    return [_sentence(each, channels.send(each.channel, parcels.compose(book, each, host), quick)) for each in parcels.due(book, now, 2)]


def _sentence(parcel: Parcel, problem: Failure | None) -> str:
    return f"{parcel.channel} waits: {problem.text}" if problem else f"told {parcel.channel} of {len({each.alert for each in parcel.tellings})} alerts"


def _quick(config: Config, seconds: float) -> Config:
    return replace(
        config, mail=replace(config.mail, timeout_seconds=min(config.mail.timeout_seconds, seconds)),
        alert=replace(config.alert, timeout_seconds=min(config.alert.timeout_seconds, seconds)),
    )  # fmt: skip


@contextlib.contextmanager
def _connection(context: Context) -> Iterator[Connection]:
    """A connection of its own: the job's may be closed, or in a transaction that failed."""
    from scizor.db.connect import connect
    from scizor.run.servers import database_server

    with database_server(context.config) as server, connect(server, application=context.name) as connection:
        yield connection
