"""The words: bar, window, outcome, origin. One meaning each; README and the tables use the same.

A bar is stamped by its *start*, in UTC; a daily bar by 00:00 UTC of its session date, and the session date is the
authority. A window is half open, [start, end). Prices and volumes travel as the floats that the vendor's client decoded;
repr() of those is the shortest text that means the same number, and that text is what is stored, exactly.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import IntFlag, StrEnum
from typing import NamedTuple


class Timeframe(StrEnum):
    """Bar sizes as users name them and as the tables store them."""

    SEC5 = "5sec"
    SEC30 = "30sec"
    MIN1 = "1min"
    MIN5 = "5min"
    MIN15 = "15min"
    MIN30 = "30min"
    HOUR1 = "1hour"
    HOUR4 = "4hour"
    DAY1 = "1day"

    @property
    def seconds(self) -> int:
        return _SECONDS[self]


_SECONDS = {
    Timeframe.SEC5: 5, Timeframe.SEC30: 30, Timeframe.MIN1: 60, Timeframe.MIN5: 300, Timeframe.MIN15: 900,
    Timeframe.MIN30: 1800, Timeframe.HOUR1: 3600, Timeframe.HOUR4: 14400, Timeframe.DAY1: 86400,
}  # fmt: skip


class Kind(StrEnum):
    """What a bar is made of: IB's whatToShow."""

    TRADES = "TRADES"
    MIDPOINT = "MIDPOINT"
    BID = "BID"
    ASK = "ASK"


class Bar(NamedTuple):
    """OHLCV over [start, start + timeframe).

    start: date for a daily bar (its session date), aware UTC datetime for a shorter one; a naive one is refused by
    validation. volume in shares, may be fractional; -1 or None when the vendor has none. wap: volume-weighted average
    price; trades: how many prints made it; None where the vendor has none.
    """

    start: date | datetime
    open: float
    high: float
    low: float
    close: float
    volume: float | None = None
    wap: float | None = None
    trades: int | None = None


class Flag(IntFlag):
    """Doubts that do not refuse a bar: the bits of bars.flags, named as the rules are. The table doubt_bits says the same.

    OFF_TICK comes with the bar; the others are bin/report-quality's, which sets and clears them once a session is over.
    """

    OFF_TICK = 1
    STEP = 2
    SPREAD = 4
    VOLUME = 8
    HAMPEL = 16
    BROWNLEES_GALLO = 32
    WRONG = 64


JUDGED = Flag.STEP | Flag.SPREAD | Flag.VOLUME | Flag.HAMPEL | Flag.BROWNLEES_GALLO | Flag.WRONG
SUSPECT = Flag.BROWNLEES_GALLO | Flag.WRONG  # what market_data_checked leaves out


@dataclass(frozen=True, slots=True)
class Origin:
    """Where bars come from: part of their key. source: "ib", "recorded", "simulated", "legacy"…"""

    kind: Kind = Kind.TRADES
    source: str = "ib"
    regular_hours: bool = True

    @property
    def is_imported(self) -> bool:
        """Came once, as it was: nobody can be asked for what it lacks."""
        return self.source == "legacy"


@dataclass(frozen=True, slots=True)
class Session:
    """One exchange day of a calendar ("XASX", "XNYS"). open, close: continuous trading, UTC. last: end of the last
    phase in which a price can still be made (the closing auction), UTC: a bar before it is unfinished."""

    calendar: str
    session_date: date
    open: datetime
    close: datetime
    last: datetime
    is_half_day: bool = False


class Instrument(NamedTuple):
    """A symbol as a job needs it. con_id None: not qualified yet.

    symbol: our plain code, which belongs to one row; code: what the exchange calls it now (Zip was Z1P until April
    2022). priority: 1 first. listed_from, listed_to: first and last session dates of the contract's life, None where
    unknown or still listed. successor: our symbol of what it became.
    """

    symbol_id: int
    symbol: str
    exchange: str
    calendar: str
    currency: str
    con_id: int | None
    priority: int
    listed_from: date | None = None
    listed_to: date | None = None
    sec_type: str = "STK"
    primary_exchange: str = ""
    successor: str | None = None
    code: str = ""
    refused: str = ""  # why it is not collected at present ("left the market in January 2022, successor SQ2")
    daily_years: int | None = None  # horizon of its daily bars, the longest of its watch-lists'; None: as configured

    @property
    def is_index(self) -> bool:
        """Computed, not traded: no volume, no price ladder, no splits."""
        return self.sec_type == "IND"


