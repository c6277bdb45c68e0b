"""Sessions for a job: from the database, which is topped up from the calendar library when it does not reach far enough.

A run with nothing due must not import the library (0.3 s, 75 MB), so the table is filled a year ahead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from importlib.metadata import version

from scizor.db import calendar as stored
from scizor.market import calendar
from scizor.market.types import Instrument, Session
from scizor.run.context import Context

AHEAD = timedelta(days=30)


def load(
    context: Context, instruments: Sequence[Instrument], now: datetime, earliest: date | None = None
) -> Mapping[str, Sequence[Session]]:
    """All kept sessions by calendar, oldest first: from the horizon (or `earliest`) at least, to some time after now. Warns in
    the log 180 days before a calendar ends; ConfigurationError once it has ended."""
    today = now.date()
    first = min(earliest or today, date(today.year - context.config.collect.daily_years - 1, 1, 1))
    names = sorted({each.calendar for each in instruments})
    return {name: _one(context, name, first, today) for name in names}


def _one(context: Context, name: str, first: date, today: date) -> list[Session]:
    end = calendar.ends(name)
    if today > end:
        calendar.sessions(name, end, today)  # refuses: where no session is known nothing is ever due, and nobody would notice
    kept = stored.span(context.connection, name)
    wanted = min(today + AHEAD, end)
    if kept is None or kept.first > first + timedelta(days=10) or kept.last < wanted - timedelta(days=10):
        source = f"exchange_calendars {version('exchange_calendars')}"
        changed = stored.store(context.connection, calendar.sessions(name, first, end), source, context.clock.now())
        context.log.info("stored %d sessions of %s, from %s", changed, name, source)
    if warning := calendar.warning(name, today):
        context.log.warning("%s", warning)
    return stored.load(context.connection, name)
