"""Books by position (IB's insert, update, delete by row) and by price, in one structure: sorted rows, the best last.

A feed by position shows a window of a few rows and says which of them moves; a feed by price shows everything and says
only what stands there now. Both end as sorted rows, so one record serves both, and what reads the rows (signals, a plot, a
comparison with an exchange's own book) need not know which feed it was. A price is found from its distance to the best: in
a dense book the first look finds it. Rows are never lost inside a price-keyed book's depth, however far from the best they
stand; what falls off the far end is counted.

rows scalar functions on a record · changes guards and loop · layout dtypes, flags and counters · compilation one source for
several devices · bare books for those who want no signals: make_books, apply, levels, counters.
"""

from __future__ import annotations

from scizor.market.book.bare import apply, counters, levels, make_books
from scizor.market.book.layout import COUNTERS, DEEP, ROWS_MAX

__all__ = ["COUNTERS", "DEEP", "ROWS_MAX", "apply", "counters", "levels", "make_books"]
