"""Bars, and the three small questions around them. Every request ends in one typed, closed Outcome.

Nothing here decides what an emptiness means beyond this one answer: no bars and no error, or 162 "returned no data", is
EMPTY_UNCONFIRMED; that a second fetch twelve hours later confirms it is the store's business.

What cannot be detected: message 17 names only the request, so bars of another contract under our id look like bars. Ids
are never used twice on a connection, and a contract's own answer carries its conId (contracts.py); beyond that, only the
same sha256 under two contracts, and validation against neighbouring prices, can tell.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from scizor.ib.answers import Answer, History
from scizor.ib.connection import Connection
from scizor.ib.contracts import contract_of
from scizor.market.exchanges import ZONES
from scizor.market.types import Bar, Instrument, Kind, Outcome, OutcomeKind, Timeframe, Window

#: IB's names of bar sizes.
BAR_SIZES = {
    Timeframe.SEC5: "5 secs", Timeframe.SEC30: "30 secs", Timeframe.MIN1: "1 min", Timeframe.MIN5: "5 mins",
    Timeframe.MIN15: "15 mins", Timeframe.MIN30: "30 mins", Timeframe.HOUR1: "1 hour", Timeframe.HOUR4: "4 hours",
    Timeframe.DAY1: "1 day",
}  # fmt: skip

#: IB's limits of one duration (its page "Max Duration Per Bar Size").
_SECONDS_MAX, _DAYS_MAX, _YEARS_MAX = 86400, 365, 68

#: 22:00 UTC lies after the close and before the next open of every exchange from Tokyo to New York.
_CLOSED_EVERYWHERE = time(22, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ScheduledSession:
    """A session as IB announces it: session date, first and last instant of trading (aware, UTC)."""

    session_date: date
    start: datetime
    end: datetime


async def fetch(
    connection: Connection,
    window: Window,
    *,
    timeout_seconds: float,
    on_first_frame: Callable[[datetime], None] | None = None,
) -> Outcome:
    """The bars of the window, and no others: IB's durations reach further back, and what lies outside is cut off here.

    The instrument must be qualified (ValueError). timeout_seconds: in the clock's seconds, for the whole answer.
    """
    asked = end_of(window, connection.clock.now()), duration_of(window)
    answer = await _ask_bars(connection, window, *asked, timeout_seconds, on_first_frame)
    if isinstance(answer, Outcome):
        return answer
    history: History = answer.items[0]
    return _close(window, history, answer.asked_at, answer.answered_at)


async def fetch_uncut(
    connection: Connection,
    window: Window,
    *,
    until: datetime | None,
    duration: str,
    timeout_seconds: float,
    on_first_frame: Callable[[datetime], None] | None = None,
) -> Outcome:
    """Bars as they came, for whoever asks how the Gateway answers: of the window only whose, of which size and kind. until:
    aware, None for "until now"; duration: in IB's words."""
    end = "" if until is None else until.astimezone(UTC).strftime("%Y%m%d %H:%M:%S UTC")
    answer = await _ask_bars(connection, window, end, duration, timeout_seconds, on_first_frame)
    if isinstance(answer, Outcome):
        return answer
    history: History = answer.items[0]
    kind = OutcomeKind.OK if history.bars else OutcomeKind.EMPTY_UNCONFIRMED
    return Outcome(kind, history.bars, None, "", False, answer.asked_at, answer.answered_at, history.sha256)


async def _ask_bars(
    connection: Connection, window: Window, end: str, duration: str, timeout_seconds: float,
    on_first_frame: Callable[[datetime], None] | None,
) -> Answer | Outcome:  # fmt: skip
    contract, wire = contract_of(window.instrument), connection.wire
    return await connection.ask(
        "history",
        lambda number: wire.reqHistoricalData(
            number, contract, end, duration, BAR_SIZES[window.timeframe], window.origin.kind.value, window.origin.regular_hours,
            formatDate=2, keepUpToDate=False, chartOptions=None,
        ),
        wire.cancelHistoricalData,
        timeout_seconds=timeout_seconds,
        on_first_frame=on_first_frame,
    )  # fmt: skip


def _close(window: Window, history: History, asked_at: datetime, answered_at: datetime) -> Outcome:
    """The typed end of an answer that arrived whole."""
    is_daily = window.timeframe is Timeframe.DAY1
    wrong = next((bar for bar in history.bars if isinstance(bar.start, datetime) is is_daily), None)
    if wrong is not None:
        text = f"asked for {window.timeframe.value} bars and got one stamped {wrong.start}"
        return Outcome(OutcomeKind.ERROR, (), None, text, False, asked_at, answered_at, history.sha256)
    bars = tuple(bar for bar in history.bars if is_inside(window, bar))
    if window.instrument.is_index:
        bars = tuple(map(_untraded, bars))
    if bars:
        return Outcome(OutcomeKind.OK, bars, None, "", False, asked_at, answered_at, history.sha256)
    text = f"{len(history.bars)} bars, none of them inside the window" if history.bars else "an answer without bars"
    return Outcome(OutcomeKind.EMPTY_UNCONFIRMED, (), None, text, False, asked_at, answered_at, history.sha256)


def _untraded(bar: Bar) -> Bar:
    """A bar of an index: nothing is traded, and IB's 0 is the same none as its -1."""
    return bar._replace(volume=bar.volume or None, wap=bar.wap or None, trades=bar.trades or None)


def is_inside(window: Window, bar: Bar) -> bool:
    """Daily: session dates [first, last]. Intraday: starts [start, end)."""
    if isinstance(bar.start, datetime):
        return (window.start is None or window.start <= bar.start) and (window.end is None or bar.start < window.end)
    return window.first <= bar.start <= window.last


