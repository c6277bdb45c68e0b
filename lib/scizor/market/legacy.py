"""The previous product's words in ours: how it spells a bar size, whose its symbols are, which of its rows are bars.

Pure. Prices come as the text of exact decimals and leave as that text: a numeric column may hold more digits than a float.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import NamedTuple

from scizor.base.errors import UsageError
from scizor.market.bars import number_text
from scizor.market.calendar import calendar_of
from scizor.market.exchanges import CALENDAR_OF_CURRENCY
from scizor.market.types import Bar, Timeframe
from scizor.market.universe import Life, Listed, home

_UNITS = {
    "s": 1, "sec": 1, "secs": 1, "second": 1, "seconds": 1, "t": 60, "m": 60, "min": 60, "mins": 60, "minute": 60, "minutes": 60,
    "h": 3600, "hr": 3600, "hrs": 3600, "hour": 3600, "hours": 3600, "d": 86400, "day": 86400, "days": 86400,
    "daily": 86400, "hourly": 3600,
}  # fmt: skip
_SIZES = {each.seconds: each for each in Timeframe}
_CURRENCY = {**{calendar: currency for currency, calendar in CALENDAR_OF_CURRENCY.items()}, "XNAS": "USD"}


def timeframe_of(text: str) -> Timeframe | None:
    """1day, 1 day, 1D, daily, 60 mins, 1h, M5: one size. None for what is none of ours, a month (1M) among it."""
    words = text.strip()
    if found := re.fullmatch(r"([A-Z])([0-9]{1,3})", words):  # M5, H1, D1
        words = f"{found[2]}{found[1].lower()}"
    found = re.fullmatch(r"([0-9]{0,6})[ _-]?([A-Za-z]+)", words)
    if found is None or found[2] == "M":
        return None
    seconds = int(found[1] or 1) * _UNITS.get(found[2].lower(), 0)
    return _SIZES.get(seconds)


class Theirs(NamedTuple):
    """A row of the previous product's symbols; empty where it does not say."""

    id: str
    symbol: str
    exchange: str = ""
    primary_exchange: str = ""
    currency: str = ""
    sec_type: str = ""
    name: str = ""


def identify(theirs: Theirs, ours: Mapping[str, Listed], lives: Sequence[Life] = ()) -> Listed | None:
    """Our instrument that it is: the plain code's, the one with its exchange behind a dot, or the only one that ever had the
    code there (Z1P is ZIP). None where there is none."""
    code = theirs.symbol.strip().upper()
    places = {each.upper() for each in (theirs.exchange, theirs.primary_exchange)} - {"", "SMART"}
    holders = {each.symbol for each in lives if each.code == code and each.symbol and (not places or each.exchange in places)}
    former = holders if len(holders) == 1 else set()
    for symbol in (code, *(f"{code}.{each}" for each in sorted(places)), *former):
        there = ours.get(symbol)
        if there is None or (theirs.currency and there.currency != theirs.currency.upper()):
            continue
        if not places or places & {home(there), there.exchange} or calendar(theirs) == there.calendar:
            return there
    return None


def instrument(theirs: Theirs, ours: Mapping[str, Listed]) -> Listed | None:
    """One that can be made of it, under a symbol that is free; None where it names no exchange that we know, or nobody
    knows its currency."""
    where = calendar(theirs)
    currency = theirs.currency.upper() or _CURRENCY.get(where, "")
    code = theirs.symbol.strip().upper()
    if not where or not currency or not re.fullmatch(r"[A-Z0-9][A-Z0-9 ./_-]{0,31}", code):
        return None
    exchange, primary = theirs.exchange.upper() or theirs.primary_exchange.upper(), theirs.primary_exchange.upper()
    symbol = code if code not in ours else f"{code}.{primary or exchange}"
    if symbol in ours or len(symbol) > 32 or not re.fullmatch(r"[A-Z]{3}", currency):
        return None
    sec_type = theirs.sec_type.upper() if re.fullmatch(r"[A-Za-z]{2,8}", theirs.sec_type) else "STK"
    return Listed(symbol, theirs.name, exchange, primary if primary != exchange else "", currency, sec_type, "", where, None, None, None, None)


