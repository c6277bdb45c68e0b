"""Who a code is: the universe and the lives of codes, read from etc/universe.

A contract is more than a code. MBL became MQG in 2007; Zip traded as Z1P while ZIP was another company's; Transurban's
plain code was silent for two weeks in which its shares traded as TCLDA. So an instrument is named by our symbol, and its
history is that of every code it has held, each for its own time. A code that the files do not name is one instrument.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import NamedTuple

from scizor.base.errors import ConfigurationError
from scizor.base.paths import ROOT
from scizor.market import table, universe
from scizor.market.ladder import ladder
from scizor.market.table import Column, Problem
from scizor.market.types import Bar
from scizor.market.universe import Life, Listed
from scizor.replay.sources import ContractRow
from scizor.replay.sources.identity import made_up, place_of

UNIVERSE = ROOT / "etc" / "universe"
INDICES = ROOT / "etc" / "indices.csv"
SPLITS = ROOT / "etc" / "splits.csv"
ZONES = {"XASX": "Australia/NSW", "XNYS": "US/Eastern", "XNAS": "US/Eastern", "XCBF": "US/Central"}  # in IB's spelling
_PLAIN = re.compile(r"[A-Z0-9]{1,6}")
_DECIMALS = 4  # of an adjusted price


class Split(NamedTuple):
    """numerator new shares for denominator old ones, from ex_date on."""

    ex_date: date
    numerator: float
    denominator: float


@dataclass(frozen=True)
class Master:
    """Keys are (exchange, symbol), an index's (identity.place_of, symbol), or (exchange, code) for of_code. Empty: every code is an instrument of its own."""

    listed: dict[tuple[str, str], Listed] = field(default_factory=dict)
    of_code: dict[tuple[str, str], list[Life]] = field(default_factory=dict)
    of_symbol: dict[tuple[str, str], list[Life]] = field(default_factory=dict)
    splits: dict[tuple[str, str], list[Split]] = field(default_factory=dict)

    def holder(self, exchange: str, code: str, today: date) -> str | None:
        """The symbol of the instrument that the code means today; None when nobody holds it."""
        lives = self.of_code.get((exchange, code))
        if lives is not None:
            return next((each.symbol for each in lives if holds(each, today)), None)
        known = self.listed.get((exchange, code))
        was_listed = known is None or (known.listed_from or date.min) <= today <= (known.listed_to or date.max)
        return code if was_listed else None

    def lives(self, exchange: str, symbol: str) -> list[Life]:
        """Every code that the instrument has held; the plain one first, which has the say where two trade on one day."""
        lives = self.of_symbol.get((exchange, symbol), [])
        if (exchange, symbol) not in self.of_code and _PLAIN.fullmatch(symbol):
            lives = [Life(symbol, exchange, symbol, None, None, "", ""), *lives]
        return sorted(lives, key=lambda each: each.code != symbol)

    def code_on(self, exchange: str, symbol: str, today: date) -> str | None:
        """What the exchange calls the instrument today."""
        return next((each.code for each in self.lives(exchange, symbol) if holds(each, today)), None)

    def con_id(self, exchange: str, symbol: str) -> int:
        """IB's where the universe has it, else a made-up one."""
        known = self.listed.get((exchange, symbol))
        return (known.con_id if known else None) or made_up(exchange, symbol)

    def row(self, exchange: str, symbol: str, code: str, currency: str, calendar: str) -> ContractRow:
        """What the gateway is told of an instrument that is listed today, under this code."""
        known = self.listed.get((exchange, symbol))
        calendar = known.calendar if known else calendar
        is_fund = known is not None and known.sector == "ETF"
        con_id = self.con_id(exchange, symbol)
        births = [each.first or date.min for each in self.lives(exchange, symbol)]
        born = min(births, default=date.min)
        exchange, _, kind = exchange.partition(" ")
        return ContractRow(
            con_id=con_id,
            symbol=code,
            exchange=exchange,
            currency=known.currency if known else currency,
            calendar=calendar,
            time_zone=ZONES.get(calendar, "UTC"),
            long_name=(known.name if known and known.name else symbol).upper(),
            local_symbol=code,
            trading_class=code,
            sec_type=kind or "STK",
            valid_exchanges=exchange if kind else f"SMART,{exchange}",
            industry="" if is_fund or known is None else known.sector,
            stock_type="" if kind else "ETF" if is_fund else "COMMON",
            min_tick=0.01 if kind else ladder(calendar).rungs[0][1],
            listed_from=(known.listed_from if known else None) or (born if born > date.min else None),
        )

    def adjust(self, exchange: str, symbol: str, bars: Sequence[Bar], dates: Sequence[date], today: date) -> list[Bar]:
        """The bars as IB shows them today: prices before a split that has happened divided by it, volumes multiplied."""
        splits = [each for each in self.splits.get((exchange, symbol), ()) if each.ex_date <= today]
        if not splits or not dates or all(each.ex_date <= dates[0] for each in splits):
            return list(bars)
        return [_divide(bar, _ratio(splits, day)) for bar, day in zip(bars, dates, strict=True)]


