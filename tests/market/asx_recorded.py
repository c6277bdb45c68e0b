"""The recorded daily files of the ASX as bars, for tests: read in place, never copied."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from datetime import date
from functools import lru_cache
from pathlib import Path

import zstandard

from scizor.market.types import Bar

EIGHTEEN = "asx_daily/by_symbol_18_to_2021"
OTHERS = "asx_daily/asx200_others_A.csv.zst"
PUBLISHED = "reference/asx_calendar_rs77"
MONTHS = {name: number for number, name in enumerate(["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], 1)}


@lru_cache(maxsize=2)
def eighteen(recordings: Path) -> dict[str, list[Bar]]:
    """The eighteen stocks and two predecessor codes, by code."""
    return _bars(line for file in sorted((recordings / EIGHTEEN).glob("*.csv")) for line in file.read_text().splitlines())


@lru_cache(maxsize=2)
def others(recordings: Path) -> dict[str, list[Bar]]:
    """The 206 other codes."""
    with (recordings / OTHERS).open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as raw:
        return _bars(io.TextIOWrapper(raw, encoding="utf-8"))


def published(recordings: Path, year: int) -> tuple[set[date], set[date]]:
    """The exchange's own calendar of a year: (closed, closing early)."""
    closed: set[date] = set()
    early: set[date] = set()
    with (recordings / PUBLISHED / f"{year}.csv").open(encoding="utf-8-sig", newline="") as file:
        for row in csv.reader(file):
            found = re.findall(r"(\d{1,2})\s+(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)", row[1].lower() if len(row) > 1 else "")
            words = " ".join(row[2:]).lower()
            kind = early if "close early" in words else closed if "closed" in words else None
            if kind is not None:
                kind.update(date(year, MONTHS[month], int(day)) for day, month in found)
    return closed, early


def _bars(lines: Iterable[str]) -> dict[str, list[Bar]]:
    found: dict[str, list[Bar]] = {}
    for code, day, *values in csv.reader(lines):
        if code != "symbol":
            start = date(int(day[:4]), int(day[4:6]), int(day[6:8]))
            found.setdefault(code, []).append(Bar(start, *(float(each) if each else float("nan") for each in values)))
    return found
