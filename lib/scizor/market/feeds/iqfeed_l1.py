"""IQFeed's level 1 (port 5009): prints as TRADE events, and the best quote as a book of one row where that is wanted.

`Q` is an update, `P` the summary after a watch. Which fields a line has is the client's choice, and the feed repeats it as
`S,CURRENT UPDATE FIELDNAMES,...`; without that line they are protocol 6's own. "Message Contents" says what changed: C, E and O a print
(last qualified, extended hours, other), b and a the quote. Without a trade's date in the fields, the day is that of the last `T` line
or the one that was handed in. The feed tells no aggressor: the kernel's quote rule does. A print below the round lot is marked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from scizor.market.events import ASK, BID, LAST, ODD_LOT, TRADE, UNKNOWN
from scizor.market.feeds.iqfeed_depth import RefusedError, instant, lots, ticks
from scizor.market.feeds.positions import Raw, differences

SYMBOL, PRICE, SIZE, TIME, DATE = (
    "Symbol", "Most Recent Trade", "Most Recent Trade Size", "Most Recent Trade Time", "Most Recent Trade Date",
)  # fmt: skip
FIELDS = (
    SYMBOL, PRICE, SIZE, TIME, "Most Recent Trade Market Center", "Total Volume", "Bid", "Bid Size", "Ask", "Ask Size",
    "Open", "High", "Low", "Close", "Message Contents", "Most Recent Trade Conditions",
)  # fmt: skip
_PRINTS = frozenset("CEO")


@dataclass(slots=True)
class IqFeedL1:
    """Prints of many symbols. date: the session's day, 2025-01-15, until a T line tells it. round_lot: of US shares 100.
    quotes: the best bid and ask as a book of one row as well, for symbols without depth."""

    symbols: Mapping[str, int]
    date: str
    tick_size: Decimal = Decimal("0.0001")
    round_lot: int = 100
    quotes: bool = False
    refused: Counter[str] = field(default_factory=Counter)
    _places: dict[str, int] = field(default_factory=lambda: {name: at for at, name in enumerate(FIELDS)})
    _shown: dict[tuple[int, int], list[tuple[int, int]]] = field(default_factory=dict)
    _last: dict[int, int] = field(default_factory=dict)

    def feed(self, line: str) -> list[Raw]:
        """The records of one line, without its end."""
        kind, _, rest = line.partition(",")
        fields = rest.split(",")
        if kind == "T" and len(fields[0]) >= 8 and fields[0][:8].isdigit():
            self.date = f"{fields[0][:4]}-{fields[0][4:6]}-{fields[0][6:8]}"
        elif kind == "S" and fields[0] == "CURRENT UPDATE FIELDNAMES":
            self._places = {name: at for at, name in enumerate(fields[1:])}
        elif kind in ("Q", "P"):
            symbol = self.symbols.get(self._of(fields, SYMBOL))
            if symbol is not None:
                try:
                    return self._update(symbol, fields, is_summary=kind == "P")
                except RefusedError as reason:
                    self.refused[str(reason)] += 1
        return []

    def _update(self, symbol: int, fields: list[str], *, is_summary: bool) -> list[Raw]:
        contents = set(self._of(fields, "Message Contents"))
        told = instant(self._of(fields, DATE) or self.date, self._of(fields, TIME))
        ts = self._last[symbol] = max(told, self._last.get(symbol, 0))
        found: list[Raw] = []
        if contents & _PRINTS and not is_summary:
            size = lots(self._of(fields, SIZE))
            odd = ODD_LOT if size < self.round_lot else 0
            found.append((ts, ticks(self._of(fields, PRICE), self.tick_size), size, symbol, TRADE, UNKNOWN, 0, odd))
        if self.quotes:
            for side, name in ((ASK, "Ask"), (BID, "Bid")):
                price, shares = self._of(fields, name), self._of(fields, f"{name} Size")
                now = [(ticks(price, self.tick_size), lots(shares))] if price and shares not in ("", "0") else []
                for op in differences(self._shown.get((symbol, side), []), now, side, 1):
                    found.append((ts, op.price, op.size, symbol, op.op, side, op.row, 0))
                self._shown[symbol, side] = now
        if found:
            *rest, flags = found[-1]
            found[-1] = (*rest, flags | LAST)  # type: ignore[assignment]
        return found

    def _of(self, fields: list[str], name: str) -> str:
        place = self._places.get(name, len(fields))
        return fields[place] if place < len(fields) else ""