def load(folder: Path = UNIVERSE, splits: Path = SPLITS, indices: Path = INDICES) -> Master:
    """The files of etc/universe, and the indices. ConfigurationError names every line that is wrong."""
    master = Master(of_code=defaultdict(list), of_symbol=defaultdict(list), splits=defaultdict(list))
    problems: list[Problem] = []
    for file in [*sorted(folder.glob("*.csv")), *([indices] if indices.exists() else [])]:
        data = file.read_bytes()
        if universe.is_lives(data):
            lives, found = universe.read_lives(file.name, data)
            for life in lives:
                life = life._replace(symbol=life.symbol or life.code)  # a line of its own is its own instrument
                master.of_code[life.exchange, life.code].append(life)
                master.of_symbol[life.exchange, life.symbol].append(life)
        else:
            listed, found = universe.read_listed(file.name, data)
            master.listed.update({(place_of(universe.home(each), each.sec_type), each.symbol): each for each in listed})
        problems += found
    rows, found = table.read(splits.name, splits.read_bytes(), _SPLITS) if splits.exists() else ([], [])
    for row in rows:
        ratio = Split(row.values["ex_date"], row.values["numerator"], row.values["denominator"])
        master.splits[row.values["exchange"], row.values["symbol"]].append(ratio)
    if problems + found:
        raise ConfigurationError("; ".join(map(str, problems + found)), hint="mend the file, or import the recording without it")
    return Master(master.listed, dict(master.of_code), dict(master.of_symbol), dict(master.splits))


def holds(life: Life, day: date) -> bool:
    """Whether the code meant this instrument on that day."""
    return (life.first or date.min) <= day <= (life.last or date.max)


def _ratio(splits: Sequence[Split], day: date) -> float:
    ratio = 1.0
    for each in splits:
        if day < each.ex_date:
            ratio *= each.numerator / each.denominator
    return ratio


def _divide(bar: Bar, ratio: float) -> Bar:
    if ratio == 1.0:
        return bar
    open_, high, low, close = (round(each / ratio, _DECIMALS) for each in bar[1:5])
    wap = None if bar.wap is None else round(bar.wap / ratio, _DECIMALS)
    volume = None if bar.volume is None else round(bar.volume * ratio, 2)
    return bar._replace(open=open_, high=high, low=low, close=close, volume=volume, wap=wap)


def _shares(text: str) -> float:
    if not re.fullmatch(r"\d{1,6}(\.\d{1,8})?", text, re.ASCII) or not float(text):
        raise ValueError(f"{table.quoted(text)} is not a number of shares")
    return float(text)


_SPLITS = (
    Column("symbol", table.symbol),
    Column("exchange", table.words),
    Column("ex_date", table.day),
    Column("numerator", _shares),
    Column("denominator", _shares),
    Column("note", table.words, is_optional=True),
)
