"""Refused bars and what a person decides about them. A release is a request of its own: the bar goes through the one path, under
every rule but the one that was overruled, and its row in collection_logs says who released it and why.

The verdict is committed first: the rules read it (sql/queries/refused_*.sql), now and whenever the vendor sends the same bar
again. A release that dies between the two is finished by running it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

import psycopg

from scizor.base.errors import FindingError, UsageError
from scizor.db import calendar, symbols, windows
from scizor.db.runs import Run
from scizor.db.sql import query
from scizor.market.coverage import dates_of, expected
from scizor.market.types import Bar, Instrument, Kind, Origin, Outcome, OutcomeKind, Session, Timeframe, Window
from scizor.market.validate import RULES, Severity, Staged, check
from scizor.market.validate import Series as Rules

Connection = psycopg.Connection[tuple[Any, ...]]

#: Rules that a person may overrule: the bar could have happened, and the table can hold it. What else is refused is impossible.
RELEASABLE = {"stale_session", "dup_conflict", "legacy_conflict", "wap_range", "another_contract"}
NOTE_MAX = 500  # characters, as the column's CHECK says
LIST_MAX = 10_000


class Refusal(NamedTuple):
    """A row of quarantine. raw: open, high, low, close, volume, wap, trades as received. stored: what bars has in its place."""

    id: int
    symbol_id: int
    symbol: str
    calendar: str
    timeframe: str
    origin: int
    kind: str
    source: str
    regular_hours: bool
    timestamp: datetime
    session_date: date | None
    rule: str
    raw: str
    request_id: int
    first_seen_at: datetime
    verdict: str | None
    verdict_by: str | None
    verdict_at: datetime | None
    verdict_note: str | None
    released_request_id: int | None
    asked_at: datetime | None
    start_date: date | None
    end_date: date | None
    run_id: int | None
    stored: str | None


def listed(
    connection: Connection, *, names: Sequence[str] | None = None, rule: str | None = None, first: date | None = None,
    last: date | None = None, decided: bool = False, limit: int = LIST_MAX,
) -> list[dict[str, Any]]:  # fmt: skip
    """Refused bars, newest first. decided: those with a verdict too."""
    values = {"symbols": list(names) if names else None, "rule": rule, "first": first, "last": last, "all": decided, "limit": limit}
    with connection.execute(query("quarantine_list"), values) as cursor:
        columns = [each.name for each in cursor.description or ()]
        return [dict(zip(columns, row, strict=True)) for row in cursor]


def load(connection: Connection, number: int) -> Refusal:
    """One row; UsageError when there is none of this number."""
    row = connection.execute(query("quarantine_row"), {"id": number}).fetchone()
    if row is None:
        raise UsageError(f"nothing in quarantine has the number {number}", hint="bin/quarantine list")
    return Refusal(*row)


def versions(connection: Connection, number: int) -> list[tuple[int, str, str, str | None]]:
    """(number, rule, raw, verdict) of other refused versions of the same bar."""
    return [(row[0], row[1], row[2], row[3]) for row in connection.execute(query("quarantine_versions"), {"id": number})]


def bar_of(row: Refusal) -> Bar:
    """The bar as it was received. ValueError when a price is no number."""
    open_, high, low, close, volume, wap, trades = row.raw.split(",")
    start = row.timestamp.date() if row.timeframe == Timeframe.DAY1 else row.timestamp
    return Bar(
        start, float(open_), float(high), float(low), float(close), float(volume) if volume else None,
        float(wap) if wap else None, int(trades) if trades else None,
    )  # fmt: skip


def obstacle(row: Refusal) -> str:
    """Why this bar cannot be released; "" when it can. Every rule but the overruled one must let it pass by itself."""
    if row.rule not in RELEASABLE:
        meaning = next((each.meaning for each in RULES if each.name == row.rule), "")
        return f"{row.rule} cannot be overruled: {meaning or 'the bar is impossible'}"
    if row.session_date is None:
        return "it belongs to no session"
    staged = Staged(bar_of(row), row.session_date, row.session_date, row.timestamp + timedelta(days=2))
    broken = check(staged, Timeframe(row.timeframe))
    if broken == row.rule:
        rules = Rules(Timeframe(row.timeframe))
        others = (each for each in RULES if each.severity is Severity.HARD and each.name != row.rule)
        broken = next((each.name for each in others if each.breaks(staged, rules)), None)
    return f"it also breaks {broken}" if broken else ""


def decide(connection: Connection, row: Refusal, verdict: str, by: str, note: str, now: datetime) -> None:
    """Writes the verdict. UsageError when another one stands: a verdict is final."""
    if row.verdict is not None:
        if row.verdict != verdict:
            raise UsageError(f"{row.id} was {row.verdict} by {row.verdict_by} at {row.verdict_at:%Y-%m-%d %H:%M}: a verdict is final")
        return
    with connection.transaction():
        done = connection.execute(query("quarantine_verdict"), {"id": row.id, "verdict": verdict, "by": by, "note": note, "now": now})
        if done.rowcount != 1:
            raise FindingError(f"{row.id} was decided by somebody else just now", hint=f"bin/quarantine show {row.id}")


def release(connection: Connection, run: Run | None, row: Refusal, by: str, note: str, now: datetime) -> windows.Stored:
    """Accepts the bar and stores it by a request of its own. A second time nothing changes. UsageError when it cannot be
    released; FindingError when it was refused again."""
    if problem := obstacle(row):
        raise UsageError(f"{row.id} cannot be released: {problem}", hint="bin/quarantine show shows it; a new fetch may bring another")
    decide(connection, row, "accepted", by, note, now)
    sessions = calendar.load(connection, row.calendar)
    outcome = Outcome(
        OutcomeKind.OK, (bar_of(row),), asked_at=now, answered_at=now, text=f"released from quarantine {row.id} ({row.rule}) by {by}: {note}"
    )
    stored = windows.store(connection, run, None, _window(connection, row, sessions, now), outcome, now, sessions=sessions)
    if stored.stored + stored.revised + stored.unchanged != 1:
        raise FindingError(f"{row.id} was refused again: {', '.join(stored.rules) or 'unfinished'}", hint="bin/quarantine list")
    with connection.transaction():
        connection.execute(query("quarantine_released"), {"id": row.id, "request_id": stored.request})
    return stored


def _window(connection: Connection, row: Refusal, sessions: Sequence[Session], now: datetime) -> Window:
    """The bar's session, when the bar completes it. Else a day without a session beside it: this answer has one bar of many and
    must not be taken for one that says that there were no others."""
    timeframe = Timeframe(row.timeframe)
    found = symbols.load_instruments(connection, now, [row.symbol])
    instrument: Instrument = found[0]
    origin = Origin(Kind(row.kind), row.source, row.regular_hours)
    assert row.session_date is not None
    if timeframe is Timeframe.DAY1:
        return Window(instrument, timeframe, row.session_date, row.session_date, origin)
    session = next((each for each in sessions if each.session_date == row.session_date), None)
    if session is None:
        raise UsageError(f"{row.id}: the calendar {row.calendar} has no session on {row.session_date}")
    values = {
        "symbol_id": row.symbol_id, "timeframe": row.timeframe, "origin": row.origin, "session_date": row.session_date,
        "open": session.open, "close": session.close, "start": row.timestamp,
    }  # fmt: skip
    beside = connection.execute(query("bars_beside"), values).fetchone()
    assert beside is not None
    day = row.session_date
    if beside[0] + (session.open <= row.timestamp < session.close) < expected(session, timeframe):
        known = set(dates_of(sessions))
        day = next(each for each in (day + timedelta(days=step) for step in range(1, 15)) if each not in known)
    return Window(instrument, timeframe, day, day, origin, row.timestamp, row.timestamp + timedelta(seconds=timeframe.seconds))
