"""Sessions of an exchange: exchange_calendars, corrected by the tables of exchanges.py and by overrides from the database.

What the library gives and what a collector needs differ in one thing: the library's XASX closes at 16:00 on a normal day,
before the closing auction, and at 14:10 on a half day, after continuous trading has ended at 14:00. Here `close` is always
the end of continuous trading and `last` the end of the closing auction, the last instant at which a price is made.

Nothing depends on the machine's clock or zone: the library's default range (20 years back to a year ahead of *today*) is
never used. The library is imported late: 0.3 s that a run with nothing due does not pay, since the sessions are also kept
in the database.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from scizor.base.errors import ConfigurationError, UsageError
from scizor.market.exchanges import (
    CALENDAR_OF_CURRENCY,
    CALENDARS,
    EARLY_AS,
    HOURS,
    KNOWN_TO,
    LIBRARY_BEGINS,
    LIBRARY_ENDS,
    OVERRIDES,
    ZONES,
    Change,
    Hours,
    Override,
    PhaseName,
)
from scizor.market.types import Instrument, Session

WARN_DAYS = 180
FIRST = date(1990, 1, 1)  # built from here unless somebody asks for more: one build serves every range of a run


class Phase(NamedTuple):
    """A part of a session, [start, end), UTC."""

    name: PhaseName
    start: datetime
    end: datetime


def calendar_of(exchange: str, currency: str = "", primary_exchange: str = "") -> str:
    """The calendar ("XASX") of IB's exchange name ("ASX"). SMART is no place: the primary exchange decides, else the currency.

    UsageError when none is known.
    """
    for name in (exchange, primary_exchange):
        if name.upper() in CALENDARS:
            return CALENDARS[name.upper()]
    if exchange.upper() in ("SMART", "") and currency.upper() in CALENDAR_OF_CURRENCY:
        return CALENDAR_OF_CURRENCY[currency.upper()]
    raise UsageError(
        f"no trading calendar is known for exchange {exchange or '(none)'} {currency}".rstrip(),
        hint="known exchanges: " + ", ".join(sorted(CALENDARS)),
    )


@lru_cache(maxsize=64)
def zone(calendar: str) -> ZoneInfo:
    """The time zone of the exchange's own dates and hours."""
    return ZoneInfo(ZONES[calendar]) if calendar in ZONES else ZoneInfo(str(_build(calendar, date(2024, 1, 2), date(2024, 12, 31)).tz))


def venue(instrument: Instrument) -> str:
    """The exchange whose market data a login subscribes to: SMART is a route, not a place."""
    return instrument.primary_exchange or instrument.exchange


def sessions(
    calendar: str, first: date, last: date, overrides: Iterable[Override] = (), known_to: date = KNOWN_TO
) -> list[Session]:
    """Sessions with session dates in [first, last], oldest first. `overrides` come on top of the built-in ones.

    ConfigurationError when `last` lies beyond ends(calendar): the rules could be extrapolated, the closures not.
    """
    end = ends(calendar, known_to)
    if last > end:
        raise ConfigurationError(
            f"the calendar {calendar} ends {end}, asked for {last}",
            hint="upgrade exchange_calendars in etc/requirements.lock, then bin/setup",
        )
    changed = {
        each.session_date: each
        for each in (*OVERRIDES, *overrides)
        if each.calendar == calendar and first <= each.session_date <= last
    }
    found = [
        each for each in _library(calendar, min(FIRST, first.replace(month=1, day=1)), end)
        if first <= each.session_date <= last and each.session_date not in changed
    ]  # fmt: skip
    found += [_changed(each) for each in changed.values() if each.change is not Change.CLOSED]
    return sorted(found, key=lambda each: each.session_date)


def ends(calendar: str, known_to: date = KNOWN_TO) -> date:
    """The last date for which the calendar can be believed."""
    return min(LIBRARY_ENDS.get(calendar, known_to), known_to)


def warning(calendar: str, today: date, end: date | None = None) -> str | None:
    """What to tell from 180 days before the calendar ends; None earlier. end: where it is known without the library."""
    end = end or ends(calendar)
    days = (end - today).days
    if days > WARN_DAYS:
        return None
    when = f"in {days} days" if days >= 0 else f"{-days} days ago"
    return f"the calendar {calendar} ends {end}, {when}: upgrade exchange_calendars in etc/requirements.lock, then bin/setup"


def closed(calendar: str, day: date, known: Sequence[Session]) -> str | None:
    """"XASX closed on 2025-12-25" when `day` is no session among `known` (which must span it), else None."""
    if any(each.session_date == day for each in known):
        return None
    return f"{calendar} closed on {day}" + (f" ({day:%A})" if day.weekday() >= 5 else "")


