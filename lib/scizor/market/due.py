"""What is due: which windows are wanted now. Pure: instruments, coverage, sessions and a now come in, windows go out.

Work is derived from state, never from the hour at which cron fired, so any run catches up whatever was missed: due is what
the calendar has finished, less what coverage knows. A missed run costs lateness and nothing else.

One request costs about as much as five hundred daily bars (a second or more of service against one to four milliseconds
a bar), and under the hard rule a slot of ten seconds. So a symbol's missing sessions are asked in one window, across
complete ones, as long as fewer than SPLIT_SESSIONS lie between two of them; twenty years are not asked again because of
one old hole. The newest sessions are asked once more, on the back of the next day's request: no request of their own.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple, Protocol

from scizor.base.errors import UsageError
from scizor.market.coverage import COMPLETE, Mark, State, dates_of, next_retry, unfold
from scizor.market.types import Coverage, Instrument, Origin, Session, Timeframe, Window

__all__ = ["SPLIT_SESSIONS", "Terms", "due_at", "horizon", "next_retry", "parse_date", "windows"]

SPLIT_SESSIONS = 500
EARLIEST = date(1970, 1, 2)  # the tables take no earlier one


class Terms(Protocol):
    """The numbers that decide; base.config.CollectConfig is one."""

    @property
    def settle_minutes(self) -> int: ...
    @property
    def daily_years(self) -> int: ...
    @property
    def refetch_sessions(self) -> int: ...


def latest_today(now: datetime) -> date:
    """The date that it is where it is latest (UTC+14): nobody's today lies after it. In Sydney it is tomorrow's UTC all morning."""
    return (now + timedelta(hours=14)).date()


def parse_date(text: str, today: date) -> date:
    """2025-01-15 or 20250115. today: of the exchange, or latest_today(now). UsageError for anything else, for the future and
    for before 1970.

    Whether the day is a session is not asked here: a holiday is no mistake (calendar.closed tells).
    """
    digits = text.replace("-", "") if len(text) == 10 and text[4] == text[7] == "-" else text
    if len(digits) != 8 or not (digits.isascii() and digits.isdigit()):
        raise UsageError(f"{text!r} is not a date", hint="write 2025-01-15 or 20250115")
    try:
        day = date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError as problem:
        raise UsageError(f"{text!r} is not a date: {problem}", hint="write 2025-01-15 or 20250115") from None
    if day > today:
        raise UsageError(f"{day} lies in the future")
    if day < EARLIEST:
        raise UsageError(f"{day} lies before {EARLIEST}, the earliest date that is kept")
    return day


def due_at(session: Session, settle_minutes: int) -> datetime:
    """When a session's daily bar may be asked for: some time after its last phase, UTC."""
    return session.last + timedelta(minutes=settle_minutes)


def horizon(now: datetime, years: int) -> date:
    """The first session date that is wanted without anybody asking for an older one."""
    day = now.date()
    return date(day.year - years, day.month, min(day.day, 28))


