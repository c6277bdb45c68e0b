"""What a window of `levels` rows on each side of a book sees: price-keyed changes and whole pictures as position ops.

A row counts from the best. Where a row goes, those behind it move up, and the level that comes into sight at the bottom is
an INSERT there; what an INSERT pushes out of the window at the bottom goes without an op. So the flow of a change is that of
its own price (Cont-Kukanov-Stoikov), never that of the rows which it moved.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from scizor.market.events import BID, DELETE, INSERT, LAST, LEVEL, RESET, UPDATE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: A record before it is one: ts, price, size, symbol, op, side, row, flags, in the order of EVENT.
Raw = tuple[int, int, int, int, int, int, int, int]

LEVELS_MAX = 16


class Op(NamedTuple):
    """One position op of one side: price in ticks, size what the row holds after it (0 for a DELETE)."""

    op: int
    row: int
    price: int
    size: int


class Side:
    """One side of a book that is known to its end, price-keyed. `change` says what its first `levels` rows see of it.

    Keys are prices, negated for bids, so that the best is the smallest on either side.
    """

    __slots__ = ("_keys", "_levels", "_sign", "_sizes")

    def __init__(self, side: int, levels: int) -> None:
        self._sign = -1 if side == BID else 1
        self._levels = levels
        self._keys: list[int] = []
        self._sizes: dict[int, int] = {}

    def size(self, price: int) -> int:
        return self._sizes.get(self._sign * price, 0)

    def rows(self) -> list[tuple[int, int]]:
        """(price, size) of the rows in sight, the best first."""
        return [(self._sign * key, self._sizes[key]) for key in self._keys[: self._levels]]

    def clear(self) -> None:
        self._keys.clear()
        self._sizes.clear()

    def change(self, price: int, size: int) -> list[Op]:
        """The level at `price` now has `size`; 0 removes it."""
        key = self._sign * price
        row = bisect_left(self._keys, key)
        before = self._sizes.get(key, 0)
        if size == before:
            return []
        if size > 0:
            self._sizes[key] = size
            if not before:
                self._keys.insert(row, key)
            return [Op(UPDATE if before else INSERT, row, price, size)] if row < self._levels else []
        del self._keys[row], self._sizes[key]
        if row >= self._levels:
            return []
        return [Op(DELETE, row, price, 0), *self._revealed()]

    def _revealed(self) -> list[Op]:
        bottom = self._levels - 1
        if len(self._keys) <= bottom:
            return []
        key = self._keys[bottom]
        return [Op(INSERT, bottom, self._sign * key, self._sizes[key])]


def differences(old: Sequence[tuple[int, int]], new: Sequence[tuple[int, int]], side: int, levels: int) -> list[Op]:
    """Ops that turn the picture `old` of one side into `new`: (price, size) from the best, at most `levels` of them.

    A level that is missing in `new` and lies beyond its last row was pushed out of sight, when `new` is full; else it went.
    """
    sign = -1 if side == BID else 1
    now = {sign * price: size for price, size in new}
    keys = [sign * price for price, _ in old]
    sizes = {sign * price: size for price, size in old}
    wanted = sorted(now)
    end = wanted[-1] if len(wanted) >= levels else None
    found: list[Op] = []
    for key in list(keys):
        if key in now or (end is not None and key > end):
            continue
        row = bisect_left(keys, key)
        was_full = len(keys) == levels
        del keys[row]
        found.append(Op(DELETE, row, sign * key, 0))
        if was_full:  # the level behind the last one comes into sight
            behind = bisect_left(wanted, keys[-1] + 1) if keys else 0
            if behind < len(wanted):
                keys.append(wanted[behind])
                sizes[wanted[behind]] = now[wanted[behind]]
                found.append(Op(INSERT, levels - 1, sign * keys[-1], now[keys[-1]]))
    for key in wanted:
        if key not in sizes:
            row = bisect_left(keys, key)
            keys.insert(row, key)
            del keys[levels:]
            sizes[key] = now[key]
            found.append(Op(INSERT, row, sign * key, now[key]))
    for row, key in enumerate(keys):
        if key in now and sizes[key] != now[key]:
            found.append(Op(UPDATE, row, sign * key, now[key]))
    return found


def write(out: list[Raw], ts: int, symbol: int, ops: Sequence[tuple[int, Op]]) -> None:
    """Appends (side, op) pairs of one message as records; the last of them carries LAST."""
    final = len(ops) - 1
    for at, (side, op) in enumerate(ops):
        out.append((ts, op.price, op.size, symbol, op.op, side, op.row, LAST if at == final else 0))


def records(raw: Sequence[Raw]) -> NDArray[np.void]:
    """shape (n,), dtype EVENT."""
    import numpy as np

    from scizor.market.events import EVENT

    return np.array(raw, dtype=EVENT) if raw else np.empty(0, dtype=EVENT)


def from_levels(events: NDArray[np.void], levels: int) -> NDArray[np.void]:
    """LEVEL events of any symbols as position ops of the first `levels` rows; all other events stay as they are.

    A message that changes nothing in sight leaves no event, unless it is its packet's last: then LAST moves to the event
    before it, if that is of the same packet.
    """
    books: dict[int, tuple[Side, Side]] = {}
    out: list[Raw] = []
    start = 0  # of the packet in hand
    for ts, price, size, symbol, op, side, row, flags in events.tolist():
        book = books.get(symbol)
        if book is None:
            book = books[symbol] = (Side(0, levels), Side(1, levels))
        if op == LEVEL and side <= 1:
            for each in book[side].change(price, size):
                out.append((ts, each.price, each.size, symbol, each.op, side, each.row, flags & ~LAST))
        else:
            if op == RESET:
                book[0].clear()
                book[1].clear()
            out.append((ts, price, size, symbol, op, side, row, flags & ~LAST))
        if flags & LAST:
            if len(out) > start:
                *rest, last = out[-1]
                out[-1] = (*rest, last | LAST)  # type: ignore[assignment]
            start = len(out)
    return records(out)
