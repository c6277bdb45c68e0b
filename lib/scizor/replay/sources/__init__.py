"""Where the replay gateway's history comes from: one adapter a file, all behind the Protocol `Source`.

Why a Protocol and not a format: a recorded folder, one symbol's CSV and the seeded simulated market have nothing in common
but the questions that the gateway asks. It asks in session dates and conIds, and does IB's arithmetic (durations, end
times, date formats, bars of two minutes or a week) itself, so an adapter only knows its files.

The gateway calls a source from one worker thread, one call at a time: an adapter may read files, may cache, and needs no
locks. It must not ask the machine for the time: `now` comes in. Nothing of a recording is ever later than `now`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from scizor.market.types import Bar, Kind, Session, Timeframe


@dataclass(frozen=True, slots=True)
class Pattern:
    """What a client wrote into its contract. Empty text and 0 mean: not said. `exchange` may be SMART."""

    con_id: int = 0
    symbol: str = ""
    sec_type: str = ""
    exchange: str = ""
    primary_exchange: str = ""
    currency: str = ""
    local_symbol: str = ""
    trading_class: str = ""


@dataclass(frozen=True, slots=True)
class ContractRow:
    """One instrument, as contractData tells it. con_id is IB's where it is known, else the source's own, stable one.

    exchange: where it is listed (ASX, NASDAQ), never SMART. calendar: the name that market.calendar knows (XASX). time_zone:
    IB's spelling (Australia/NSW, US/Eastern), one that zoneinfo takes. isin: empty where unknown. listed_to: the last
    session in which it traded, None while it is listed: a contract that has left is not found after that date.
    """

    con_id: int
    symbol: str
    exchange: str
    currency: str
    calendar: str
    time_zone: str
    long_name: str = ""
    sec_type: str = "STK"
    local_symbol: str = ""
    trading_class: str = ""
    valid_exchanges: str = ""
    industry: str = ""
    category: str = ""
    subcategory: str = ""
    isin: str = ""
    stock_type: str = "COMMON"
    min_tick: float = 0.001
    listed_from: date | None = None
    listed_to: date | None = None


def matches(row: ContractRow, pattern: Pattern) -> bool:
    """Whether IB would offer this row for that pattern: everything that was said must agree; SMART is any exchange."""
    if pattern.con_id:
        return row.con_id == pattern.con_id
    said = (
        (pattern.symbol, row.symbol),
        (pattern.sec_type, row.sec_type),
        (pattern.currency, row.currency),
        (pattern.primary_exchange, row.exchange),
        (pattern.local_symbol, row.local_symbol or row.symbol),
        (pattern.trading_class, row.trading_class or row.symbol),
        (pattern.exchange if pattern.exchange != "SMART" else "", row.exchange),
    )
    return bool(pattern.symbol or pattern.local_symbol) and all(not wanted or wanted == have for wanted, have in said)


class Source(Protocol):
    """History of some instruments. Every answer is what could be known at `now` (aware, UTC), never later."""

    @property
    def label(self) -> str:
        """For people, printed wherever the source is used: says "recorded" or "simulated", and from where or which seed."""
        ...

    def contracts(self, pattern: Pattern, today: date) -> list[ContractRow]:
        """Every instrument that agrees with the pattern and was known by `today`; an empty list is error 200."""
        ...

    def bars(
        self, con_id: int, timeframe: Timeframe, kind: Kind, regular_hours: bool, first: date, last: date, now: datetime
    ) -> list[Bar]:
        """Bars of the sessions [first, last], both included, oldest first, begun before `now`, split-adjusted as of `now`.

        The bar that is under way at `now` holds what had traded by then, or is absent. A size or kind that the source does
        not have is an empty list.
        """
        ...

    def head(self, con_id: int, kind: Kind) -> datetime | None:
        """Start of the first bar (aware, UTC); None where there is none."""
        ...

    def sessions(self, con_id: int, first: date, last: date) -> list[Session]:
        """The exchange's sessions in [first, last], oldest first, whether the instrument traded in them or not."""
        ...

    def last_session(self) -> date:
        """The newest session that the source has: a demo's clock stands at its close."""
        ...
