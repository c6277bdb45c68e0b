"""The seeded simulated market as a source: every instrument of the universe, and any other code that could be one.

It keeps nothing: a conId that is not IB's own has the code written in it, so a gateway that was restarted, or another
one with the same seed, answers the same. Codes have their lives here too: a code that nobody holds today is unknown.
"""

from __future__ import annotations

import re
from collections.abc import Container, Sequence
from datetime import date, datetime, timedelta
from functools import cached_property

from scizor.base.clock import Clock
from scizor.market import simulated
from scizor.market.aggregate import aggregate
from scizor.market.types import Bar, Kind, Session, Timeframe
from scizor.replay.sources import ContractRow, Pattern, dates
from scizor.replay.sources.identity import read_back
from scizor.replay.sources.lines import Problems
from scizor.replay.sources.master import Master

#: Where an unlisted code may live, and in which currency; the first that agrees with a request has it.
EXCHANGES = {
    "ASX": ("AUD", "XASX"),
    "NASDAQ": ("USD", "XNYS"),
    "NYSE": ("USD", "XNYS"),
    "ARCA": ("USD", "XNYS"),
    "AMEX": ("USD", "XNYS"),
    "BATS": ("USD", "XNYS"),
}
#: The same for indices, which are asked for at their own exchange alone.
INDICES = {"CBOE IND": ("USD", "XCBF"), "ASX IND": ("AUD", "XASX"), "NASDAQ IND": ("USD", "XNAS"), "NYSE IND": ("USD", "XNYS")}
_PLACES = {**EXCHANGES, **INDICES}
FIRST = date(1995, 1, 3)  # older than every horizon; nothing was listed before
_PLAUSIBLE = re.compile(r"[A-Z0-9]{1,5}")


