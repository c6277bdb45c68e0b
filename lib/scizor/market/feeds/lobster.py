"""LOBSTER message and order book files of one symbol and day as position ops, and the proof that the book was understood.

Format (lobsterdata.com, "Output Structure"): a message is time (seconds after midnight, exchange's zone), type, order id, size,
price (dollars x 10000), direction of the resting order (1 buy, -1 sell); row k of the book file is the book after message k: ask
price, ask size, bid price, bid size for each level, dummies of +-9999999999 where there is none. Types: 1 new order, 2 part of
it cancelled, 3 deleted, 4 executed, 5 a hidden one executed, 6 cross trade, 7 halt (price -1) or resumption (0 quoting, 1 trading).

Row 0 is the seed. From then on the messages alone make the book: 1 to 4 at their price, 5 and 6 leave it. After each message
every level that is known must be the file's. A level that the file shows behind the last known one is a reveal, taken from
the file and allowed only in the last row. What differs is counted, and the book goes on from the file's.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

from scizor.market.events import (
    ASK,
    BID,
    DELETE,
    HALT,
    INSERT,
    LAST,
    PRICE_MAX,
    RESUME,
    SIZE_MAX,
    TRADE,
    UNKNOWN,
    UPDATE,
)
from scizor.market.feeds.positions import LEVELS_MAX, Op, Raw, differences, records, write

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Table = NDArray[np.int64]

DUMMY = 9_999_999_999
PRICE_UNITS = 10_000  # in a dollar
_CHUNK = 8192
#: Nasdaq's feed has told every hidden execution as a buy since 2014-07-14 (TotalView-ITCH 5.0, "P" message): YYYYMMDD.
HIDDEN_SIDE_UNTIL = 20140714


@dataclass(frozen=True, slots=True)
class Converted:
    """events: dtype EVENT, ts since midnight plus the `midnight` that was handed in. unit: price units of the file in a tick.

    rows: messages compared. levels: levels compared. differing: levels that were not the file's. revealing: rows with a level
    that was taken from the file. refused: messages that say what cannot be (size out of range, unknown type), and rows of the
    book file that are none (not in order, negative sizes), which are compared with nothing.
    """

    events: NDArray[np.void]
    unit: int
    rows: int
    levels: int
    differing: int
    revealing: int
    refused: int


class _Side:
    """Known levels of one side: keys ascending from the best (bids negated), their sizes. is_whole: the file shows that
    there is nothing behind them. depth: rows of the file. window: rows that the events tell of, at most as many."""

    __slots__ = ("depth", "is_whole", "keys", "side", "sign", "sizes", "window")

    def __init__(self, side: int, depth: int, window: int) -> None:
        self.side, self.depth, self.window, self.sign = side, depth, window, -1 if side == BID else 1
        self.keys: list[int] = []
        self.sizes: list[int] = []
        self.is_whole = False

    def add(self, price: int, size: int) -> list[Op]:
        key = self.sign * price
        row = bisect_left(self.keys, key)
        if row < len(self.keys) and self.keys[row] == key:
            self.sizes[row] += size
            return self._seen(Op(UPDATE, row, price, self.sizes[row]))
        if row == len(self.keys) and not self.is_whole:
            return []  # behind what is known: the file will say
        self.keys.insert(row, key)
        self.sizes.insert(row, size)
        del self.keys[self.depth :], self.sizes[self.depth :]
        return self._seen(Op(INSERT, row, price, size))

    def take(self, price: int, size: int) -> list[Op]:
        key = self.sign * price
        row = bisect_left(self.keys, key)
        if row == len(self.keys) or self.keys[row] != key:
            return []
        if size < self.sizes[row]:
            self.sizes[row] -= size
            return self._seen(Op(UPDATE, row, price, self.sizes[row]))
        del self.keys[row], self.sizes[row]
        ops, bottom = self._seen(Op(DELETE, row, price, 0)), self.window - 1
        if ops and len(self.keys) > bottom:  # a known level comes into the window
            ops.append(Op(INSERT, bottom, self.sign * self.keys[bottom], self.sizes[bottom]))
        return ops

    def settle(self, keys: list[int], sizes: list[int], ops: list[tuple[int, Op]]) -> tuple[int, int]:
        """Compares with the file's row (only what is there); (levels that differ, levels revealed)."""
        known = len(self.keys)
        differing = 0
        if self.keys != keys[:known] or self.sizes != sizes[:known]:
            pairs = zip(zip(self.keys, self.sizes, strict=True), zip(keys, sizes, strict=True), strict=False)
            differing = sum(mine != file for mine, file in pairs) + max(0, known - len(keys))
            for op in differences(self._rows(self.keys, self.sizes), self._rows(keys, sizes), self.side, self.window):
                ops.append((self.side, op))
            self.keys, self.sizes = keys, sizes
        revealed = max(0, len(keys) - known)
        if not differing:
            for row in range(known, len(keys)):
                ops += [(self.side, op) for op in self._seen(Op(INSERT, row, self.sign * keys[row], sizes[row]))]
                differing += row != self.depth - 1  # something stood where the messages told of nothing
            self.keys, self.sizes = keys, sizes
        self.is_whole = len(keys) < self.depth
        return differing, revealed

    def _rows(self, keys: list[int], sizes: list[int]) -> list[tuple[int, int]]:
        return [(self.sign * key, size) for key, size in zip(keys[: self.window], sizes, strict=False)]

    def _seen(self, op: Op) -> list[Op]:
        return [op] if op.row < self.window else []


