"""The rows of one book: scalar functions on one record, undecorated. Compiled for CPU and GPU, and run as plain Python.

A record has at least the fields of layout.BOOK: price and size i4[2, depth], rows u2[2]. Side ASK=0, BID=1. Rows stand in
one array a side, **the best last**: row r (0 the best) stands at index rows-1-r. Most changes happen near the best, so most
shifts are short, and a full book loses its worst row first. Prices of a price-keyed book are strictly ordered.

Every number that is read from a record passes int(): numpy's scalars wrap or warn where Python's and numba's do not.
Prices and sizes move in loops of their own, which become vector moves (measured: 400 rows in 60 ns, together 400 ns).
"""

from __future__ import annotations

from typing import Any

import numpy as np

#: An index that is known not to be negative: numba adds a branch for those that may be, and no longer vectorises.
U = np.uint64
#: What is short and on the way of every event: put into its caller (measured: a call costs 2 ns of 10).
INLINED = ("locate", "has_both_sides", "best")
#: How many rows from the best are looked at one by one before the search halves what is left.
SCAN = 8


def locate(book: Any, side: int, price: int) -> int:
    """Where `price` stands or belongs: 2*index+1 where it is there, 2*index where it would be inserted.

    Prices are whole ticks, so that a level `distance` ticks behind the best has at most `distance` rows before it: in a
    dense book the first look finds it, and no price before that one needs to be looked at.
    """
    rows = int(book["rows"][side])
    if rows == 0:
        return 0
    sign = 2 * side - 1
    distance = sign * (int(book["price"][side, U(rows - 1)]) - price)
    if distance < 0:
        return 2 * rows
    low = rows - 1 - distance
    if low >= 0:
        if int(book["price"][side, U(low)]) == price:
            return 2 * low + 1
    else:
        low = 0
    high = rows - 1  # the best is not worse than price: what is looked for lies in [low, high]
    for _ in range(SCAN):
        if high < low:
            return 2 * low
        here = sign * (int(book["price"][side, U(high)]) - price)
        if here == 0:
            return 2 * high + 1
        if here < 0:
            return 2 * (high + 1)
        high -= 1
    high += 1
    while low < high:
        middle = (low + high) >> 1
        if sign * (int(book["price"][side, U(middle)]) - price) < 0:
            low = middle + 1
        else:
            high = middle
    return 2 * low + (1 if int(book["price"][side, U(low)]) == price else 0)


def put(book: Any, side: int, index: int, price: int, size: int) -> None:
    """Inserts at `index`, and the better rows move up. The caller knows that there is room."""
    rows = int(book["rows"][side])
    for k in range(rows - index):
        book["price"][side, U(rows - k)] = book["price"][side, U(rows - k - 1)]
    for k in range(rows - index):
        book["size"][side, U(rows - k)] = book["size"][side, U(rows - k - 1)]
    book["price"][side, U(index)] = price
    book["size"][side, U(index)] = size
    book["rows"][side] = rows + 1


def put_full(book: Any, side: int, index: int, price: int, size: int) -> None:
    """Inserts where there is no room: the worst row falls off, those between move down. `index` >= 1."""
    for k in range(index - 1):
        book["price"][side, U(k)] = book["price"][side, U(k + 1)]
    for k in range(index - 1):
        book["size"][side, U(k)] = book["size"][side, U(k + 1)]
    book["price"][side, U(index - 1)] = price
    book["size"][side, U(index - 1)] = size


def take(book: Any, side: int, index: int) -> None:
    """Removes the row at `index`; the better rows move down."""
    rows = int(book["rows"][side]) - 1
    for k in range(rows - index):
        book["price"][side, U(index + k)] = book["price"][side, U(index + k + 1)]
    for k in range(rows - index):
        book["size"][side, U(index + k)] = book["size"][side, U(index + k + 1)]
    book["rows"][side] = rows


def clear(book: Any) -> None:
    """No rows on either side."""
    book["rows"][0] = 0
    book["rows"][1] = 0


def has_both_sides(book: Any) -> bool:
    return int(book["rows"][0]) > 0 and int(book["rows"][1]) > 0


def best(book: Any, side: int) -> int:
    """Price of the best row; the caller knows that there is one."""
    return int(book["price"][side, U(int(book["rows"][side]) - 1)])
