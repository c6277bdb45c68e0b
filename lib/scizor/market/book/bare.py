"""Books without signals: arrays in, arrays out."""

from __future__ import annotations

import functools
from types import SimpleNamespace

import numpy as np
from numpy.typing import NDArray

from scizor.market.book import changes, layout, rows
from scizor.market.book.compilation import compiled, cpu

Books = NDArray[np.void]


def make_books(symbols: int, depth: int = layout.DEEP) -> Books:
    """Empty books of `depth` rows a side: DEEP for a feed by price, the subscribed rows for one by position.

    There are two records, of ROWS_MAX and of DEEP rows, and code is compiled for each: not for every depth.
    """
    if not 1 <= depth <= layout.DEEP:
        raise ValueError(f"a book of {depth} rows a side: 1 to {layout.DEEP}")
    books = np.zeros(symbols, layout.book_dtype(layout.ROWS_MAX if depth <= layout.ROWS_MAX else layout.DEEP))
    books["room"] = depth
    return books


def apply(books: Books, events: NDArray[np.void]) -> int:
    """Applies events.EVENT records in their order; returns how many were refused (see counters)."""
    return int(kernels(books.dtype["price"].shape[1]).change_all(books, events))


def levels(books: Books, symbol: int, side: int, count: int | None = None) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Prices (ticks) and sizes of one side, the best first: copies. Works on books and on features' states."""
    book = books[symbol]
    end = int(book["rows"][side])
    start = 0 if count is None else max(0, end - count)
    return book["price"][side, start:end][::-1].copy(), book["size"][side, start:end][::-1].copy()


def counters(books: Books) -> dict[str, int]:
    """What was refused or noticed, summed over the symbols: layout.COUNTERS says what each means."""
    sums = books["counters"].sum(axis=0, dtype=np.int64)
    return {name: int(sums[i]) for i, name in enumerate(layout.COUNTERS)}


@functools.cache
def kernels(depth: int) -> SimpleNamespace:
    """The functions compiled for a record of `depth` rows; numba is imported here."""
    return compiled([rows, changes], cpu, sources=[layout], variant=f"book {depth}")
