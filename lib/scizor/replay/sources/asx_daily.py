"""Daily bars of the ASX as recorded: whole histories with a header, and the exchange's day files without one.

Both hold the same seven columns, `symbol,date,open,high,low,close,volume` with dates as 20211231, loose, packed or as
archives of day files. Where several files have a day of one code, the whole history has the say, then the file that
comes first by name; so a second source fills days and replaces none. What the files say is served as it stands, copied
days and impossible prices included: finding those is the collector's work. Prices are as traded and leave here
split-adjusted as of now, as IB's do.

Reading a file only notes where each code's lines are; they become bars when somebody asks.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from pathlib import Path

from scizor.market.table import quoted
from scizor.market.types import Bar, Kind, Session, Timeframe
from scizor.market.universe import Life
from scizor.replay.sources import ContractRow, Pattern, dates
from scizor.replay.sources.lines import LINE_BYTES_MAX, TOO_LONG, Problems, blocks, fields, files, first_lines, number
from scizor.replay.sources.master import Master, holds

EXCHANGE, CALENDAR, CURRENCY = "ASX", "XASX", "AUD"
HEADER = b"symbol,date,open,high,low,close,volume"
COLUMNS = HEADER.decode().split(",")
_CODE = rb"[A-Z0-9][A-Z0-9.]{0,11}"
_DATE = rb"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
_REST = rb"," + _DATE + rb'(?:,[^,"\r\n]{1,32}){5}\r?\n'
_RUN = re.compile(rb"(" + _CODE + rb")" + _REST + rb"(?:\1" + _REST + rb")*")
_SILENCE = timedelta(days=90)  # a code without a bar for so long has left the market, unless the universe knows better


def is_history(path: Path) -> bool:
    """A file with the header."""
    return [each.lower().replace(b'"', b"") for each in first_lines(path, 1)] == [HEADER]


def is_day_file(path: Path) -> bool:
    """A file, or an archive of files, without it."""
    first = first_lines(path, 3)
    return bool(first) and all(_RUN.fullmatch(each.replace(b'"', b"") + b"\n") for each in first)


@dataclass
class _Code:
    """What the files hold of one code. places: file * 2**32 + line, for each line. container: of its newest line."""

    lines: bytearray = field(default_factory=bytearray)
    places: array[int] = field(default_factory=lambda: array("Q"))
    first: bytes = b"99999999"
    last: bytes = b""
    container: Path = Path()

    def add(self, run: bytes, place: int, container: Path) -> None:
        """Some whole lines of this code, the first of which stands at `place`."""
        date_at = run.index(b",") + 1
        last_at = run.rfind(b"\n", 0, -1) + 1 + date_at
        self.lines += run
        self.places.extend(range(place, place + run.count(b"\n")))
        self.first = min(self.first, run[date_at : date_at + 8])
        if (last := run[last_at : last_at + 8]) > self.last:
            self.last, self.container = last, container


class AsxDaily:
    """A Source of daily TRADES bars. problems: the lines that could not be read, as far as they were looked at."""

    def __init__(self, histories: Iterable[Path], day_files: Iterable[Path], master: Master) -> None:
        self.problems = Problems()
        self._master = master
        self._files: list[str] = []
        self._codes: dict[bytes, _Code] = {}
        self._newest: dict[Path, bytes] = {}  # by container
        for path in (*sorted(histories), *sorted(day_files)):
            self._note(path)
        self._instruments = self._owners()
        self._history = lru_cache(maxsize=16)(self._read_history)

    @property
    def label(self) -> str:
        return f"recorded: {self.describe()}"

    def describe(self) -> str:
        """How many codes, from when to when, in words."""
        if not self._codes:
            return f"no {EXCHANGE} codes"
        first = min(each.first for each in self._codes.values())
        last = max(each.last for each in self._codes.values())
        return f"{len(self._codes)} {EXCHANGE} codes, daily, {_date(first.decode())}..{_date(last.decode())}"

    def codes(self) -> list[str]:
        return sorted(each.decode() for each in self._codes)

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
        days, bars = self._history(symbol)
        end = min(last, dates.last_finished(CALENDAR, now))
        part = slice(bisect_left(days, first), bisect_right(days, end))
        return self._master.adjust(EXCHANGE, symbol, bars[part], days[part], dates.today(CALENDAR, now))

    def head(self, con_id: int, kind: Kind) -> datetime | None:
        symbol = self._instruments.get(con_id)
        days = self._history(symbol)[0] if symbol and kind is Kind.TRADES else []
        if not days:
            return None
        session = dates.session_on(CALENDAR, days[0])
        return session.open if session else datetime.combine(days[0], time(), UTC)

    def sessions(self, con_id: int, first: date, last: date) -> list[Session]:
        return dates.sessions(CALENDAR, first, last)

    def last_session(self, calendar: str = "", symbols: Sequence[str] = ()) -> date:
        """The newest session that at least half of the symbols reach, of those that are recorded; of all codes, the newest.

        LookupError when nothing fits.
        """
        ends = sorted((end for each in symbols if (end := self._end(each))), reverse=True)
        if not ends:
            ends = sorted(_date(each.last.decode()) for each in self._codes.values())[-1:]
        if not ends or calendar not in ("", CALENDAR):
            raise LookupError(f"no session of {calendar or CALENDAR} is recorded")
        return ends[(len(ends) - 1) // 2]

    # what the files hold ----------------------------------------------------------------------------------------------

    def _note(self, path: Path) -> None:
        """Where the lines of each code are. Ragged lines, codes and dates are judged here, numbers when they are read."""
        container = path if ".tar" in path.suffixes or path.suffix == ".zst" else path.parent
        for name, stream in files(path, self.problems):
            self._files.append(name)
            for first, block in blocks(stream, name, self.problems):
                place = (len(self._files) - 1 << 32) + first
                for at, run, is_good in _runs(block):
                    good = run if is_good else self._mended(name, first + at, run)
                    if good:
                        code = self._codes.setdefault(good[: good.index(b",")], _Code())
                        code.add(good, place + at, container)
        ends = [each.last for each in self._codes.values() if each.container == container]
        self._newest[container] = max(ends, default=b"")

    def _mended(self, name: str, at: int, line: bytes) -> bytes:
        """The line without its quotes; empty for the header, an empty line and a problem."""
        try:
            return _check(line)
        except _WrongError as wrong:
            self.problems.add(name, at, wrong.column, wrong.text)
            return b""

    def _owners(self) -> dict[int, str]:
        """Our symbols of every instrument of which a code is recorded, by conId."""
        found = {}
        for each in self._codes:
            code = each.decode()
            lives = self._master.of_code.get((EXCHANGE, code), ())
            for symbol in {life.symbol for life in lives} or {code}:
                found[self._master.con_id(EXCHANGE, symbol)] = symbol
        return found

    def _recorded(self, symbol: str) -> list[tuple[Life, _Code]]:
        pairs = [(life, self._codes.get(life.code.encode())) for life in self._master.lives(EXCHANGE, symbol)]
        return [(life, code) for life, code in pairs if code is not None]

    def _end(self, symbol: str) -> date | None:
        days = self._history(symbol)[0]
        return days[-1] if days else None

    def _is_alive(self, symbol: str, today: date) -> bool:
        """Whether the recording knows it by today. Whom the universe does not name is gone when its recording goes on
        without it."""
        codes = [code for _, code in self._recorded(symbol)]
        if not any(_date(each.first.decode()) <= today for each in codes):
            return False
        if (EXCHANGE, symbol) in self._master.listed or (EXCHANGE, symbol) in self._master.of_symbol:
            return True
        newest = max(codes, key=lambda each: each.last)
        last = _date(newest.last.decode())
        return today <= last + _SILENCE or _date(self._newest[newest.container].decode()) <= last + _SILENCE

    def _read_history(self, symbol: str) -> tuple[list[date], list[Bar]]:
        found: list[Bar] = []
        days: set[date] = set()  # that an earlier code has
        for life, code in self._recorded(symbol):
            mine = [bar for bar in self._read(code) if bar.start not in days and holds(life, _day(bar))]
            found += mine
            days.update(map(_day, mine))
        found.sort(key=_day)
        return [_day(each) for each in found], found

    def _read(self, code: _Code) -> Iterator[Bar]:
        """The bars of a code in the order of its files; a day that an earlier file has is left out."""
        earlier: set[date] = set()
        current: set[date] = set()
        file = -1
        for place, line in zip(code.places, bytes(code.lines).split(b"\n"), strict=False):
            if place >> 32 != file:
                file = place >> 32
                earlier |= current
                current = set()
            texts = line.decode().rstrip("\r").split(",")[1:]
            try:
                day = _date(texts[0])
                if day in earlier:
                    continue
                bar = Bar(day, *map(number, texts[1:]))  # type: ignore[arg-type]
            except ValueError:
                column, text = next((name, text) for name, text in zip(COLUMNS[1:], texts, strict=True) if not _is_good(name, text))
                what = "a day of the calendar" if column == "date" else "a number"
                self.problems.add(self._files[file], place & 0xFFFFFFFF, column, f"{quoted(text)} is not {what}")
                continue
            current.add(day)
            yield bar


class _WrongError(ValueError):
    def __init__(self, column: str, text: str) -> None:
        super().__init__(text)
        self.column, self.text = column, text


def _runs(block: bytes) -> Iterator[tuple[int, bytes, bool]]:
    """(lines before it, lines of one code, True), or a single other line and False. A history is one long run."""
    at = position = 0
    while position < len(block):
        match = _RUN.match(block, position)
        end = match.end() if match else block.index(b"\n", position) + 1
        yield at, block[position:end], match is not None
        at += block.count(b"\n", position, end)
        position = end


def _check(line: bytes) -> bytes:
    """The line without quotes, or nothing for the header and an empty line. _WrongError says what is wrong with it."""
    if len(line) > LINE_BYTES_MAX:
        raise _WrongError("", TOO_LONG)
    try:
        texts = fields(line.rstrip(b"\r\n"))
    except ValueError as problem:
        raise _WrongError("", str(problem)) from None
    if texts == [""] or [each.lower() for each in texts] == COLUMNS:
        return b""
    if len(texts) != len(COLUMNS):
        raise _WrongError("", f"{len(texts)} fields, expected {len(COLUMNS)}: {','.join(COLUMNS)}")
    for column, text in zip(COLUMNS, texts, strict=True):
        if "," in text:
            raise _WrongError(column, f"{quoted(text)} is not understood: no separators within a number")
    whole = ",".join(texts).encode() + b"\n"
    if not re.fullmatch(_CODE, texts[0].encode()):
        raise _WrongError("symbol", f"{quoted(texts[0])} is not a code")
    if not re.fullmatch(_DATE, texts[1].encode()):
        raise _WrongError("date", f"{quoted(texts[1])} is not a date as 20211231")
    if not _RUN.fullmatch(whole):
        raise _WrongError("", "a field is empty, or longer than a number is")
    return whole


def _is_good(column: str, text: str) -> bool:
    try:
        _date(text) if column == "date" else number(text)
    except ValueError:
        return False
    return True


@lru_cache(maxsize=16384)
def _date(text: str) -> date:
    return date(int(text[:4]), int(text[4:6]), int(text[6:]))


def _day(bar: Bar) -> date:
    return bar.start