def read(text: bytes, columns: int) -> Table:
    """A message file (6 columns) or a book file (4 a level) as int64; a message's time in ns. ValueError names the line."""
    import numpy as np

    found = np.loadtxt(BytesIO(text), delimiter=",", dtype=np.float64, ndmin=2)  # 53 bits hold any of these numbers
    if not len(found) or (columns and found.shape[1] != columns) or (not columns and found.shape[1] % 4):
        raise ValueError(f"{found.shape[1]} columns in {len(found)} lines are not LOBSTER's")
    if not np.isfinite(found).all():
        raise ValueError(f"line {int(np.flatnonzero(~np.isfinite(found).all(axis=1))[0]) + 1} holds no number")
    if columns == 6:
        found[:, 0] *= 1e9
    return np.rint(found).astype(np.int64)


def convert(messages: Table, book: Table, *, midnight: int, date: int, symbol: int = 0, levels: int = 0) -> Converted:
    """messages: (n, 6) int64, columns of the message file with the time in ns after midnight. book: (n, 4 * L) int64.

    midnight: ns UTC of the exchange's midnight. date: YYYYMMDD of the session, for what the feed tells. levels: rows that
    the events tell of, the file's and at most 16 where 0; compared are all that the file has. ValueError when the tables do not belong together.
    """
    import numpy as np

    depth = book.shape[1] // 4
    levels = min(levels or depth, depth, LEVELS_MAX)
    if messages.ndim != 2 or messages.shape[1] != 6 or book.shape[1] != 4 * depth or not depth or len(messages) != len(book):
        raise ValueError(f"messages {messages.shape} and book {book.shape} are not of one file")
    unit = _unit(messages, book)
    price_max = min(DUMMY - 1, PRICE_MAX * unit)
    keys = [_keys(book, 0, 1, unit), _keys(book, 2, -1, unit)]
    sizes = [book[:, 1::4], book[:, 3::4]]
    sane = _sane(keys, sizes)
    is_seeded = False
    tells_hidden = date < HIDDEN_SIDE_UNTIL
    sides = (_Side(ASK, depth, levels), _Side(BID, depth, levels))
    out: list[Raw] = []
    compared = differing = revealing = refused = 0
    for begin in range(0, len(messages), _CHUNK):
        part = slice(begin, begin + _CHUNK)
        told = messages[part].tolist()
        rows = [(keys[each][part].tolist(), sizes[each][part].tolist()) for each in (ASK, BID)]
        absent = [np.flatnonzero(keys[each][part, -1] >= DUMMY).tolist() for each in (ASK, BID)]
        short = [set(each) for each in absent]
        for at, (after, kind, _, size, price, direction) in enumerate(told):
            ts, ops, said = midnight + after, list[tuple[int, Op]](), None
            is_known = 0 <= size <= SIZE_MAX and direction in (-1, 1)
            side = BID if direction == 1 else ASK
            if kind == 7:
                said = HALT if price < 0 else RESUME
            elif not is_known or kind not in (1, 2, 3, 4, 5, 6) or not 0 < price <= price_max:
                refused += 1
            else:
                if kind >= 4:
                    hidden = kind == 6 or (kind == 5 and not tells_hidden)
                    said = TRADE
                    aggressor = UNKNOWN if hidden else ASK + BID - side
                if kind <= 4 and is_seeded:
                    changed = sides[side].add(price // unit, size) if kind == 1 else sides[side].take(price // unit, size)
                    ops = [(side, op) for op in changed]
            revealed = 0
            is_row = sane[begin + at]
            refused += not is_row
            for each in (ASK, BID) if is_row else ():
                now, held = rows[each][0][at], rows[each][1][at]
                if at in short[each]:
                    now = [key for key in now if key < DUMMY]
                    held = held[: len(now)]
                if not is_seeded:
                    ops += [(each, Op(INSERT, row, sides[each].sign * key, held[row])) for row, key in enumerate(now[:levels])]
                    sides[each].keys, sides[each].sizes, sides[each].is_whole = now, held, len(now) < depth
                    continue
                compared += len(now)
                wrong, more = sides[each].settle(now, held, ops)
                differing += wrong
                revealed += more
            is_seeded = is_seeded or is_row
            revealing += revealed > 0
            if said == TRADE:
                out.append((ts, price // unit, size, symbol, TRADE, aggressor, 0, 0 if ops else LAST))
            elif said is not None:
                out.append((ts, 0, 0, symbol, said, UNKNOWN, 0, 0 if ops else LAST))
            write(out, ts, symbol, ops)
    return Converted(records(out), unit, len(messages), compared, differing, revealing, refused)


def _unit(messages: Table, book: Table) -> int:
    """The largest tick on which every price lies. Signals are ratios, in which the tick cancels: any will do."""
    import numpy as np

    prices = np.concatenate([messages[messages[:, 1] <= 6, 4], book[:, 0::2].ravel()])
    known = prices[(prices > 0) & (prices < DUMMY)]
    return int(np.gcd.reduce(np.unique(known))) if len(known) else 1


def _sane(keys: list[Table], sizes: list[Table]) -> list[bool]:
    """Which rows of the book file are a book: each side in order, what is missing at its end, prices and sizes that fit."""
    import numpy as np

    found = np.ones(len(keys[0]), bool)
    for side, (price, size) in enumerate(zip(keys, sizes, strict=True)):
        is_there = price < DUMMY
        found &= ((np.diff(price, axis=1) > 0) | ~is_there[:, 1:]).all(axis=1)
        found &= ((np.abs(price) <= PRICE_MAX) & (price * (1 if side == ASK else -1) > 0) & (size > 0) & (size <= SIZE_MAX) | ~is_there).all(axis=1)
    told: list[bool] = found.tolist()
    return told


def _keys(book: Table, first: int, sign: int, unit: int) -> Table:
    """Prices of one side in ticks, the smallest is the best; DUMMY where there is no level."""
    import numpy as np

    prices = sign * book[:, first::4]
    return np.where(prices >= DUMMY, DUMMY, prices // unit)