class Simulated:
    """A Source. clock: what last_session() judges by. without: (exchange, code) for which another source answers, also
    by silence."""

    def __init__(self, seed: int, master: Master, clock: Clock, without: Container[tuple[str, str]] = ()) -> None:
        self._seed = seed
        self._master = master
        self._clock = clock
        self._without = without
        self.problems = Problems()  # none, ever
        self._real = {each.con_id: key for key, each in master.listed.items() if each.con_id}

    @property
    def label(self) -> str:
        return simulated.label(self._seed)

    def has(self, con_id: int) -> bool:
        return self._instrument(con_id) is not None

    def contracts(self, pattern: Pattern, today: date) -> list[ContractRow]:
        """The one instrument that the pattern means: the universe's, else the first exchange's that agrees."""
        if pattern.con_id:
            found = self._instrument(pattern.con_id)
            rows = [self._row(*found, today)] if found else []
        elif pattern.sec_type not in ("", "STK", "IND"):
            rows = []
        else:
            code = pattern.local_symbol or pattern.symbol
            is_index = pattern.sec_type == "IND"
            said = {pattern.exchange, pattern.primary_exchange} - ({""} if is_index else {"", "SMART"})
            places = [
                exchange
                for exchange, (currency, _) in (INDICES if is_index else EXCHANGES).items()
                if pattern.currency in ("", currency) and said <= {exchange.partition(" ")[0]}
            ]
            holders = [(each, symbol) for each in places if (symbol := self._master.holder(each, code, today))]
            holders.sort(key=lambda each: each not in self._master.listed and each not in self._master.of_symbol)
            rows = [self._row(*each, today, code) for each in holders if self._is_plausible(*each)]
        return [each for each in rows if each is not None][:1]

    def bars(
        self, con_id: int, timeframe: Timeframe, kind: Kind, regular_hours: bool, first: date, last: date, now: datetime
    ) -> list[Bar]:
        """Regular hours, whatever regular_hours says. A session under way at `now` is made of its finished minutes. An index has
        neither volume nor quotes: its trades are 0, as IB's are."""
        instrument = self._instrument(con_id)
        if instrument is None:
            return []
        exchange, symbol = instrument
        is_index = exchange in INDICES
        if is_index and kind is not Kind.TRADES:
            return []
        calendar = self._calendar(exchange, symbol)
        born, gone = self._life(exchange, symbol)
        sessions = dates.sessions(calendar, max(first, born), min(last, gone, dates.today(calendar, now)))
        over = [each for each in sessions if each.last <= now]
        bars = list(simulated.bars(self._seed, symbol, timeframe, over, kind))
        for session in sessions[len(over) :]:
            bars += self._under_way(symbol, timeframe, kind, session, now)
        return [each._replace(volume=0.0, wap=0.0, trades=0) for each in bars] if is_index else bars

    def head(self, con_id: int, kind: Kind) -> datetime | None:
        instrument = self._instrument(con_id)
        if instrument is None or (instrument[0] in INDICES and kind is not Kind.TRADES):
            return None
        born, _ = self._life(*instrument)
        sessions = dates.sessions(self._calendar(*instrument), born, born + timedelta(days=14))
        return sessions[0].open if sessions else None

    def sessions(self, con_id: int, first: date, last: date) -> list[Session]:
        instrument = self._instrument(con_id)
        return dates.sessions(self._calendar(*instrument), first, last) if instrument else []

    def last_session(self, calendar: str = "", symbols: Sequence[str] = ()) -> date:
        """The newest session of the calendar (the ASX's, unless told) that was over yesterday."""
        calendar = calendar or "XASX"
        yesterday = dates.today(calendar, self._clock.now()) - timedelta(days=1)
        return dates.sessions(calendar, yesterday - timedelta(days=30), yesterday)[-1].session_date

    # who is who -------------------------------------------------------------------------------------------------------

    def _instrument(self, con_id: int) -> tuple[str, str] | None:
        """(exchange, symbol)."""
        return self._real.get(con_id) or read_back(con_id) or self._long_names.get(con_id)

    @cached_property
    def _long_names(self) -> dict[int, tuple[str, str]]:
        """Instruments of the universe whose names do not fit into a conId."""
        keys = (*self._master.listed, *self._master.of_symbol)
        return {self._master.con_id(*key): key for key in keys if not _PLAUSIBLE.fullmatch(key[1])}

    def _is_plausible(self, exchange: str, symbol: str) -> bool:
        key = (exchange, symbol)
        return key in self._master.listed or key in self._master.of_symbol or bool(_PLAUSIBLE.fullmatch(symbol))

    def _row(self, exchange: str, symbol: str, today: date, code: str = "") -> ContractRow | None:
        code = code or self._master.code_on(exchange, symbol, today) or ""
        if not code or self._master.holder(exchange, code, today) != symbol or today < FIRST:
            return None
        if (exchange, code) in self._without:
            return None
        currency, calendar = _PLACES.get(exchange, ("USD", "XNYS"))
        return self._master.row(exchange, symbol, code, currency, calendar)

    def _calendar(self, exchange: str, symbol: str) -> str:
        known = self._master.listed.get((exchange, symbol))
        return known.calendar if known else _PLACES.get(exchange, ("USD", "XNYS"))[1]

    def _life(self, exchange: str, symbol: str) -> tuple[date, date]:
        """First and last session dates on which it may have traded."""
        known = self._master.listed.get((exchange, symbol))
        lives = self._master.lives(exchange, symbol)
        born = min((each.first or FIRST for each in lives), default=FIRST)
        gone = max((each.last or date.max for each in lives), default=date.max)
        if known:
            born, gone = known.listed_from or born, min(known.listed_to or gone, gone)
        return max(born, FIRST), gone

    def _under_way(self, symbol: str, timeframe: Timeframe, kind: Kind, session: Session, now: datetime) -> list[Bar]:
        finest = Timeframe.SEC5 if timeframe.seconds < 60 else Timeframe.MIN1
        length = timedelta(seconds=finest.seconds)
        parts = [
            each
            for each in simulated.bars(self._seed, symbol, finest, [session], kind)
            if isinstance(each.start, datetime) and each.start + length <= now
        ]
        return parts if timeframe is finest else aggregate(parts, session, timeframe)

