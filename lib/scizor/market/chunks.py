"""Which windows are wanted of bars shorter than a day, and of holes. Pure, as due: coverage, sessions and a now come in.

A window asks for whole sessions, from midnight to midnight at the exchange, so that what is asked is what the coverage
counts: a session is complete or it is not. Windows end where the sessions that are wanted end; nothing that is complete is
asked again. How many sessions one window may hold is the bar size's: IB answers "a few thousand bars" well (its page on
limitations), takes a second or more of service a request whatever its size, and under the hard rule a slot of ten seconds.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from scizor.market.coverage import COMPLETE, Mark, State, dates_of, unfold
from scizor.market.exchanges import ZONES
from scizor.market.types import Coverage, Instrument, Origin, Session, Timeframe, Window

#: Sessions in one window. 5sec: 4,320 bars of an ASX session; 1min: a week; 5min: a month; a year of the longest.
SESSIONS = {
    Timeframe.SEC5: 1, Timeframe.SEC30: 1, Timeframe.MIN1: 5, Timeframe.MIN5: 22, Timeframe.MIN15: 65, Timeframe.MIN30: 130,
    Timeframe.HOUR1: 250, Timeframe.HOUR4: 250, Timeframe.DAY1: 20 * 250,
}  # fmt: skip


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
    size: Size = SESSIONS.__getitem__, holes: bool = False, is_forced: bool = False, also: Collection[date] = (),
) -> Iterator[Window]:  # fmt: skip
    """The windows of one series that are wanted now, newest first.

    sessions: the calendar's, oldest first. size: how many sessions a window may hold; asked again for each window, so that
    it may follow what the vendor bears. holes: only what lies between sessions that were asked for before, or has failed:
    not what nobody has asked for yet. is_forced: whatever its next time. also: sessions to be asked for whatever is known.
    """
    if want.instrument.refused:
        return
    settled = now - timedelta(minutes=settle_minutes)
    due = sessions[: bisect_right(sessions, settled, key=lambda each: each.last)]
    dates = dates_of(due)
    low = bisect_left(dates, max(want.first, want.instrument.listed_from or want.first))
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
        run = _newest_run(wanted, size(want.timeframe))
        del wanted[len(wanted) - len(run) :]
        attempts = max((state.attempts for state in map(states.__getitem__, run) if isinstance(state, Mark)), default=0)
        yield _window(want, dates[run[0]], dates[run[-1]], attempts + 1)


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


def _window(want: Want, first: date, last: date, attempt: int) -> Window:
    if want.timeframe is Timeframe.DAY1:
        return Window(want.instrument, want.timeframe, first, last, want.origin, attempt=attempt)
    zone = ZoneInfo(ZONES.get(want.instrument.calendar, "UTC"))
    start = datetime.combine(first, time(0), zone).astimezone(UTC)
    end = datetime.combine(last + timedelta(days=1), time(0), zone).astimezone(UTC)
    return Window(want.instrument, want.timeframe, first, last, want.origin, start, end, attempt)
