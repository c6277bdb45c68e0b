"""IB's arithmetic of historical requests: sizes, durations, end times, stamps. Pure but for the source that it asks.

Durations: `N D` counts trading sessions that have begun before the end; W, M and Y are calendar time, the session exactly
that long ago not included (a captured answer of 1 M to 11 April begins on 12 March); S are seconds before the end, put back
to the last moment at which something was traded. Nothing lies beyond the gateway's clock.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from calendar import monthrange
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from scizor.market.types import Bar, Kind, Session, Timeframe
from scizor.replay.sources import ContractRow, Source
from scizor.replay.tws import texts
from scizor.replay.tws.options import GatewayOptions

SIZES: Mapping[str, Timeframe] = {
    "5 secs": Timeframe.SEC5, "30 secs": Timeframe.SEC30, "1 min": Timeframe.MIN1, "5 mins": Timeframe.MIN5,
    "15 mins": Timeframe.MIN15, "30 mins": Timeframe.MIN30, "1 hour": Timeframe.HOUR1, "4 hours": Timeframe.HOUR4,
    "1 day": Timeframe.DAY1, "1D": Timeframe.DAY1,
}  # fmt: skip
LEGAL = "5 secs,30 secs,1 min,5 mins,15 mins,30 mins,1 hour,4 hours,1 day"
KINDS = ("TRADES", "MIDPOINT", "BID", "ASK", "BID_ASK")
#: Longest duration in each unit, and the unit to use beyond it (IB's current table; 86400 seconds stand for any size).
LONGEST = {"S": (86400, "days"), "D": (365, "years"), "W": (52, "years"), "M": (12, "years"), "Y": (68, "")}
_INSTANT_ZONED_SINCE = 174  # INSTRUMENT_TIMEZONE: formatDate 1 carries its zone
_UNKNOWN = -1  # what IB sends where it has no volume, no wap, no count

AS_USUAL = GatewayOptions()

Row = tuple[Any, ...]


class InvalidError(Exception):
    """The request cannot be served as it is: error 321 with this cause (162 where `is_step`)."""

    def __init__(self, cause: str, is_step: bool = False) -> None:
        super().__init__(cause)
        self.cause = cause
        self.is_step = is_step


@dataclass(frozen=True, slots=True)
class Question:
    """A request that was understood. end: aware, UTC, None for now. size: None for SCHEDULE."""

    what: str
    size: Timeframe
    count: int
    unit: str
    end: datetime | None
    regular_hours: bool
    format_date: int


def read(values: Mapping[str, Any], zone: ZoneInfo) -> Question:
    """What reqHistoricalData asks for. InvalidError says what is wrong with it, in IB's words."""
    size = SIZES.get(str(values["bar_size"]))
    if size is None:
        raise InvalidError(texts.BAR_SIZE.format(legal=LEGAL))
    what = str(values["what"]).upper()
    if what not in (*KINDS, "SCHEDULE"):
        raise InvalidError(texts.WHAT)
    group = re.fullmatch(r"(\d{1,6}) ?([SDWMY])", str(values["duration"]).strip())
    if group is None or int(group[1]) == 0:
        raise InvalidError(texts.DURATION_FORM.format(text=values["duration"]))
    count, unit = int(group[1]), group[2]
    most, larger = LONGEST[unit]
    if count > most:
        raise InvalidError(texts.DURATION.format(most=f"{most} {unit}", larger=larger or "nothing longer"))
    if unit == "S" and (size is Timeframe.DAY1 or count < size.seconds):
        raise InvalidError(texts.TAILS["invalid-step"], is_step=True)
    if not values["exchange"]:
        raise InvalidError(texts.EXCHANGE)
    end = parse_end(str(values["end"]), zone)
    return Question(what, size, count, unit, end, bool(values["use_rth"]), int(values["format_date"] or 1))