def phases(session: Session, code: str = "") -> list[Phase]:
    """The session's phases in order, UTC. code: the exchange's code of the instrument, for staggered opens by first letter.

    Without a code the first group's opening is given. A calendar without a table of hours has one phase: continuous.
    """
    eras = HOURS.get(session.calendar)
    if not eras:
        return [Phase(PhaseName.CONTINUOUS, session.open, session.close)]
    hours = _hours(eras, session.session_date)
    zone = ZoneInfo(ZONES[session.calendar])

    def at(local: time) -> datetime:
        return _utc(session.session_date, local, zone)

    opens = at(hours.open) + timedelta(seconds=_stagger(hours, code))
    auction = session.close + (at(hours.auction) - at(hours.close))
    if session.last < auction:  # a half day of other hours than this era's: the auction follows continuous trading
        auction = session.close
    post_close = session.last + (at(hours.post_close) - at(hours.last))
    course = [
        (PhaseName.PRE_OPEN, at(hours.pre_open)),
        (PhaseName.OPENING_AUCTION, opens - (at(hours.open) - at(hours.opening))),
        (PhaseName.CONTINUOUS, opens),
        (PhaseName.PRE_CLOSE, session.close),
        (PhaseName.CLOSING_AUCTION, auction),
        (PhaseName.POST_CLOSE, session.last),
    ]
    bounds = [start for _, start in course[1:]] + [post_close]
    return [Phase(name, start, end) for (name, start), end in zip(course, bounds, strict=True) if end > start]


def _stagger(hours: Hours, code: str) -> int:
    return next((seconds for letters, seconds in hours.groups if code[:1].upper() in letters), 0) if code else 0


def _hours(eras: Sequence[Hours], day: date) -> Hours:
    return next(each for each in reversed(eras) if each.since <= day)


def _utc(day: date, local: time, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, local, zone).astimezone(UTC)


def _changed(override: Override) -> Session:
    """The session that an override makes."""
    if override.calendar not in HOURS:
        raise ConfigurationError(
            f"an override for {override.calendar} on {override.session_date}, whose hours are not known",
            hint="only closures can be given for a calendar without a table of hours",
        )
    hours = _hours(HOURS[override.calendar], override.session_date)
    half = override.change is Change.HALF_DAY
    return _session(override.calendar, override.session_date, hours, half, override.close, override.last)


def _session(
    calendar: str, day: date, hours: Hours, half: bool, close: time | None = None, last: time | None = None
) -> Session:
    zone = ZoneInfo(ZONES[calendar])
    closes = _utc(day, close or (hours.half_close if half else hours.close), zone)
    lasts = _utc(day, last, zone) if last else closes + (_utc(day, hours.last, zone) - _utc(day, hours.close, zone))
    return Session(calendar, day, _utc(day, hours.open, zone), closes, lasts, half)


@lru_cache(maxsize=32)
def _library(calendar: str, start: date, end: date) -> tuple[Session, ...]:
    """Every session that the library knows between two dates.

    Its opens and closes hold (they know the odd days of a century), except where our table has a closing auction after
    the close: there the library mixes both, and our hours hold.
    """
    library = _build(calendar, max(start, LIBRARY_BEGINS.get(calendar, start)), end)
    early = {each.date() for each in library.early_closes}
    days = [each.date() for each in library.sessions]
    eras = HOURS.get(calendar, ())
    if calendar in EARLY_AS:
        known = early
        early = known | {each.session_date for each in _library(EARLY_AS[calendar], start, end) if each.is_half_day}
        return tuple(
            _session(calendar, day, _hours(eras, day), True) if day in early - known
            else Session(calendar, day, opened, shut, shut, day in known)
            for day, opened, shut in zip(days, *_bounds(library), strict=True)
        )
    if any(each.last > each.close for each in eras):
        return tuple(_session(calendar, day, _hours(eras, day), day in early) for day in days)
    return tuple(Session(calendar, day, opened, shut, shut, day in early) for day, opened, shut in zip(days, *_bounds(library), strict=True))


def _bounds(library: Any) -> tuple[list[datetime], list[datetime]]:
    """Opens and closes of the library's sessions, UTC."""
    opens, closes = ([one.astimezone(UTC) for one in each.dt.to_pydatetime()] for each in (library.opens, library.closes))
    return opens, closes


def _build(calendar: str, start: date, end: date) -> Any:
    import exchange_calendars
    import pandas
    from exchange_calendars.errors import InvalidCalendarName

    with warnings.catch_warnings():
        # the library drops a zone in a way that pandas 4 will not do; a pin of both stands between us and that
        warnings.simplefilter("ignore", pandas.errors.Pandas4Warning)
        try:
            return exchange_calendars.get_calendar(calendar, start=start.isoformat(), end=end.isoformat())
        except InvalidCalendarName:
            raise UsageError(f"no trading calendar is called {calendar}", hint="for example XASX, XNYS, XNAS") from None