def calendar(theirs: Theirs) -> str:
    """Its calendar; empty where none is known."""
    try:
        return calendar_of(theirs.exchange.upper() or theirs.primary_exchange.upper(), theirs.currency.upper(), theirs.primary_exchange.upper())
    except UsageError:
        return ""


class Row(NamedTuple):
    """A row that can become a bar. start: instant, UTC; day: its exchange's date, a daily bar's session date. Numbers as the
    text of decimals, None for NULL."""

    start: datetime
    day: date
    open: str | None
    high: str | None
    low: str | None
    close: str | None
    volume: str | None

    @property
    def raw(self) -> str:
        """As quarantine keeps a bar: with neither an average price nor a number of trades."""
        return ",".join(each or "" for each in self[2:]) + ",,"


@dataclass(slots=True)
class Settled:
    """Rows of one stretch of a series, divided. bars: one a start. duplicates: how many were equal to another one. conflicts:
    those that say something else than the bar of their start. unfinished: of bars that were not over by now."""

    bars: list[Row] = field(default_factory=list)
    duplicates: int = 0
    conflicts: list[Row] = field(default_factory=list)
    unfinished: list[Row] = field(default_factory=list)


def settle(
    rows: Sequence[Row], timeframe: Timeframe, finished_to: date, now: datetime, accepted: Collection[tuple[datetime, str]] = ()
) -> Settled:
    """One bar for each start. rows: by start, of one start the last written first. finished_to: the newest session that was
    over by now. accepted: start and raw of those that a person has chosen.

    Of rows that contradict each other the last written is the bar, as the previous product itself would have shown after an
    upsert, unless its prices are impossible and an earlier one's are not; the others are kept for a person to decide.
    """
    found = Settled()
    at = 0
    while at < len(rows):
        end = at + 1
        while end < len(rows) and rows[end].start == rows[at].start:
            end += 1
        different = list(dict.fromkeys(rows[at:end]))
        found.duplicates += end - at - len(different)
        late = different[0].day > finished_to if timeframe is Timeframe.DAY1 else different[0].start + timedelta(seconds=timeframe.seconds) > now
        if late:
            found.unfinished += different
        else:
            possible = [each for each in different if _is_possible(each)] or different
            chosen = next((each for each in different if (each.start, each.raw) in accepted), possible[0])
            found.bars.append(chosen)
            found.conflicts += [each for each in different if each is not chosen]
        at = end
    return found


def bars(rows: Sequence[Row], timeframe: Timeframe) -> list[Bar]:
    """The rows as bars. A missing price is NaN here, which every rule refuses; exact() puts the row's own text back."""
    found = []
    for row in rows:
        open_, high, low, close = map(_price, row[2:6])
        start = row.day if timeframe is Timeframe.DAY1 else row.start
        found.append(Bar(start, open_, high, low, close, None if row.volume is None else float(row.volume)))
    return found


def exact(text: str, rows: Sequence[Row]) -> str:
    """COPY text of `bars`, with the rows' own decimals where a float would have rounded one, and NULL where there was none."""
    if all(each is not None and number_text(float(each)) == each for row in rows for each in row[2:6]) and all(
        row.volume is None or number_text(float(row.volume)) == row.volume for row in rows
    ):
        return text
    lines = text.split("\n")[:-1]
    numbers = ("\t".join("\\N" if each is None else each for each in row[2:]) for row in rows)
    return "".join(
        "\t".join([*line.split("\t")[:2], mine, "\\N", "\\N"]) + "\n" for line, mine in zip(lines, numbers, strict=True)
    )


def _price(text: str | None) -> float:
    return float("nan") if text is None else float(text)


def _is_possible(row: Row) -> bool:
    open_, high, low, close = map(_price, row[2:6])
    volume = 0.0 if row.volume is None else float(row.volume)
    return 0 < low <= open_ <= high < 1e9 and low <= close <= high and 0 <= volume < 1e15
