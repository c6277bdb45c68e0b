"""Which windows are wanted of bars shorter than a day, and of holes. Pure, as due: coverage, sessions and a now come in.

A window asks for whole sessions, from midnight to midnight at the exchange, so that what is asked is what the coverage
counts: a session is complete or it is not. Windows end where the sessions that are wanted end; nothing that is complete is
asked again. How many sessions one window may hold is said by chunk_size.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from scizor.market.chunk_size import USUAL, sizes
from scizor.market.coverage import COMPLETE, Mark, State, dates_of, unfold
from scizor.market.exchanges import ZONES
from scizor.market.types import Coverage, Instrument, Origin, Session, Timeframe, Why, Window

#: IB's lookback for bars of half a minute and less is six months (IBKR campus, historical limitations): what it does not
#: give any more must not look like a day without trades.
SMALL_BARS_DAYS = 180


class Want(NamedTuple):
    """A series that somebody wants: sessions from `first` to `last` (dates, both included; None: to the newest that is due)."""

    instrument: Instrument
    timeframe: Timeframe
    first: date
    last: date | None = None
    origin: Origin = Origin()


Size = Callable[[Timeframe], int]


def windows(
    want: Want, coverage: Coverage | None, sessions: Sequence[Session], now: datetime, settle_minutes: int, *,
    size: Size | None = None, holes: bool = False, is_forced: bool = False, also: Collection[date] = (),
) -> Iterator[Window]:  # fmt: skip
    """The windows of one series that are wanted now, newest first.

    sessions: the calendar's, oldest first. size: how many sessions a window may hold; a window whose newest session was asked
    for in vain, without an answer in time, holds half as many for each such attempt. holes: only what lies between sessions
    that were asked for before, or has failed: not what nobody has asked for yet. is_forced: whatever its next time. also: sessions to be asked for whatever is known.
    """
    if want.instrument.refused:
        return
    size = size or sizes(USUAL)
    settled = now - timedelta(minutes=settle_minutes)
    due = sessions[: bisect_right(sessions, settled, key=lambda each: each.last)]
    dates = dates_of(due)
    low = bisect_left(dates, max(first_of(want, now), want.instrument.listed_from or want.first))
    last = min(filter(None, (want.last, want.instrument.listed_to)), default=None)
    dates = dates[low : bisect_right(dates, last) if last else len(dates)]
    states = unfold(coverage, dates) if coverage else [None] * len(dates)
    begun = next((place for place, state in enumerate(states) if state is not None), len(states))
    wanted = [
        place for place, state in enumerate(states)
        if _is_open(state, None if is_forced else now) and not (holes and state is None and place < begun)
    ]  # fmt: skip
    if holes:  # what lies beyond the newest session that was ever asked for is the next collection's
        ended = next((place for place in range(len(states) - 1, -1, -1) if states[place] is not None), -1)
        wanted = [place for place in wanted if place < ended or states[place] is not None]
    if also:
        wanted = sorted({*wanted, *(place for place, day in enumerate(dates) if day in also)})
    while wanted:
        run = _newest_run(wanted, max(1, size(want.timeframe) >> _late(states[wanted[-1]])))
        del wanted[len(wanted) - len(run) :]
        attempts = max((state.attempts for state in map(states.__getitem__, run) if isinstance(state, Mark)), default=0)
        yield window(want, dates[run[0]], dates[run[-1]], attempts + 1)


def first_of(want: Want, now: datetime) -> date:
    """The first session date that IB may still have bars of."""
    if want.timeframe.seconds > 30:
        return want.first
    return max(want.first, now.date() - timedelta(days=SMALL_BARS_DAYS))


def _late(state: State) -> int:
    """How often a session was asked for and no answer came in time."""
    return min(state.attempts, 10) if isinstance(state, Mark) and state.why is Why.DEFERRED else 0


def _is_open(state: State, now: datetime | None) -> bool:
    """Not complete, not explained, and its next time has come (now None: never mind)."""
    if state is COMPLETE:
        return False
    if isinstance(state, Mark):
        return not state.why.is_explained and (now is None or state.next_at is None or state.next_at <= now)
    return True


def _newest_run(wanted: Sequence[int], most: int) -> list[int]:
    """The last places of `wanted` that are neighbours, at most so many."""
    run = [wanted[-1]]
    for place in reversed(wanted[:-1]):
        if len(run) >= most or place != run[-1] - 1:
            break
        run.append(place)
    return run[::-1]


def window(want: Want, first: date, last: date, attempt: int = 1) -> Window:
    """Whole sessions of a series, both dates included: from midnight to midnight at the exchange."""
    if want.timeframe is Timeframe.DAY1:
        return Window(want.instrument, want.timeframe, first, last, want.origin, attempt=attempt)
    zone = ZoneInfo(ZONES.get(want.instrument.calendar, "UTC"))
    start = datetime.combine(first, time(0), zone).astimezone(UTC)
    end = datetime.combine(last + timedelta(days=1), time(0), zone).astimezone(UTC)
    return Window(want.instrument, want.timeframe, first, last, want.origin, start, end, attempt)
