"""Intraday bars of US shares as recorded through Interactive Brokers: one file a symbol and bar size.

`datetime,open,high,low,close,volume`, oldest first, regular hours; the time is the bar's *start*, in New York, without
a zone. The file's name is SYMBOL_SIZE (XLV_1min.csv.gz); the size is measured in the file, the name only has to agree.
Other collections have the same columns and mean something else (newest first with the bar's end; several feeds in one
file): they are no recordings of this kind, and `reason` says why.

Longer bars, the daily one included, are made of the recorded ones, session by session: from the longest recorded size
that divides them. What the files say is served as it stands.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from scizor.market.aggregate import aggregate
from scizor.market.table import quoted
from scizor.market.types import Bar, Kind, Session, Timeframe
from scizor.replay.sources import ContractRow, Pattern, dates
from scizor.replay.sources.lines import Problems, blocks, fields, files, first_lines, lines, number
from scizor.replay.sources.master import Master

CALENDAR, CURRENCY = "XNYS", "USD"
EXCHANGES = ("NASDAQ", "NYSE", "ARCA", "AMEX", "BATS", "IEX")  # IB's names of where a US share may be listed
COLUMNS = ["datetime", "open", "high", "low", "close", "volume"]
_NAME = re.compile(r"([A-Z0-9.]{1,12})_(\d+(?:sec|min|hour))")
_SIZES = {each.seconds: each for each in Timeframe}
_TIME = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d", re.ASCII)


class Recording(NamedTuple):
    path: Path
    symbol: str
    timeframe: Timeframe


def recording(path: Path) -> Recording | str:
    """What the file is, or in words why it is none of these recordings; "" when it has other columns."""
    head = [each.decode(errors="replace").lower().replace('"', "").split(",") for each in first_lines(path, 50)]
    if not head or head[0] != COLUMNS:
        return ""
    name = _NAME.fullmatch(path.name.split(".csv")[0])
    if not name:
        return "the name is not SYMBOL_SIZE as XLV_1min: it may hold more than one feed"
    times = [at for each in head[1:] if (at := _instant(each[0]))]
    steps = [(after - before) // timedelta(seconds=1) for before, after in pairwise(times)]
    step = sorted(steps)[len(steps) // 2] if steps else 0
    if step <= 0:
        return "not oldest first: its times may be the ends of bars"
    timeframe = _SIZES.get(step)
    if timeframe is None or timeframe.value != name[2]:
        return f"its bars are {step} s apart, its name says {name[2]}"
    return Recording(path, name[1], timeframe)


class IbCsv:
    """A Source of TRADES bars in regular hours. problems: the lines that are none, of the files read so far."""

    def __init__(self, recordings: Iterable[Recording], master: Master) -> None:
        self.problems = Problems()
        self._master = master
        self._recordings: dict[str, dict[Timeframe, Path]] = defaultdict(dict)
        for each in sorted(recordings):
            self._recordings[each.symbol].setdefault(each.timeframe, each.path)
        self._listed = {symbol: exchange for exchange, symbol in reversed(master.listed) if exchange in EXCHANGES}
        self._symbols = {self._con_id(each): each for each in self._recordings}
        self._read = lru_cache(maxsize=8)(self._read_file)

    @property
    def label(self) -> str:
        return f"recorded: {self.describe()}"

    def describe(self) -> str:
        """How many symbols, which sizes, from when to when, in words."""
        sizes = sorted({size for each in self._recordings.values() for size in each}, key=lambda each: each.seconds)
        ends = [each for symbol in self._recordings for each in self._ends(symbol)]
        if not ends:
            return "no US symbols"
        return f"{len(self._recordings)} US symbols, {' and '.join(sizes)}, {min(ends)}..{max(ends)}"

    def codes(self) -> list[str]:
        return sorted(self._recordings)

    def exchange(self, symbol: str) -> str:
        """Where the universe says that it is listed; the files do not tell."""
        return self._listed.get(symbol, EXCHANGES[0])

    def has(self, con_id: int) -> bool:
        return con_id in self._symbols

    def contracts(self, pattern: Pattern, today: date) -> list[ContractRow]:
        """An instrument that the universe does not know is found on whichever US exchange the pattern names."""
        code = self._symbols.get(pattern.con_id, "") if pattern.con_id else pattern.local_symbol or pattern.symbol
        if code not in self._recordings:
            return []
        exchange = self.exchange(code)
        if not pattern.con_id:
            said = {pattern.exchange, pattern.primary_exchange} - {"", "SMART"}
            if code not in self._listed and len(said) == 1 and said <= set(EXCHANGES):
                exchange = said.pop()
            if not said <= {exchange} or pattern.currency not in ("", CURRENCY) or pattern.sec_type not in ("", "STK"):
                return []
        if self._master.holder(exchange, code, today) != code:
            return []
        row = self._master.row(exchange, code, code, CURRENCY, CALENDAR)
        return [row if row.con_id in self._symbols else replace(row, con_id=self._con_id(code))]

    def bars(
        self, con_id: int, timeframe: Timeframe, kind: Kind, regular_hours: bool, first: date, last: date, now: datetime
    ) -> list[Bar]:
        """Regular hours, whatever regular_hours says: nothing else was recorded. Bars that were over by `now`."""
        symbol = self._symbols.get(con_id)
        if symbol is None or kind is not Kind.TRADES:
            return []
        sizes = sorted((each for each in self._recordings[symbol] if timeframe.seconds % each.seconds == 0),
                       key=lambda each: each.seconds, reverse=True)  # fmt: skip
        found: dict[date, list[Bar]] = {}
        for size in sizes:
            history = self._read(self._recordings[symbol][size])
            for day in history.days[bisect_left(history.days, first) : bisect_right(history.days, last)]:
                if day not in found:
                    found[day] = _made(history.sessions[day], size, timeframe, day, now)
        bars = [(day, bar) for day in sorted(found) for bar in found[day]]
        exchange, today = self.exchange(symbol), dates.today(CALENDAR, now)
        return self._master.adjust(exchange, symbol, [bar for _, bar in bars], [day for day, _ in bars], today)

    def head(self, con_id: int, kind: Kind) -> datetime | None:
        symbol = self._symbols.get(con_id)
        if symbol is None or kind is not Kind.TRADES:
            return None
        histories = [self._read(each) for each in self._recordings[symbol].values()]
        return min((_at(each.sessions[each.days[0]][0]) for each in histories if each.days), default=None)

    def sessions(self, con_id: int, first: date, last: date) -> list[Session]:
        return dates.sessions(CALENDAR, first, last)

    def last_session(self, calendar: str = "", symbols: Sequence[str] = ()) -> date:
        """The newest session that at least half of the symbols reach, of those that are recorded; without, the newest.

        LookupError when nothing fits.
        """
        wanted = [each for each in symbols if each in self._recordings] if symbols else self.codes()
        ends = sorted((max(found) for each in wanted if (found := self._ends(each))), reverse=True)
        if not ends or calendar not in ("", CALENDAR, "XNAS"):
            raise LookupError(f"no session of {calendar or CALENDAR} is recorded")
        return ends[(len(ends) - 1) // 2 if symbols else 0]

    # reading ----------------------------------------------------------------------------------------------------------

    def _con_id(self, symbol: str) -> int:
        return self._master.con_id(self.exchange(symbol), symbol)

    def _ends(self, symbol: str) -> list[date]:
        return [day for path in self._recordings[symbol].values() for day in _ends(path) or ()]

    def _read_file(self, path: Path) -> _History:
        sessions: dict[date, list[Bar]] = defaultdict(list)
        for name, stream in files(path, self.problems):
            for at, line in lines(stream, name, self.problems):
                bar = self._bar(name, at, line)
                if bar is not None:
                    sessions[_at(bar).astimezone(dates.zone(CALENDAR)).date()].append(bar)
        for each in sessions.values():
            each.sort(key=_at)
        return _History(sorted(sessions), dict(sessions))

    def _bar(self, name: str, at: int, line: bytes) -> Bar | None:
        column = ""
        try:
            texts = fields(line)
            if [each.lower() for each in texts] == COLUMNS:
                return None
            if len(texts) != len(COLUMNS):
                raise ValueError(f"{len(texts)} fields, expected {len(COLUMNS)}: {','.join(COLUMNS)}")
            column = COLUMNS[0]
            start = _instant(texts[0])
            if start is None:
                raise ValueError(f"{quoted(texts[0])} is not a time as 2026-01-22 09:30:00")
            values: list[float] = []
            for column in COLUMNS[1:]:  # noqa: B007  the last one is what the problem is about
                values.append(number(texts[len(values) + 1]))
        except ValueError as problem:
            self.problems.add(name, at, column, str(problem))
            return None
        return Bar(start, *values)  # type: ignore[arg-type]


class _History(NamedTuple):
    """Bars of each session, oldest first."""

    days: list[date]
    sessions: dict[date, list[Bar]]


def _made(recorded: list[Bar], size: Timeframe, wanted: Timeframe, day: date, now: datetime) -> list[Bar]:
    """What was over by `now` of one session, in bars of the wanted length."""
    length = timedelta(seconds=size.seconds)
    parts = [each for each in recorded if _at(each) + length <= now]
    if wanted is size or not parts:
        return parts
    end = _at(recorded[-1]) + length
    session = dates.session_on(CALENDAR, day)
    if session is None:  # the calendar knows of none: the bars are their own session
        session = Session(CALENDAR, day, _at(recorded[0]), end, end)
    if wanted is Timeframe.DAY1 and end < session.close <= now:
        return []  # the recording stopped within the session: what its day was is not known
    return aggregate(parts, session, wanted)


@lru_cache(maxsize=1 << 16)
def _instant(text: str) -> datetime | None:
    """UTC; None for what is no time in New York."""
    try:
        local = datetime.fromisoformat(text) if _TIME.fullmatch(text) else None
    except ValueError:
        return None
    return local and local.replace(tzinfo=dates.zone(CALENDAR)).astimezone(UTC)


def _at(bar: Bar) -> datetime:
    assert isinstance(bar.start, datetime)
    return bar.start


@lru_cache(maxsize=4096)
def _ends(path: Path) -> tuple[date, date] | None:
    """New York dates of the first and the last row, without reading those between."""
    found: list[date] = []
    for name, stream in files(path, Problems()):
        for _, block in blocks(stream, name, Problems()):
            rows = [each[:19].decode(errors="replace") for each in block.split(b"\n")]
            times = [at for each in (*rows[:3], *rows[-4:]) if (at := _instant(each))]
            found += [dates.today(CALENDAR, each) for each in times]
    return (min(found), max(found)) if found else None
