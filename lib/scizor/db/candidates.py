"""Candidates for an override of the calendar: where IB's schedule differs from our sessions, and what a person decided."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple

import psycopg

from scizor.base.errors import UsageError
from scizor.db import calendar
from scizor.db.sql import query

Connection = psycopg.Connection[tuple[Any, ...]]


class Candidate(NamedTuple):
    """A row of session_candidates. open, close, last: UTC, None for a day that is closed."""

    id: int
    calendar: str
    session_date: date
    change: str
    open: datetime | None
    close: datetime | None
    last: datetime | None
    told: str
    evidence: str
    request_id: int | None
    state: str
    found_at: datetime
    seen_at: datetime
    decided_by: str | None
    reason: str | None

    @property
    def hours(self) -> tuple[datetime, datetime, datetime] | None:
        return None if self.open is None or self.close is None or self.last is None else (self.open, self.close, self.last)


def load(connection: Connection, *, everything: bool = False) -> list[Candidate]:
    """Those that wait, by calendar and day; everything: decided and withdrawn ones too."""
    return [Candidate(*row) for row in connection.execute(query("session_candidates"), {"all": everything, "id": None})]


def one(connection: Connection, number: int) -> Candidate:
    """UsageError when there is none of that number."""
    row = connection.execute(query("session_candidates"), {"all": True, "id": number}).fetchone()
    if row is None:
        raise UsageError(f"there is no candidate {number}", hint="bin/check-calendar --list")
    return Candidate(*row)


def put(
    connection: Connection, now: datetime, *, calendar: str, day: date, change: str, hours: tuple[datetime, datetime, datetime] | None,
    told: str, evidence: str, request: int | None,
) -> tuple[int, str, bool]:  # fmt: skip
    """Its number, its state, and whether it is new. The same one is one row, however often it is seen."""
    opens, closes, last = hours or (None, None, None)
    row = connection.execute(query("put_session_candidate"), {
        "calendar": calendar, "day": day, "change": change, "open": opens, "close": closes, "last": last, "told": told[:500],
        "evidence": evidence[:500], "request": request, "now": now,
    }).fetchone()  # fmt: skip
    assert row is not None
    return row[0], row[1], row[2]


def withdraw(connection: Connection, calendar: str, first: date, last: date, seen: Sequence[int], now: datetime) -> int:
    """Those that wait, lie in [first, last] and were not seen: IB shows them no more. Returns how many."""
    values = {"calendar": calendar, "first": first, "last": last, "seen": list(seen), "now": now}
    return connection.execute(query("withdraw_session_candidates"), values).rowcount


def reject(connection: Connection, found: Candidate, by: str, reason: str, now: datetime) -> None:
    with connection.transaction():
        _decide(connection, found, "rejected", by, reason, now)


def accept(connection: Connection, found: Candidate, by: str, reason: str, now: datetime) -> int:
    """Makes the override, and what is known of that day follows: gaps of a closed day have the override as evidence; a session
    that is new or has other hours is asked for again. Returns how many series that concerns. UsageError when an override of that
    day stands already, or bars say that there was a session."""
    day = {"calendar": found.calendar, "day": found.session_date, "now": now}
    with connection.transaction():
        _decide(connection, found, "accepted", by, reason, now)
        if found.hours is None and (traded := _traded(connection, found)):
            raise UsageError(
                f"{', '.join(traded)} traded on {found.session_date}: stored bars say that there was a session",
                hint=f"bin/explain shows where they came from; bin/check-calendar --reject {found.id}",
            )
        try:
            calendar.override(connection, found.calendar, found.session_date, _because(found, by, reason), now, found.hours)
        except psycopg.errors.UniqueViolation:
            raise UsageError(
                f"an override of {found.calendar} on {found.session_date} stands already",
                hint="session_overrides has it; its owner may change it in bin/psql",
            ) from None
        if found.hours is None:
            return sum(connection.execute(query(name), day).rowcount for name in ("close_gaps_on", "cut_gaps_on"))
        return connection.execute(query("reopen_day"), {**day, "daily": found.change == "extra"}).rowcount


def _decide(connection: Connection, found: Candidate, state: str, by: str, reason: str, now: datetime) -> None:
    values = {"id": found.id, "state": state, "by": by, "reason": reason, "now": now}
    if connection.execute(query("decide_session_candidate"), values).rowcount != 1:
        raise UsageError(f"candidate {found.id} is {found.state}" + (f" by {found.decided_by}" if found.decided_by else ""))


def _traded(connection: Connection, found: Candidate) -> list[str]:
    midnight = datetime.combine(found.session_date, time(0), UTC)
    values = {
        "calendar": found.calendar, "day": found.session_date, "first": midnight - timedelta(days=1), "end": midnight + timedelta(days=2),
    }  # fmt: skip
    return [symbol for (symbol,) in connection.execute(query("traded_on"), values)]


def _because(found: Candidate, by: str, reason: str) -> str:
    request = f", request {found.request_id}" if found.request_id else ""
    return f"{reason or 'as IB has it'} ({by}); candidate {found.id}: {found.told}; {found.evidence}{request}"
