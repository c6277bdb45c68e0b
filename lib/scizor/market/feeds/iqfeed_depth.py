"""IQFeed's market depth (port 9200) as LEVEL events: price levels, orders, market makers, and the older quotes of makers.

Lines of protocol 6.2: 7 and 8 (summary, update) tell a price level, 9 deletes one; 0, 3, 4 and 6 tell an order or a maker's quote, 5
deletes it; `S,CLEAR DEPTH,symbol,side` empties a side. Of protocols up to 6.1: Z and 2, a maker's bid and ask in one line, each with a
flag whether it is valid. Orders and makers' quotes are added up by price.

Times are the exchange's in US Eastern, a delete may have none, and those of several venues go back and forth: an event's time is
never before the one before it of its symbol. What cannot be is refused and counted by its reason; a line that is not depth is nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from zoneinfo import ZoneInfo

from scizor.market.events import ASK, BID, LAST, LEVEL, PRICE_MAX, SIZE_MAX
from scizor.market.feeds.positions import Raw

EASTERN = "America/New_York"
_SIDES = {"A": ASK, "B": BID}
_UTC = ZoneInfo("UTC")


class RefusedError(ValueError):
    """A line says what cannot be; the text is the reason under which it is counted."""


@dataclass(slots=True)
class IqFeedDepth:
    """Depth of many symbols. symbols: text to index in the kernel's state; others are left alone. tick_size: price of a tick;
    signals are ratios in which the tick cancels, so the finest that a price may have is right for all."""

    symbols: Mapping[str, int]
    tick_size: Decimal = Decimal("0.0001")
    refused: Counter[str] = field(default_factory=Counter)
    _held: dict[tuple[int, str, int], tuple[int, int]] = field(default_factory=dict)  # (symbol, owner, side): price, size
    _totals: dict[tuple[int, int], dict[int, int]] = field(default_factory=dict)  # (symbol, side): price to size
    _last: dict[int, int] = field(default_factory=dict)

    def feed(self, line: str) -> list[Raw]:
        """The records of one line, without its end."""
        kind, _, rest = line.partition(",")
        fields = rest.split(",")
        if kind == "S" and fields[0] == "CLEAR DEPTH" and len(fields) >= 3:
            return self._clear(fields[1], fields[2])
        reader = _READERS.get(kind)
        symbol = self.symbols.get(fields[0])
        if reader is None or symbol is None:
            return []
        try:
            return reader(self, symbol, fields)
        except RefusedError as reason:
            self.refused[str(reason)] += 1
        except IndexError:
            self.refused["line too short"] += 1
        return []

    def _level(self, symbol: int, f: list[str]) -> list[Raw]:
        side, price, size = _side(f[1]), ticks(f[2], self.tick_size), lots(f[3])
        return self._set(symbol, side, price, size, self._time(symbol, f[6], f[7]))

    def _level_gone(self, symbol: int, f: list[str]) -> list[Raw]:
        return self._set(symbol, _side(f[1]), ticks(f[2], self.tick_size), 0, self._time(symbol, f[3], f[4]))

    def _order(self, symbol: int, f: list[str]) -> list[Raw]:
        side, price, size = _side(f[3]), ticks(f[4], self.tick_size), lots(f[5])
        return self._own(symbol, f[1] or f[2], side, price, size, self._time(symbol, f[8], f[9]))

    def _order_gone(self, symbol: int, f: list[str]) -> list[Raw]:
        owner, side = f[1] or f[2], _side(f[3])
        if (symbol, owner, side) not in self._held:
            raise RefusedError("delete of what is not there")
        return self._own(symbol, owner, side, 0, 0, self._time(symbol, f[4], f[5]))

    def _quotes(self, symbol: int, f: list[str]) -> list[Raw]:
        found: list[Raw] = []
        for side, price, size, time, valid in ((BID, f[2], f[4], f[6], f[10]), (ASK, f[3], f[5], f[9], f[11])):
            is_there = valid == "T" and price not in ("", "0")
            found += self._own(
                symbol, f[1], side, ticks(price, self.tick_size) if is_there else 0, lots(size) if is_there else 0,
                self._time(symbol, time, f[7]),
            )  # fmt: skip
        return [(*raw[:7], LAST if at == len(found) - 1 else 0) for at, raw in enumerate(found)]

    def _own(self, symbol: int, owner: str, side: int, price: int, size: int, ts: int) -> list[Raw]:
        """What `owner` has on that side is now `size` at `price`: the levels that change by it."""
        before = self._held.pop((symbol, owner, side), None)
        totals = self._totals.setdefault((symbol, side), {})
        changed: dict[int, int] = {}
        if before is not None:
            changed[before[0]] = totals.get(before[0], 0) - before[1]
        if size:
            changed[price] = changed.get(price, totals.get(price, 0)) + size
            self._held[symbol, owner, side] = (price, size)
        found: list[Raw] = []
        for each, total in changed.items():
            if total != totals.get(each, 0):
                found += self._set(symbol, side, each, total, ts)
        return [(*raw[:7], LAST if at == len(found) - 1 else 0) for at, raw in enumerate(found)]

    def _set(self, symbol: int, side: int, price: int, size: int, ts: int) -> list[Raw]:
        totals = self._totals.setdefault((symbol, side), {})
        if size > 0:
            totals[price] = size
        elif totals.pop(price, None) is None:
            raise RefusedError("delete of what is not there")
        return [(ts, price, min(size, SIZE_MAX), symbol, LEVEL, side, 0, LAST)]

    def _clear(self, name: str, letter: str) -> list[Raw]:
        symbol, side = self.symbols.get(name), _SIDES.get(letter)
        if symbol is None or side is None:
            return []
        for key in [key for key in self._held if key[0] == symbol and key[2] == side]:
            del self._held[key]
        prices, ts = list(self._totals.pop((symbol, side), {})), self._last.get(symbol, 0)
        return [(ts, price, 0, symbol, LEVEL, side, 0, LAST * (at == len(prices) - 1)) for at, price in enumerate(prices)]

    def _time(self, symbol: int, time: str, date: str) -> int:
        before = self._last.get(symbol, 0)
        if not time and not before:
            raise RefusedError("delete without a time")
        self._last[symbol] = found = max(before, instant(date, time)) if time else before
        return found


_READERS = {
    "7": IqFeedDepth._level, "8": IqFeedDepth._level, "9": IqFeedDepth._level_gone, "0": IqFeedDepth._order, "3": IqFeedDepth._order,
    "4": IqFeedDepth._order, "6": IqFeedDepth._order, "5": IqFeedDepth._order_gone, "Z": IqFeedDepth._quotes, "2": IqFeedDepth._quotes,
}  # fmt: skip


def instant(date: str, time: str) -> int:
    """ns UTC of Eastern text: date 2022-04-01 or 04/01/2022, time 11:33:27.030724. RefusedError where it is none."""
    try:
        clock, _, fraction = time.partition(".")
        hour, minute, second = (int(part) for part in clock.split(":"))
        if not (minute < 60 and second < 61 and len(fraction) <= 9):
            raise ValueError
        return _hour(date, hour) + (minute * 60 + second) * 1_000_000_000 + int(fraction.ljust(9, "0"))
    except ValueError:
        raise RefusedError("no time") from None


@lru_cache(maxsize=256)
def _hour(date: str, hour: int) -> int:
    if "/" in date:
        month, day, year = date.split("/")
        date = f"{year}-{month}-{day}"
    local = datetime.fromisoformat(date).replace(hour=hour, tzinfo=ZoneInfo(EASTERN))
    return (local.astimezone(_UTC) - datetime(1970, 1, 1, tzinfo=_UTC)) // timedelta(seconds=1) * 1_000_000_000


def ticks(text: str, tick_size: Decimal) -> int:
    """The price in ticks. RefusedError where it is no number, off the grid, or too large for the record."""
    try:
        found = Decimal(text) / tick_size
        whole = int(found)
    except (InvalidOperation, ValueError, OverflowError):
        raise RefusedError("no number") from None
    if whole != found:
        raise RefusedError("price off the grid")
    if abs(whole) > PRICE_MAX:
        raise RefusedError("price out of range")
    return whole


def lots(text: str) -> int:
    """A size: digits only, below 2^31."""
    if not text.isascii() or not text.isdigit():
        raise RefusedError("no size")
    if int(text) > SIZE_MAX:
        raise RefusedError("size out of range")
    return int(text)


def _side(letter: str) -> int:
    try:
        return _SIDES[letter]
    except KeyError:
        raise RefusedError("unknown side") from None
