"""Which part of a recording has happened by `now`: nothing later than the virtual present is ever served."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from scizor.market import calendar as calendars
from scizor.market.exchanges import ZONES
from scizor.market.types import Session


def today(calendar: str, now: datetime) -> date:
    """The exchange's date at this instant."""
    return now.astimezone(zone(calendar)).date()


def last_finished(calendar: str, now: datetime) -> date:
    """The newest date whose session, if it had one, is over."""
    day = today(calendar, now)
    session = session_on(calendar, day)
    return day - timedelta(days=1) if session is not None and now < session.last else day


def sessions(calendar: str, first: date, last: date) -> list[Session]:
    """The calendar's sessions in [first, last], as far as the calendar goes."""
    return calendars.sessions(calendar, first, min(last, calendars.ends(calendar)))


@lru_cache(maxsize=4096)
def session_on(calendar: str, day: date) -> Session | None:
    return next(iter(sessions(calendar, day, day)), None)


@lru_cache(maxsize=32)
def zone(calendar: str) -> ZoneInfo:
    return ZoneInfo(ZONES.get(calendar, "UTC"))