class Why(StrEnum):
    """Why a bar that was expected is not there. The first three explain and need their evidence; the rest are missing."""

    NOT_LISTED = "not-listed"  # evidence: the contract's life, or an answer that reached back further and had nothing
    CLOSED = "closed"  # evidence: a calendar override
    NO_TRADE = "no-trade"  # evidence: a second fetch, at least 12 hours later, that confirmed the emptiness
    UNKNOWN = "unknown"
    DEFERRED = "deferred"  # asked, not answered as hoped; there is a next time
    OUTAGE = "outage"
    QUARANTINED = "quarantined"  # evidence: the quarantine row
    NO_PERMISSION = "no-permission"  # evidence: the error row, as for the next two
    NO_CONTRACT = "no-contract"
    ERROR = "error"

    @property
    def is_explained(self) -> bool:
        return self in (Why.NOT_LISTED, Why.CLOSED, Why.NO_TRADE)


class Incomplete(NamedTuple):
    """Sessions of one series that are not complete, for one reason. next_at: not asked again before then (UTC), None: now.

    One session, or every session from session_date to `last`: twenty years that could not be fetched are one row.
    since: when it was first answered without a bar (UTC); a second such answer 12 hours later confirms the emptiness.
    """

    session_date: date
    why: Why
    attempts: int = 0
    next_at: datetime | None = None
    last: date | None = None
    since: datetime | None = None


class Span(NamedTuple):
    """Session dates [first, last], both included, in which every session of the calendar is complete."""

    first: date
    last: date


@dataclass(frozen=True, slots=True)
class Coverage:
    """What is known of one series (symbol, timeframe, origin): complete spans, and each session that is not.

    refetched_to: sessions up to here have had their second fetch the next day. Sessions in neither are unasked.
    """

    symbol_id: int
    timeframe: Timeframe
    origin: Origin
    spans: tuple[Span, ...] = ()
    incomplete: tuple[Incomplete, ...] = ()
    refetched_to: date | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """What one request asks for: bars of one instrument whose session dates lie in [first, last].

    Daily windows are spoken of by session dates. Intraday windows carry start and end (UTC, half open) as well.
    """

    instrument: Instrument
    timeframe: Timeframe
    first: date
    last: date
    origin: Origin = field(default_factory=Origin)
    start: datetime | None = None
    end: datetime | None = None
    attempt: int = 1

    @property
    def days(self) -> int:
        return (self.last - self.first) // timedelta(days=1) + 1


class OutcomeKind(StrEnum):
    """How a request ended. Only EMPTY_CONFIRMED explains a missing bar; every other emptiness is a failure."""

    OK = "ok"
    EMPTY_CONFIRMED = "empty-confirmed"
    EMPTY_UNCONFIRMED = "empty-unconfirmed"
    PACING = "pacing"
    NO_PERMISSION = "no-permission"
    TIMEOUT = "timeout"
    CANCELLED = "cancelled"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer to one request, complete and closed: `bars` is a copy and cannot change later.

    code, text: IB's error code and its text as it stood on the wire, None when there was none. is_permanent: trying
    again soon cannot help (no such contract, no permission). sha256: of the bars as received, 32 bytes.
    """

    kind: OutcomeKind
    bars: tuple[Bar, ...] = ()
    code: int | None = None
    text: str = ""
    is_permanent: bool = False
    asked_at: datetime | None = None
    answered_at: datetime | None = None
    sha256: bytes | None = None

    @property
    def is_ok(self) -> bool:
        return self.kind is OutcomeKind.OK