# ---- what to ask for -------------------------------------------------------------------------------------------------


def end_instant(window: Window) -> datetime:
    """The first instant (UTC) after the window: midnight at the exchange after its last session, or window.end."""
    if window.end is not None:
        return window.end
    zone = ZONES.get(window.instrument.calendar)
    if zone is None:
        return datetime.combine(window.last, _CLOSED_EVERYWHERE)
    return datetime.combine(window.last + timedelta(days=1), time(0), ZoneInfo(zone)).astimezone(UTC)


def end_of(window: Window, now: datetime) -> str:
    """endDateTime, always with its zone. Empty, "until now", where the window reaches into the present: users have seen
    that answered thirty times faster than a stated end."""
    end = end_instant(window)
    return "" if end >= now else end.astimezone(UTC).strftime("%Y%m%d %H:%M:%S UTC")


def duration_of(window: Window) -> str:
    """IB's durationStr, long enough for the window when counted back from its end.

    `N D` counts sessions, so that the weekdays of a range are always enough; beyond a year, `N Y` counts calendar years.
    Bars of half a minute and less are asked in seconds, which both of IB's published tables allow.
    """
    if window.timeframe is not Timeframe.DAY1:
        if window.start is None or window.end is None:
            raise ValueError("an intraday window needs start and end")
        if window.timeframe.seconds <= 30:
            seconds = int((window.end - window.start).total_seconds())
            if seconds > _SECONDS_MAX:
                raise ValueError(f"{window.timeframe.value} bars: at most a day a request, not {seconds} s")
            return f"{seconds} S"
    days = weekdays(window.first, window.last)
    if days <= _DAYS_MAX:
        if window.timeframe is Timeframe.HOUR4:
            return f"{days // 5 + 1} W"
        return f"{max(1, days)} D"
    years = _years(window.first, window.last + timedelta(days=1))
    if years > _YEARS_MAX:
        raise ValueError(f"at most {_YEARS_MAX} years a request, not {years}")
    return f"{years} Y"


def weekdays(first: date, last: date) -> int:
    """Mondays to Fridays in [first, last]: at least as many as there can be sessions."""
    weeks, rest = divmod((last - first).days + 1, 7)
    return weeks * 5 + sum((first.weekday() + each) % 7 < 5 for each in range(rest))


def _years(first: date, end: date) -> int:
    """The fewest calendar years that reach from `end` back beyond `first`: IB leaves out the session exactly N years
    ago (a captured month to 11 April begins on 12 March)."""
    years = end.year - first.year
    return years + 1 if (first.month, first.day) <= (end.month, end.day) else years


# ---- the small questions ---------------------------------------------------------------------------------------------


async def head(
    connection: Connection,
    instrument: Instrument,
    *,
    kind: Kind = Kind.TRADES,
    regular_hours: bool = True,
    timeout_seconds: float,
    on_first_frame: Callable[[datetime], None] | None = None,
) -> datetime | Outcome:
    """When IB's history of the instrument begins (UTC). Under the hard rule whatever the bar size, and open at the
    Gateway until it is cancelled, so it is cancelled once answered."""
    contract, wire = contract_of(instrument), connection.wire
    answer = await connection.ask(
        "head",
        lambda number: wire.reqHeadTimeStamp(number, contract, kind.value, regular_hours, 2),
        wire.cancelHeadTimeStamp,
        timeout_seconds=timeout_seconds,
        on_first_frame=on_first_frame,
        stays_open=True,
    )
    if isinstance(answer, Outcome):
        return answer
    instant: date | datetime = answer.items[0]
    if isinstance(instant, datetime):
        return instant
    return datetime.combine(instant, time(0), UTC)


async def schedule(
    connection: Connection,
    instrument: Instrument,
    *,
    days: int,
    end: datetime | None = None,
    regular_hours: bool = True,
    timeout_seconds: float,
    on_first_frame: Callable[[datetime], None] | None = None,
) -> tuple[ScheduledSession, ...] | Outcome:
    """IB's own sessions of the instrument: the last `days` up to `end` (aware; None: now), oldest first."""
    contract, wire = contract_of(instrument), connection.wire
    until = "" if end is None else end.astimezone(UTC).strftime("%Y%m%d %H:%M:%S UTC")
    answer = await connection.ask(
        "schedule",
        lambda number: wire.reqHistoricalData(
            number, contract, until, f"{days} D", "1 day", "SCHEDULE", regular_hours,
            formatDate=2, keepUpToDate=False, chartOptions=None,
        ),
        wire.cancelHistoricalData,
        timeout_seconds=timeout_seconds,
        on_first_frame=on_first_frame,
    )  # fmt: skip
    if isinstance(answer, Outcome):
        return answer
    zone_name, rows = answer.items[0]
    try:
        zone = ZoneInfo(zone_name)
        return tuple(
            ScheduledSession(_date(day), _instant(start, zone), _instant(stop, zone)) for start, stop, day in rows
        )
    except (ValueError, LookupError) as problem:
        text = f"a schedule that cannot be read: {problem}"
        return Outcome(OutcomeKind.ERROR, (), None, text, False, answer.asked_at, answer.answered_at)


def _date(text: str) -> date:
    return datetime.strptime(text, "%Y%m%d").replace(tzinfo=UTC).date()


def _instant(text: str, zone: ZoneInfo) -> datetime:
    """`20260312-09:30:00`, local to the zone that the answer names."""
    return datetime.strptime(text, "%Y%m%d-%H:%M:%S").replace(tzinfo=zone).astimezone(UTC)


async def current_time(connection: Connection, *, timeout_seconds: float) -> datetime | Outcome:
    """The Gateway's clock (UTC, whole seconds): is it alive, and does our clock agree with it."""
    return await connection.ask_time(timeout_seconds)