def windows(
    instruments: Sequence[Instrument],
    coverages: Mapping[int, Coverage],
    sessions: Mapping[str, Sequence[Session]],
    now: datetime,
    terms: Terms,
    *,
    only: Collection[date] | None = None,
    retry_failed: bool = False,
    origin: Origin | None = None,
) -> list[Window]:
    """Daily windows that are wanted now: the newest sessions of every symbol first, then holes; each by priority, newest first.

    coverages: by symbol_id; absent: nothing is known. sessions: by calendar, oldest first, as far back as the horizon.
    only: just these session dates, whether or not their next time has come (a person asks), and no older horizon holds.
    retry_failed: just what has failed before, now. Instruments that are refused, and sessions outside a contract's life,
    give no windows.
    """
    origin = origin or Origin()
    calendars = {name: _due_dates(each, now, terms) for name, each in sessions.items()}
    found: list[tuple[bool, Window]] = []
    for instrument in instruments:
        dates = calendars.get(instrument.calendar)
        if instrument.refused or not dates:
            continue
        axis = _Axis(dates, bisect_left(dates, horizon(now, instrument.daily_years or terms.daily_years)))
        coverage = coverages.get(instrument.symbol_id)
        states = unfold(coverage, axis.dates) if coverage else [None] * len(axis.dates)
        wanted = _wanted(states, axis, instrument, now, only, retry_failed)
        if not wanted:
            continue
        if only is None and not retry_failed and coverage is not None:
            wanted = _with_refetch(wanted, states, axis, coverage.refetched_to, terms.refetch_sessions)
        for places in _clusters(wanted, contiguous=only is not None):
            attempt = 1 + max((state.attempts for state in map(states.__getitem__, places) if isinstance(state, Mark)), default=0)
            window = Window(
                instrument, Timeframe.DAY1, axis.dates[places[0]], axis.dates[places[-1]], origin, attempt=attempt
            )
            found.append((places[-1] == len(axis.dates) - 1, window))
    found.sort(key=lambda each: (not each[0], each[1].instrument.priority, -each[1].last.toordinal(), each[1].instrument.symbol))
    return [window for _, window in found]


class _Axis(NamedTuple):
    """A calendar's session dates that are due by now, and the place at which the instrument's horizon begins."""

    dates: list[date]
    horizon: int


def _due_dates(sessions: Sequence[Session], now: datetime, terms: Terms) -> list[date]:
    settled = now - timedelta(minutes=terms.settle_minutes)
    return dates_of(sessions[: bisect_right(sessions, settled, key=lambda each: each.last)])


def _wanted(
    states: Sequence[State], axis: _Axis, instrument: Instrument, now: datetime, only: Collection[date] | None, retry: bool
) -> list[int]:
    """Places of the sessions to ask for, oldest first."""
    dates = axis.dates
    if only is not None:
        places = sorted(place for each in set(only) if (place := bisect_left(dates, each)) < len(dates) and dates[place] == each)
        return [place for place in places if _lives(instrument, dates[place]) and _is_open(states[place], None)]
    low = bisect_left(dates, instrument.listed_from) if instrument.listed_from else 0
    high = bisect_right(dates, instrument.listed_to) if instrument.listed_to else len(dates)
    if retry:
        return [place for place in range(low, high) if isinstance(states[place], Mark) and _is_open(states[place], None)]
    return [  # what was asked for once is finished, even when the horizon has passed it since
        place for place in range(low, high)
        if (state := states[place]) is not COMPLETE and (place >= axis.horizon or state is not None) and _is_open(state, now)
    ]  # fmt: skip


def _lives(instrument: Instrument, day: date) -> bool:
    return (instrument.listed_from or day) <= day <= (instrument.listed_to or day)


def _is_open(state: State, now: datetime | None) -> bool:
    """Whether a session wants asking: not complete, not explained, and its next time has come (now None: never mind)."""
    if not isinstance(state, Mark):
        return state is None
    return not state.why.is_explained and (now is None or state.next_at is None or state.next_at <= now)


def _with_refetch(
    wanted: list[int], states: Sequence[State], axis: _Axis, refetched_to: date | None, refetch_sessions: int
) -> list[int]:
    """Adds the newest complete sessions, when one of them has not had its second fetch and a later session is asked anyway."""
    newest: list[int] = []
    place = wanted[-1] - 1
    while place >= axis.horizon and len(newest) < refetch_sessions:
        if states[place] is COMPLETE:
            newest.append(place)
        place -= 1
    if not newest or (refetched_to is not None and axis.dates[newest[0]] <= refetched_to):
        return wanted
    return sorted({*wanted, *newest})


def _clusters(wanted: Sequence[int], contiguous: bool) -> list[list[int]]:
    """Runs of wanted places, newest run first; split where asking across what lies between costs more than a request."""
    limit = 1 if contiguous else SPLIT_SESSIONS
    runs: list[list[int]] = []
    for place in wanted:
        if runs and place - runs[-1][-1] <= limit:
            runs[-1].append(place)
        else:
            runs.append([place])
    return runs[::-1]
