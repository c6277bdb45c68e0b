"""Pictures of the top of a book, one after the other, as position ops: what changed between two of them, by price.

The text form that is read: a header, then for each picture `TimeStamp,2014-01-09D09:00:56.062524200` and one line a level,
`bid,bid size,ask,ask size`, the best first; 0 or nothing where a level is missing. A level beyond the last row of a full picture was
pushed out of sight and not cancelled, and the one that comes into sight at the bottom is no new order (positions).

A picture has no prints, so of the five signals only flow and depth can be made of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import gcd
from zoneinfo import ZoneInfo

from scizor.market.events import ASK, BID, PRICE_MAX, SIZE_MAX
from scizor.market.feeds.positions import LEVELS_MAX, Op, Raw, differences, write

_UTC = ZoneInfo("UTC")
MARK = "TimeStamp,"
PRICE_DECIMALS = 4  # of the text's price: what is kept of it


@dataclass(slots=True)
class Picture:
    """ts: ns UTC. asks, bids: (price in 1e-4 of the file's unit, size), the best first."""

    ts: int
    asks: list[tuple[int, int]]
    bids: list[tuple[int, int]]


@dataclass(slots=True)
class Pictures:
    """pictures in the order of the file; levels: the most rows that one has; refused: lines by reason."""

    found: list[Picture] = field(default_factory=list)
    levels: int = 0
    refused: Counter[str] = field(default_factory=Counter)


def read(lines: Iterable[str], zone: str) -> Pictures:
    """Lines of a file, without their ends. zone: of its clock, Asia/Singapore."""
    out = Pictures()
    clock = ZoneInfo(zone)
    current: Picture | None = None
    for line in lines:
        if line.startswith(MARK):
            ts = _instant(line[len(MARK) :], clock)
            if ts is None or (out.found and ts < out.found[-1].ts):
                out.refused["no time" if ts is None else "time goes backwards"] += 1
                current = None
                continue
            current = Picture(ts, [], [])
            out.found.append(current)
        elif line[:1].isdigit() or line.startswith(","):
            if current is None:
                out.refused["level without a picture"] += 1
                continue
            try:
                bid, bid_size, ask, ask_size = (float(each) if each else 0.0 for each in line.split(","))
                for rows, price, size in ((current.bids, bid, bid_size), (current.asks, ask, ask_size)):
                    if price > 0 and 0 < size <= SIZE_MAX:
                        rows.append((round(price * 10**PRICE_DECIMALS), round(size)))
            except (ValueError, OverflowError):
                out.refused["no level"] += 1
                continue
            out.levels = max(out.levels, len(current.bids), len(current.asks))
    return out


def convert(pictures: Iterable[Picture], levels: int, symbol: int = 0) -> tuple[list[Raw], int]:
    """(records, file's 1e-4 units in a tick). The tick is the largest on which all prices lie: it cancels in every signal."""
    shown = list(pictures)
    unit = gcd(*(price for each in shown for rows in (each.asks, each.bids) for price, _ in rows)) or 1
    levels = min(levels, LEVELS_MAX)
    out: list[Raw] = []
    before: list[list[tuple[int, int]]] = [[], []]
    for each in shown:
        ops: list[tuple[int, Op]] = []
        for side, rows in ((ASK, each.asks), (BID, each.bids)):
            now = [(price // unit, size) for price, size in rows[:levels] if price // unit <= PRICE_MAX]
            ops += [(side, op) for op in differences(before[side], now, side, levels)]
            before[side] = now
        write(out, each.ts, symbol, ops)
    return out, unit


def _instant(text: str, clock: ZoneInfo) -> int | None:
    date, _, time = text.partition("D")
    seconds, _, fraction = time.partition(".")
    try:
        local = datetime.fromisoformat(f"{date}T{seconds}").replace(tzinfo=clock)
        if len(fraction) > 9:
            return None
        whole = (local.astimezone(_UTC) - datetime(1970, 1, 1, tzinfo=_UTC)) // timedelta(seconds=1)
        return whole * 1_000_000_000 + int(fraction.ljust(9, "0"))
    except ValueError:
        return None
