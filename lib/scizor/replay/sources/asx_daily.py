"""Daily bars of the ASX as recorded: whole histories with a header, and the exchange's day files without one.

Both hold the same seven columns, `symbol,date,open,high,low,close,volume` with dates as 20211231, loose, packed or as
archives of day files. Where several files have a day of one code, the whole history has the say, then the file that
comes first by name; so a second source fills days and replaces none. What the files say is served as it stands, copied
days and impossible prices included: finding those is the collector's work. Prices are as traded and leave here
split-adjusted as of now, as IB's do.

Opening a folder only checks the form of every line and notes where each code's are; they become bars when asked for.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from scizor.market.table import quoted
from scizor.market.types import Bar, Kind, Session, Timeframe
from scizor.replay.sources import ContractRow, Pattern, dates
from scizor.replay.sources.lines import LINE_BYTES_MAX, TOO_LONG, Problems, blocks, fields, files, first_lines, number
from scizor.replay.sources.master import Master, holds

EXCHANGE, CALENDAR, CURRENCY = "ASX", "XASX", "AUD"
COLUMNS = ["symbol", "date", "open", "high", "low", "close", "volume"]
_CODE = rb"[A-Z0-9][A-Z0-9.]{0,11}"
_DATE = rb"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
_REST = rb"," + _DATE + rb"(?:,-?(?:\d{1,18}\.?\d{0,12}|\.\d{1,12})){5}\r?\n"
_RUN = re.compile(rb"(" + _CODE + rb")" + _REST + rb"(?:\1" + _REST + rb")*")
_BLOCK = re.compile(rb"(?:" + _CODE + _REST + rb")*+")
_CODES = re.compile(rb"^(" + _CODE + rb"),", re.MULTILINE)
_SILENCE = timedelta(days=90)  # a code without a bar for so long has left the market, unless the universe knows better


def is_history(path: Path) -> bool:
    """A file with the header."""
    return any(map(_is_header, first_lines(path, 1)))


def is_day_file(path: Path) -> bool:
    """A file, or an archive of files, without it: most of its first lines are rows."""
    first = first_lines(path, 20)
    rows = [each for each in first if _RUN.fullmatch(each.replace(b'"', b"") + b"\n")]
    return 2 * len(rows) > len(first) and not _is_header(first[0])


class AsxDaily:
    """A Source of daily TRADES bars. problems: the lines that are none."""

    def __init__(self, histories: Iterable[Path], day_files: Iterable[Path], master: Master) -> None:
        self.problems = Problems()
        self._master = master
        self._files: list[_File] = []
        self._runs: dict[bytes, _Rows] = {}  # of the histories, by code
        self._blocks: list[tuple[int, bytes]] = []  # of the day files: place of the first line, lines behind a newline
        for path in sorted(histories):
            self._note_history(path)
        for path in sorted(day_files):
            self._note_day_files(path)
        codes = {*self._runs, *(code for _, block in self._blocks for code in _CODES.findall(block))}
        self._codes = {each.decode() for each in codes}
        self._instruments = {
            master.con_id(EXCHANGE, symbol): symbol
            for code in self._codes
            for symbol in {life.symbol for life in master.of_code.get((EXCHANGE, code), ())} or {code}
        }
        self._history = lru_cache(maxsize=16)(self._read)

    @property
    def label(self) -> str:
        return f"recorded: {self.describe()}"

    def describe(self) -> str:
        """How many codes have a history, how many day files there are, from when to when, in words."""
        ends = [each for file in self._files for each in (file.first, file.last) if each]
        if not ends:
            return f"no {EXCHANGE} codes"
        days = len({place >> 32 for place, _ in self._blocks})
        said = f"{len(self._runs or self._codes)} {EXCHANGE} codes" + (f" and {days} day files" if days else "")
        return f"{said}, daily, {_date(min(ends))}..{_date(max(ends))}"

    def codes(self) -> list[str]:
        return sorted(self._codes)

    def has(self, con_id: int) -> bool:
        return con_id in self._instruments

    def contracts(self, pattern: Pattern, today: date) -> list[ContractRow]:
        said = ((pattern.exchange, ("SMART", EXCHANGE)), (pattern.primary_exchange, (EXCHANGE,)),
                (pattern.currency, (CURRENCY,)), (pattern.sec_type, ("STK",)))  # fmt: skip
        if pattern.con_id:
            symbol = self._instruments.get(pattern.con_id)
            code = symbol and self._master.code_on(EXCHANGE, symbol, today)
        elif all(not each or each in allowed for each, allowed in said):
            code = pattern.local_symbol or pattern.symbol
            symbol = self._master.holder(EXCHANGE, code, today)
        else:
            return []
        if not symbol or not code or not self._is_alive(symbol, today):
            return []
        return [self._master.row(EXCHANGE, symbol, code, CURRENCY, CALENDAR)]

    def bars(
        self, con_id: int, timeframe: Timeframe, kind: Kind, regular_hours: bool, first: date, last: date, now: datetime
    ) -> list[Bar]:
        """A bar is served once its session is over; the exchange's auctions are in it, whatever regular_hours says."""
        symbol = self._instruments.get(con_id)
        if symbol is None or timeframe is not Timeframe.DAY1 or kind is not Kind.TRADES:
            return []
        days, bars, _ = self._history(symbol)
        end = min(last, dates.last_finished(CALENDAR, now))
        part = slice(bisect_left(days, first), bisect_right(days, end))
        return self._master.adjust(EXCHANGE, symbol, bars[part], days[part], dates.today(CALENDAR, now))

    def head(self, con_id: int, kind: Kind) -> datetime | None:
        symbol = self._instruments.get(con_id)
        days = self._history(symbol).days if symbol and kind is Kind.TRADES else []
        if not days:
            return None
        session = dates.session_on(CALENDAR, days[0])
        return session.open if session else datetime.combine(days[0], time(), UTC)

    def sessions(self, con_id: int, first: date, last: date) -> list[Session]:
        return dates.sessions(CALENDAR, first, last)

    def last_session(self, calendar: str = "", symbols: Sequence[str] = ()) -> date:
        """The newest session that at least half of the symbols reach, of those that are recorded; without, the newest.

        LookupError when nothing fits.
        """
        ends = sorted((each.days[-1] for each in map(self._history, symbols) if each.days), reverse=True)
        if not symbols:
            ends = [max(each.day for each in self._files if each.last)] if self._codes else []
        if not ends or calendar not in ("", CALENDAR):
            raise LookupError(f"no session of {calendar or CALENDAR} is recorded")
        return ends[(len(ends) - 1) // 2]

    # what the files hold ----------------------------------------------------------------------------------------------

    def _note_history(self, path: Path) -> None:
        for name, stream in files(path, self.problems):
            for place, block in self._checked(path, name, blocks(stream, name, self.problems)):
                for at, run in _runs(block):
                    self._files[-1].see(run)
                    self._runs.setdefault(run[: run.index(b",")], _Rows()).add(place + at, run)

    def _note_day_files(self, path: Path) -> None:
        for name, stream in files(path, self.problems):
            for place, block in self._checked(path, name, blocks(stream, name, self.problems)):
                self._files[-1].see(block)
                self._blocks.append((place, b"\n" + block))

    def _checked(self, path: Path, name: str, found: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
        """The blocks with the place of their first line, file * 2**32 + number. A line that is no row becomes empty."""
        self._files.append(_File(name, path if path.suffix == ".zst" or ".tar" in path.suffixes else path.parent))
        for first, block in found:
            if not _BLOCK.fullmatch(block):
                each_line = enumerate(block.split(b"\n")[:-1], first)
                block = b"".join(self._mended(name, at, each + b"\n") for at, each in each_line)
            yield (len(self._files) - 1 << 32) + first, block

    def _mended(self, name: str, at: int, line: bytes) -> bytes:
        try:
            return line if _RUN.fullmatch(line) else _check(line)
        except _WrongError as wrong:
            self.problems.add(name, at, wrong.column, wrong.text)
            return b"\n"

    # what they say ----------------------------------------------------------------------------------------------------

    def _is_alive(self, symbol: str, today: date) -> bool:
        """Whether the recording knows it by today. One that the universe does not name is gone when its file goes on
        without it."""
        days, _, file = self._history(symbol)
        if not days or days[0] > today:
            return False
        if (EXCHANGE, symbol) in self._master.listed or (EXCHANGE, symbol) in self._master.of_symbol:
            return True
        ends = [each.last for each in self._files if each.container == self._files[file].container]
        return min(today, _date(max(ends))) <= days[-1] + _SILENCE

    def _read(self, symbol: str) -> _History:
        found: dict[date, list[Bar]] = {}
        newest = (date.min, 0)
        for life in self._master.lives(EXCHANGE, symbol):
            writers: dict[date, int] = {}  # which file a day is taken from: the first that has it
            for place, line in self._rows(life.code.encode(), found):
                bar = self._bar(place, line)
                if bar is None or not holds(life, day := _day(bar)):
                    continue
                if day not in found:
                    writers[day] = place >> 32
                if writers.get(day) == place >> 32:
                    found.setdefault(day, []).append(bar)
                    newest = max(newest, (day, place >> 32))
        bars = [bar for _, same in sorted(found.items()) for bar in same]
        return _History([_day(each) for each in bars], bars, newest[1])

    def _rows(self, code: bytes, found: Container[date]) -> Iterator[tuple[int, bytes]]:
        """(place, line) of every row of a code, in the order of the files; day files only of days not found yet."""
        rows = self._runs.get(code)
        if rows is not None:
            yield from zip(rows.places, bytes(rows.lines).split(b"\n"), strict=False)
        wanted = b"\n" + code + b","
        for place, block in self._blocks:
            file = self._files[place >> 32]
            if file.first == file.last and file.day in found:
                continue
            at = block.find(wanted)
            while at >= 0:
                end = block.index(b"\n", at + 1)
                yield place + block.count(b"\n", 0, at), block[at + 1 : end]
                at = block.find(wanted, end)

    def _bar(self, place: int, line: bytes) -> Bar | None:
        _, day, open_, high, low, close, volume = line.decode().split(",")
        if not _is_day(day):
            self.problems.add(self._files[place >> 32].name, place & 0xFFFFFFFF, "date", f"{day} is no day of the calendar")
            return None
        return Bar(_date(day), float(open_), float(high), float(low), float(close), float(volume))


class _History(NamedTuple):
    """days: of the bars, ascending; one that stands twice in its file is here twice. file: number of the newest's."""

    days: list[date]
    bars: list[Bar]
    file: int


@dataclass
class _File:
    """container: the files that end together, a folder or an archive. first, last: dates at the ends of what was seen."""

    name: str
    container: Path
    first: str = ""
    last: str = ""

    @property
    def day(self) -> date:
        return _date(self.last)

    def see(self, block: bytes) -> None:
        rows = block.strip()
        for row in (rows[: rows.find(b"\n") + 1] or rows, rows[rows.rfind(b"\n") + 1 :]):
            day = row.split(b",", 2)[1].decode() if row else ""
            if _is_day(day):
                self.first = min(self.first or day, day)
                self.last = max(self.last, day)


@dataclass
class _Rows:
    lines: bytearray = field(default_factory=bytearray)
    places: array[int] = field(default_factory=lambda: array("Q"))

    def add(self, place: int, run: bytes) -> None:
        self.lines += run
        self.places.extend(range(place, place + run.count(b"\n")))


class _WrongError(ValueError):
    def __init__(self, column: str, text: str) -> None:
        super().__init__(text)
        self.column, self.text = column, text


def _is_header(line: bytes) -> bool:
    return line.lower().replace(b'"', b"").split(b",") == [each.encode() for each in COLUMNS]


def _runs(block: bytes) -> Iterator[tuple[int, bytes]]:
    """(lines before it, some lines of one code). A history is one long run."""
    at = position = 0
    while match := _RUN.search(block, position):
        at += block.count(b"\n", position, match.start())
        yield at, match[0]
        at += match[0].count(b"\n")
        position = match.end()


def _check(line: bytes) -> bytes:
    """The row without quotes, or an empty line for the header. _WrongError says what is wrong with it."""
    if len(line) > LINE_BYTES_MAX:
        raise _WrongError("", TOO_LONG)
    try:
        texts = fields(line.rstrip(b"\r\n"))
    except ValueError as problem:
        raise _WrongError("", str(problem)) from None
    if texts == [""] or _is_header(line.rstrip(b"\r\n")):
        return b"\n"
    if len(texts) != len(COLUMNS):
        raise _WrongError("", f"{len(texts)} fields, expected {len(COLUMNS)}: {','.join(COLUMNS)}")
    if not re.fullmatch(_CODE, texts[0].encode()):
        raise _WrongError("symbol", f"{quoted(texts[0])} is not a code")
    if not re.fullmatch(_DATE, texts[1].encode()):
        raise _WrongError("date", f"{quoted(texts[1])} is not a date as 20211231")
    for column, text in zip(COLUMNS[2:], texts[2:], strict=True):
        try:
            number(text)
        except ValueError as problem:
            raise _WrongError(column, str(problem)) from None
    row = ",".join(texts).encode() + b"\n"
    if not _RUN.fullmatch(row):
        raise _WrongError("", "a number that no price or volume is")
    return row


@lru_cache(maxsize=16384)
def _date(text: str) -> date:
    return date(int(text[:4]), int(text[4:6]), int(text[6:]))


def _is_day(text: str) -> bool:
    try:
        return bool(text and _date(text))
    except ValueError:
        return False


def _day(bar: Bar) -> date:
    return bar.start
