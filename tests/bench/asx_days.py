"""A folder of daily files of an exchange, read for its faults: every row as it stands, of whatever file; nothing is mended.

A file is judged by its first lines: histories with a header and day files without (symbol, date as 20211231, open, high, low,
close, volume), loose, packed or in archives; and Yahoo's CSV of one ticker (Date, Open, High, Low, Close, …, Volume). What lies
in a folder whose name says second_source, and Yahoo's, is another collector's word: the judge, not the judged.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from datetime import date
from functools import lru_cache
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from scizor.market.quality.breaks import Record
from scizor.market.types import Bar
from scizor.replay.sources import asx_daily
from scizor.replay.sources.lines import Problems, files, first_lines, lines
from tests.market.asx_recorded import MONTHS

Bars = dict[str, list[Bar]]
SUFFIX = re.compile(r"\.(AX|csv|gz|zst|txt)\b.*", re.IGNORECASE)


class Folder(NamedTuple):
    """ours: the bars to be judged, by code, by day; several of a day where files disagree. theirs: other collectors'. problems:
    lines that are none."""

    ours: Bars
    theirs: list[Bars]
    problems: Problems


def read(folder: Path) -> Folder:
    problems = Problems()
    ours: Bars = {}
    second: Bars = {}
    yahoo: Bars = {}
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        first = first_lines(path, 1)
        if first and first[0].lower().startswith(b"date,open,high,low,close"):
            _add(yahoo, _yahoo(path, problems))
        elif asx_daily.is_history(path) or asx_daily.is_day_file(path):
            is_second = any("second_source" in part for part in path.relative_to(folder).parts[:-1])
            _add(second if is_second else ours, _rows(path, problems))
    for each in (ours, second, yahoo):
        for code, bars in each.items():  # equal rows of several files are one
            each[code] = sorted(dict.fromkeys(bars), key=itemgetter(0))
    _without_indices(ours)
    return Folder(ours, [each for each in (second, yahoo) if each], problems)


def _add(market: Bars, rows: Iterator[tuple[str, Bar]]) -> None:
    for code, bar in rows:
        market.setdefault(code, []).append(bar)


def _without_indices(market: Bars) -> None:
    """A code that never has a volume is an index: its open is the close before, and no rule of trades holds for it."""
    for code in [code for code, bars in market.items() if not any(each.volume for each in bars)]:
        del market[code]


@lru_cache(maxsize=32768)
def _date(text: str) -> date:
    return date(int(text[:4]), int(text[-4:-2]), int(text[-2:]))


def _rows(path: Path, problems: Problems) -> Iterator[tuple[str, Bar]]:
    for name, stream in files(path, problems):
        for place, line in lines(stream, name, problems):
            parts = line.decode("utf-8", "replace").replace('"', "").split(",")
            try:
                code, day, open_, high, low, close, volume = parts
                if code.lower() == "symbol":
                    continue
                yield code, Bar(_date(day), _number(open_), _number(high), _number(low), _number(close), _number(volume))
            except ValueError as problem:
                problems.add(name, place, "", str(problem))


def _number(text: str) -> float:
    return float(text) if text else float("nan")


def _yahoo(path: Path, problems: Problems) -> Iterator[tuple[str, Bar]]:
    code = SUFFIX.sub("", path.name).upper()
    for name, stream in files(path, problems):
        rows = csv.DictReader(line.decode("utf-8-sig", "replace") for _, line in lines(stream, name, problems))
        for place, row in enumerate(rows, 2):
            try:
                open_, high, low, close, volume = (float(row[each]) for each in ("Open", "High", "Low", "Close", "Volume"))
                yield code, Bar(date.fromisoformat(row["Date"][:10]), open_, high, low, close, volume)
            except (ValueError, KeyError, TypeError):
                if row.get("Open") not in (None, "", "null"):  # Yahoo's way to say nothing
                    problems.add(name, place, "", "is no row of numbers")


# ---- reference: what the exchange published


def records(reference: Path) -> list[Record]:
    """Delistings and changes of name or code, by day. The exchange's tables change their form from year to year: dates with two
    or four digits of a year or without, spaces, an empty column. Lines without a date and a code are headings."""
    found = []
    for file in sorted(reference.glob("asx_name_changes*/*.csv")):
        for day, cells in _dated(file):
            if len(cells) >= 4 and _is_code(cells[0]) and _is_code(cells[2]):
                found.append(Record(day, cells[0], cells[2], f"{day}: {cells[1]} became {cells[3]}" + (f" ({cells[2]})" if cells[2] != cells[0] else "")))
    for file in sorted(reference.glob("asx_delisted*/*.csv")):
        with file.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
            for row in csv.reader(stream):
                if len(row) >= 3 and (when := _day(row[2], int(file.stem))) and _is_code(row[1].strip()):
                    found.append(Record(when, row[1].strip(), "", f"{when}: {row[0].strip()} left the market"))
    return sorted(found, key=itemgetter(0))


def closures(reference: Path) -> dict[date, str]:
    """Days on which the exchange said it would be closed, and for what."""
    found = {}
    for file in sorted(reference.glob("asx_calendar*/*.csv")):
        with file.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
            for row in csv.reader(stream):
                words = " ".join(row[2:]).lower()
                if len(row) > 1 and "closed" in words and "close early" not in words:
                    for number, month in re.findall(rf"(\d{{1,2}})\s+({'|'.join(MONTHS)})", row[1].lower()):
                        found[date(int(file.stem), MONTHS[month], int(number))] = row[0].strip()
    return found


def _dated(file: Path) -> Iterator[tuple[date, list[str]]]:
    with file.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
        for row in csv.reader(stream):
            if row and (day := _day(row[0], int(file.stem))):
                yield day, [each.strip() for each in row[1:]]


def _day(text: str, year: int) -> date | None:
    """31/12/2013, 31/12/08 or 28-Dec of a year's file."""
    if found := re.fullmatch(r"\s*(\d{1,2})/(\d{1,2})/(\d{2}|\d{4})\s*", text):
        day, month, stated = int(found[1]), int(found[2]), int(found[3])
        year = stated if stated > 99 else 2000 + stated
    elif (found := re.fullmatch(r"\s*(\d{1,2})-([A-Za-z]{3})\s*", text)) and found[2].lower() in MONTHS:
        day, month = int(found[1]), MONTHS[found[2].lower()]
    else:
        return None
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _is_code(text: str) -> bool:
    return re.fullmatch(r"[A-Z0-9]{3,6}", text) is not None
