"""Sessions of exchanges, kept in the database so that a run with nothing due need not import the calendar library."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import psycopg

from scizor.db.sql import query
from scizor.market.types import Session, Span

Connection = psycopg.Connection[tuple[Any, ...]]


def load(connection: Connection, calendar: str, first: date = date.min, last: date = date.max) -> list[Session]:
    """The sessions that count, overrides applied, oldest first, with session dates in [first, last]."""
    rows = connection.execute(query("sessions"), {"calendar": calendar, "first": first, "last": last})
    return [Session(calendar, *row) for row in rows]


def span(connection: Connection, calendar: str) -> Span | None:
    """First and last session date that is kept; None when the calendar was never stored."""
    row = connection.execute("SELECT min(session_date), max(session_date) FROM sessions WHERE calendar = %s", [calendar]).fetchone()
    return Span(row[0], row[1]) if row and row[0] else None


def store(connection: Connection, sessions: Sequence[Session], source: str, now: datetime) -> int:
    """Adds and corrects; returns how many rows changed. source: which calendar said so, with its version.

    A session that the library has dropped stays until an override closes it: nothing vanishes silently.
    """
    with connection.transaction():
        done = connection.execute(query("store_sessions"), {
            "calendars": [each.calendar for each in sessions], "dates": [each.session_date for each in sessions],
            "opens": [each.open for each in sessions], "closes": [each.close for each in sessions],
            "lasts": [each.last for each in sessions], "halves": [each.is_half_day for each in sessions],
            "source": source, "now": now,
        })  # fmt: skip
    return done.rowcount


def override(
    connection: Connection, calendar: str, session_date: date, reason: str, now: datetime,
    hours: tuple[datetime, datetime, datetime] | None = None,
) -> None:  # fmt: skip
    """States that there was no session, or that it had other hours (open, close, last; UTC). One a day, for good."""
    opens, closes, last = hours or (None, None, None)
    with connection.transaction():
        connection.execute(
            "INSERT INTO session_overrides (calendar, session_date, is_closed, open, close, last, reason, added_at) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
            [calendar, session_date, hours is None, opens, closes, last, reason, now],
        )