def parse_end(text: str, zone: ZoneInfo) -> datetime | None:
    """`` is now; `20250115-05:00:00` is UTC; `20250115 16:00:00` is the login's zone unless a zone follows; a date alone
    is its midnight. Two spaces are one."""
    text = " ".join(text.split())
    if not text:
        return None
    group = re.fullmatch(r"(\d{8})(?:([ -])(\d\d:\d\d:\d\d)(?: (\S+))?)?", text)
    try:
        if group is None:
            raise ValueError
        named = ZoneInfo(group[4]) if group[4] else ZoneInfo("UTC") if group[2] == "-" else zone
        naive = f"{group[1]} {group[3] or '00:00:00'}"
        return datetime.strptime(naive, "%Y%m%d %H:%M:%S").replace(tzinfo=named).astimezone(UTC)
    except (ValueError, ZoneInfoNotFoundError):
        raise InvalidError(texts.END.format(text=text)) from None


@dataclass(frozen=True, slots=True)
class Range:
    """Sessions [first, last] and, for seconds, instants [start, end)."""

    sessions: tuple[Session, ...]
    start: datetime | None
    end: datetime


def range_of(question: Question, row: ContractRow, source: Source, now: datetime) -> Range:
    """Which sessions, and which part of them, the question is about."""
    end = min(question.end or now, now)
    local = end.astimezone(ZoneInfo(row.time_zone)).date()
    if question.unit in "DS":
        wanted = question.count if question.unit == "D" else 1 + question.count // 10_000
        sessions = _last_sessions(source, row.con_id, wanted, local, end)
    else:
        first = _before(local, question.count, question.unit) + timedelta(days=1)
        sessions = [each for each in source.sessions(row.con_id, first, local) if each.open < end]
    start = None
    if question.unit == "S" and sessions:
        end = min(end, sessions[-1].last)
        start = end - timedelta(seconds=question.count)
    return Range(tuple(sessions), start, end)


def _last_sessions(source: Source, con_id: int, count: int, last: date, end: datetime) -> list[Session]:
    days = count * 3 // 2 + 14
    while True:
        found = [each for each in source.sessions(con_id, last - timedelta(days=days), last) if each.open < end]
        if len(found) >= count or days > 40_000:
            return found[-count:]
        days = days * 2


