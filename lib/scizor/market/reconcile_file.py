"""A second vendor's file of bars, read as it comes: CSV with a header, or the exchange's bare lines.

Bare lines are SYM,YYYYMMDD,O,H,L,C,V. A header names its columns in any order and case: symbol (else the file's own name
says whose bars they are), date or datetime or timestamp, open, high, low, close, volume; other columns are left alone. A
time without a zone is the exchange's. A line that is no bar is a problem with its number, and the others are still read.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, time
from pathlib import PurePath
from typing import NamedTuple
from zoneinfo import ZoneInfo

from scizor.base.errors import UsageError
from scizor.market.types import Bar

BYTES_MAX = 200_000_000  # unpacked
PROBLEMS_MAX = 20
BARE = re.compile(r'"?[A-Za-z0-9.]{1,12}"?,"?\d{8}"?(,"?-?\d*\.?\d*"?){5}\r?')
TIMES = ("datetime", "timestamp", "date", "time")


class Read(NamedTuple):
    """bars: by symbol, by start; of two for one start the first. is_daily: the starts are session dates."""

    bars: dict[str, list[Bar]]
    is_daily: bool
    problems: list[str]


def read(name: str, data: bytes, zone: str, symbol: str = "") -> Read:
    """name: the file's. zone: the exchange's, for times without one. symbol: whose bars, where the file does not say.

    UsageError when it is no file of bars.
    """
    lines = _text(name, data).splitlines()
    first = next((line for line in lines if line.strip()), "")
    if BARE.fullmatch(first):
        header = ["symbol", "date", "open", "high", "low", "close", "volume"]
    else:
        header = [each.strip().strip('"').lower() for each in first.split(",")]
        lines = lines[lines.index(first) + 1 :] if first else []
    when = next((each for each in TIMES if each in header), "")
    if not when or not {"open", "high", "low", "close"} <= set(header):
        raise UsageError(f"{name} is no file of bars: it needs date, open, high, low, close", hint="CSV with a header, or SYM,YYYYMMDD,O,H,L,C,V")
    own = symbol or ("" if "symbol" in header else PurePath(name).name.split(".")[0].split("_")[0].upper())
    found: dict[str, dict[datetime, Bar]] = {}
    problems: list[str] = []
    for number, row in _rows(lines, header):
        try:
            read_ = _bar(row, when)
        except ValueError as problem:
            problems.append(f"{name}:{number}: {problem}")
            continue
        if read_ is not None:
            found.setdefault(own or row["symbol"].strip().upper(), {}).setdefault(*read_)
    # A midnight is a session date, in whichever zone it is told; but in some zone a minute of every exchange is at midnight.
    is_daily = all(at.time() == time() for bars in found.values() for at in bars)
    more = [f"and {len(problems) - PROBLEMS_MAX} more"] if len(problems) > PROBLEMS_MAX else []
    bars = {symbol: [_started(each[at], at, is_daily, ZoneInfo(zone)) for at in sorted(each, key=_order)] for symbol, each in found.items()}
    return Read(bars, is_daily, problems[:PROBLEMS_MAX] + more)


def _rows(lines: Sequence[str], header: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    for number, values in enumerate(csv.reader(lines), 1):
        if values:
            yield number, dict(zip(header, values, strict=False))


def _bar(row: dict[str, str], when: str) -> tuple[datetime, Bar] | None:
    """Its time as told, and the bar; None for a row without prices."""
    try:
        texts = [row[each].strip() for each in ("open", "high", "low", "close")]
        volume = row.get("volume", "").strip()
        at = _at(row[when].strip())
    except (KeyError, IndexError):
        raise ValueError("fields are missing") from None
    if not any(texts) or texts == ["null"] * 4:
        return None
    try:
        prices = [float(each) for each in texts]
        traded = float(volume) if volume not in ("", "null") else None
    except ValueError:
        raise ValueError(f"{','.join(texts)} are no prices") from None
    if not all(0 <= each < 1e9 for each in prices):  # NaN fails too
        raise ValueError(f"{','.join(texts)} are no prices")
    return at, Bar(at, prices[0], prices[1], prices[2], prices[3], traded)


def _at(text: str) -> datetime:
    if re.fullmatch(r"\d{8}", text):
        text = f"{text[:4]}-{text[4:6]}-{text[6:]}"
    return datetime.fromisoformat(text)


def _started(bar: Bar, at: datetime, is_daily: bool, zone: ZoneInfo) -> Bar:
    return bar._replace(start=at.date() if is_daily else (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC))


def _order(at: datetime) -> tuple[str, datetime]:
    """Times with a zone and without one do not compare; a file that mixes them is odd, but no crash."""
    return ("", at.astimezone(UTC)) if at.tzinfo else (" ", at.replace(tzinfo=UTC))


def _text(name: str, data: bytes) -> str:
    try:
        if name.endswith(".gz"):
            with gzip.open(io.BytesIO(data)) as file:
                data = file.read(BYTES_MAX + 1)
        elif name.endswith(".zst"):
            import zstandard

            with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data)) as stream:
                data = stream.read(BYTES_MAX + 1)
        if len(data) > BYTES_MAX:
            raise UsageError(f"{name} is longer than {BYTES_MAX // 1_000_000} MB", hint="cut it by symbol or year")
        return data.decode("utf-8-sig")
    except (OSError, EOFError, UnicodeDecodeError) as problem:
        raise UsageError(f"{name} cannot be read: {problem}") from None
