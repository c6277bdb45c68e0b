"""Bars as text: what COPY reads, what quarantine keeps, what a hash is taken of. One spelling of each number.

A float's repr is the shortest decimal text that means the same float; without its exponent and a bare ".0" it is what is
stored, exactly: 1e-05 is 0.00001, 2500000000.0 is 2500000000, 948837.22 stays. A vendor's "none" (-1) becomes NULL here
and nowhere else. A naive start is refused: it means an hour in a zone that nobody stated.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal

from scizor.base.errors import FindingError
from scizor.market.types import Bar

NULL = "\\N"

#: The columns of copy_text, in order.
COLUMNS = ("timestamp", "session_date", "open", "high", "low", "close", "volume", "wap", "trades")


def tidy(bars: Iterable[Bar]) -> list[Bar]:
    """Sorted by start, equal ones collapsed: a vendor's carelessness that changes nothing. len() tells how many there were.

    Different bars of one start all stay; the rule dup_conflict refuses them. FindingError when a start is naive, or when
    days and instants are mixed.
    """
    rows = list(bars)
    if any(isinstance(each.start, datetime) for each in rows):
        for each in rows:
            if not isinstance(each.start, datetime):
                raise FindingError(f"a day ({each.start}) among bars that start at an instant", hint="one answer has one bar size")
            start_text(each.start)
    rows.sort(key=lambda each: each.start)
    if len({each.start for each in rows}) == len(rows):
        return rows
    return list(dict.fromkeys(rows))


def number_text(value: float) -> str:
    """The shortest decimal text that means this float, without an exponent. NaN and Infinity as PostgreSQL spells them."""
    text = repr(value)
    if text.endswith(".0"):
        return text[:-2]
    if "e" in text or "n" in text:
        return _spelled(text)
    return text


def start_text(start: date | datetime) -> str:
    """A bar's start in UTC: 2025-01-15 00:00:00+00 for the daily bar of that session date. FindingError when it is naive."""
    if not isinstance(start, datetime):
        return f"{start.isoformat()} 00:00:00+00"
    if start.tzinfo is not UTC:
        if start.tzinfo is None:
            raise FindingError(
                f"timestamp without zone: {start.isoformat(' ')}", hint="set formatDate=2, the only form that names an instant"
            )
        start = start.astimezone(UTC)
    return start.isoformat(" ", "seconds")[:22]  # six times as fast as strftime


def _start_texts(starts: Sequence[date | datetime]) -> list[str]:
    """start_text of each. A day's bars start at the same times as another day's: each time is spelled once."""
    if not all(isinstance(each, datetime) and each.tzinfo is UTC and each.microsecond == 0 for each in starts):
        return [start_text(each) for each in starts]
    instants = [each for each in starts if isinstance(each, datetime)]
    keys = [(each.hour, each.minute, each.second) for each in instants]
    times = {key: " {:02}:{:02}:{:02}+00".format(*key) for key in set(keys)}
    ordinals = [each.toordinal() for each in instants]
    days = {ordinal: date.fromordinal(ordinal).isoformat() for ordinal in set(ordinals)}
    return [days[ordinal] + times[key] for ordinal, key in zip(ordinals, keys, strict=True)]


def copy_text(bars: Iterable[Bar], session_dates: Sequence[date] | None = None) -> str:
    """Lines for COPY ... FROM STDIN, one a bar, the columns of COLUMNS, tab between.

    session_dates: one for each bar, for bars shorter than a day; a daily bar's start is its session date. FindingError when
    a start is naive.
    """
    rows = list(bars)
    if session_dates is None:
        days = [each.start.isoformat() if type(each.start) is date else start_text(each.start)[:10] for each in rows]
        starts = [f"{day} 00:00:00+00" for day in days]
    else:
        texts = {day: day.isoformat() for day in set(session_dates)}
        days = [texts[each] for each in session_dates]
        starts = _start_texts([each.start for each in rows])
    is_bare = all(each[6] is None and each[7] is None for each in rows)  # neither wap nor trades
    lines = _lines(starts, days, rows, is_bare)
    text = "".join(lines)
    if "\t-1" in text or (not is_bare and ("\t0.0\t" in text or "\t0\t" in text)):  # perhaps a vendor's "none": look at each row
        lines = _lines(starts, days, [_without_minus_one(each) for each in rows])
        text = "".join(lines)
    numbers = text.replace("None", "") if "None" in text else text
    if "e" in numbers or "n" in numbers:
        return "".join(map(_respelled, lines))
    return text.replace(".0\t", "\t").replace("None", NULL)


def _lines(starts: Sequence[str], days: Sequence[str], rows: Sequence[Bar], is_bare: bool = False) -> list[str]:
    if is_bare:
        return [
            f"{start}\t{day}\t{open_!r}\t{high!r}\t{low!r}\t{close!r}\t{volume!r}\t\\N\t\\N\n"
            for start, day, (_, open_, high, low, close, volume, _, _) in zip(starts, days, rows, strict=True)
        ]
    return [
        f"{start}\t{day}\t{open_!r}\t{high!r}\t{low!r}\t{close!r}\t{volume!r}\t{wap!r}\t{trades!r}\n"
        for start, day, (_, open_, high, low, close, volume, wap, trades) in zip(starts, days, rows, strict=True)
    ]


def raw_text(bar: Bar) -> str:
    """A bar's values as received, comma between: what quarantine keeps."""
    return ",".join("" if value is None else number_text(value) for value in bar[1:])


def answer_sha256(bars: Iterable[Bar]) -> bytes:
    """The fingerprint of an answer, 32 bytes: of its bars as received, in the order received."""
    digest = hashlib.sha256()
    for each in bars:
        digest.update(f"{each.start.isoformat()},{raw_text(each)}\n".encode())
    return digest.digest()


def _without_minus_one(bar: Bar) -> Bar:
    """IB's "none" as None: volume, wap and trades of -1, and a wap of 0 (nothing was traded)."""
    if bar.volume != -1 and bar.wap != -1 and bar.wap != 0 and bar.trades != -1:
        return bar
    return bar._replace(
        volume=None if bar.volume == -1 else bar.volume,
        wap=None if bar.wap == -1 or bar.wap == 0 else bar.wap,
        trades=None if bar.trades == -1 else bar.trades,
    )


def _respelled(line: str) -> str:
    fields = line.rstrip("\n").split("\t")
    return "\t".join(fields[:2] + [NULL if each in ("None", NULL) else _spelled(each) for each in fields[2:]]) + "\n"


def _spelled(text: str) -> str:
    if text in ("inf", "-inf"):
        return text.replace("inf", "Infinity")
    if text == "nan":
        return "NaN"
    return format(Decimal(text), "f").removesuffix(".0")