def _before(day: date, count: int, unit: str) -> date:
    if unit == "W":
        return day - timedelta(weeks=count)
    months = day.year * 12 + day.month - 1 - count * (12 if unit == "Y" else 1)
    year, month = divmod(months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def bars(
    question: Question, row: ContractRow, source: Source, now: datetime, con_id: int = 0, manners: GatewayOptions = AS_USUAL
) -> list[Bar]:
    """The bars that answer the question, oldest first. con_id: of whose bars, when not the row's own. manners: what is not
    established of the real one."""
    span = range_of(question, row, source, now)
    if not span.sessions:
        return []

    def ask(kind: Kind) -> list[Bar]:
        first, last = span.sessions[0].session_date, span.sessions[-1].session_date
        found = source.bars(con_id or row.con_id, question.size, kind, question.regular_hours, first, last, now)
        if question.size is Timeframe.DAY1:
            return found
        found = [each for each in found if _begins_in(each, span, manners.end_is_inclusive)]
        if not manners.auction_is_regular and question.regular_hours:
            found = _without_auctions(found, span.sessions)
        if not manners.zero_bars:
            found = [each for each in found if each.volume != 0 or each.trades != 0]
        return found + _unfinished(found, question.size, span, now) if manners.unfinished_bar else found

    if question.what == "BID_ASK":
        return [_bid_ask(bid, ask_) for bid, ask_ in zip(ask(Kind.BID), ask(Kind.ASK), strict=False)]
    return ask(Kind(question.what))


def _begins_in(bar: Bar, span: Range, with_end: bool = False) -> bool:
    assert isinstance(bar.start, datetime)
    is_before = bar.start < span.end or (with_end and bar.start == span.end)
    return is_before and (span.start is None or bar.start >= span.start)


def _without_auctions(found: list[Bar], sessions: Sequence[Session]) -> list[Bar]:
    """What begins when continuous trading is over is left out."""
    opens = [each.open for each in sessions]
    return [
        each for each in found
        if isinstance(each.start, datetime) and (place := bisect_right(opens, each.start)) and each.start < sessions[place - 1].close
    ]  # fmt: skip


def _unfinished(found: Sequence[Bar], size: Timeframe, span: Range, now: datetime) -> list[Bar]:
    """The bar that is being made at `now`, as far as it goes: so far nothing but the last price."""
    session = span.sessions[-1]
    if not found or span.end < now or not session.open < now < session.close:
        return []
    length = timedelta(seconds=size.seconds)
    start = session.open + (now - session.open) // length * length
    last = found[-1]
    price = last.close
    return [Bar(start, price, price, price, price, *(None, None, None) if last.volume is None else (1.0, price, 1))] if last.start < start else []


def _bid_ask(bid: Bar, ask: Bar) -> Bar:
    """IB's BID_ASK: average bid, highest ask, lowest bid, average ask; the averages here are of open and close."""
    return Bar(bid.start, round((bid.open + bid.close) / 2, 4), ask.high, bid.low, round((ask.open + ask.close) / 2, 4))


def rows(found: list[Bar], question: Question, zone_name: str, login: ZoneInfo, version: int) -> list[Row]:
    """The bars as the wire carries them."""
    stamp = _stamper(question, zone_name, login, version)
    if question.what != "TRADES":
        return [(stamp(b.start), b.open, b.high, b.low, b.close, _UNKNOWN, _UNKNOWN, _UNKNOWN) for b in found]
    return [
        (
            stamp(b.start), b.open, b.high, b.low, b.close,
            _UNKNOWN if b.volume is None else b.volume,
            _UNKNOWN if b.wap is None else b.wap,
            _UNKNOWN if b.trades is None else b.trades,
        )
        for b in found
    ]  # fmt: skip


def _stamper(question: Question, zone_name: str, login: ZoneInfo, version: int) -> Any:
    if question.size is Timeframe.DAY1:
        return lambda start: f"{start:%Y%m%d}"
    if question.format_date == 2:
        return lambda start: str(int(start.timestamp()))
    return lambda start: local_stamp(start, zone_name, login, version)


def local_stamp(instant: datetime, zone_name: str, login: ZoneInfo, version: int) -> str:
    """formatDate 1: the instrument's zone, named, since 174; before that the login's, not named."""
    if version >= _INSTANT_ZONED_SINCE:
        return f"{instant.astimezone(ZoneInfo(zone_name)):%Y%m%d %H:%M:%S} {zone_name}"
    return f"{instant.astimezone(login):%Y%m%d  %H:%M:%S}"


def head_stamp(instant: datetime, format_date: int, login: ZoneInfo, version: int) -> str:
    """A head timestamp: epoch seconds, or a time without a zone (UTC with a dash since 174, else the login's)."""
    if format_date == 2:
        return str(int(instant.timestamp()))
    if version >= _INSTANT_ZONED_SINCE:
        return f"{instant.astimezone(UTC):%Y%m%d-%H:%M:%S}"
    return f"{instant.astimezone(login):%Y%m%d  %H:%M:%S}"


def schedule(sessions: tuple[Session, ...], zone_name: str, with_auction: bool) -> dict[str, Any]:
    """Message 106's fields but for the request's id."""
    zone = ZoneInfo(zone_name)

    def local(instant: datetime) -> str:
        return f"{instant.astimezone(zone):%Y%m%d-%H:%M:%S}"

    listed = [
        (local(each.open), local(each.last if with_auction else each.close), f"{each.session_date:%Y%m%d}")
        for each in sessions
    ]
    ends = (listed[0][0], listed[-1][1]) if listed else ("", "")
    return {"start": ends[0], "end": ends[1], "time_zone": zone_name, "sessions": listed}


def hours(sessions: list[Session], first: date, days: int, zone_name: str, with_auction: bool) -> str:
    """IB's hours text: `20260406:1000-20260406:1610;20260407:CLOSED`, one piece a day."""
    zone = ZoneInfo(zone_name)
    by_day = {each.session_date: each for each in sessions}
    pieces = []
    for day in (first + timedelta(days=number) for number in range(days)):
        session = by_day.get(day)
        if session is None:
            pieces.append(f"{day:%Y%m%d}:CLOSED")
            continue
        start, end = (each.astimezone(zone) for each in (session.open, session.last if with_auction else session.close))
        pieces.append(f"{start:%Y%m%d:%H%M}-{end:%Y%m%d:%H%M}")
    return ";".join(pieces)
