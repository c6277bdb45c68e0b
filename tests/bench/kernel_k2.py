"""K2: the same level changes dealt to 2,000 assets, speed over hftbacktest; and ns an event at 2,000 symbols by those at one.

The second is of seeded symbols in a quiet market's mix (96 % updates), each its own book fed by price, a random symbol an event,
after all books are open: the recorded day dealt out would be books that nobody opened.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scizor.market.book.bare import apply, make_books
from scizor.market.events import DELETE, LEVEL, UPDATE
from tests.bench.kernel_k1 import against_rivals, over
from tests.bench.measuring import Timed, chunked, chunks, pinned
from tests.features import synthetic

SYMBOLS, EVENTS, LEVELS = 2000, 200_000, 10


def figures(report: Callable[[str], None]) -> list[dict[str, Any]]:
    found = against_rivals(report, "K2")
    for name in [each for each in found if each != "events"]:
        report(f"{name:<20} {found[name][0]:8.1f} ns an event (median {found[name][1]:.1f})")
    times: dict[str, tuple[Timed, Timed]] = {}
    with pinned():
        for kind in ("price", "position"):
            one, all_of_them = (books(symbols, is_by_price=kind == "price") for symbols in (1, SYMBOLS))
            times[kind] = one, all_of_them
            report(f"by {kind}: {one.best:.1f} ns an event at 1 symbol, {all_of_them.best:.1f} at {SYMBOLS:,}")
    one, all_of_them = times["price"]
    return [
        {"id": "K2", "name": "times faster at 2,000 assets", "value": over(found, "hftbacktest HashMap"), "unit": "", "op": ">=", "bar": 100,
         "n": found.get("events", 0), "median": over(found, "hftbacktest HashMap", 1), "rival": "hftbacktest 2.4.4, hash map, bare replay"},
        {"id": "K2", "name": "ns an event at 2,000 symbols by those at 1", "value": all_of_them.best / one.best, "unit": "", "op": "<=", "bar": 1.5,
         "n": EVENTS, "median": all_of_them.median / one.median, "rival": "itself at one symbol"},
    ]  # fmt: skip


def books(symbols: int, *, is_by_price: bool) -> Timed:
    events = synthetic.events(symbols, EVENTS, seed=7, levels=LEVELS, mix=synthetic.QUIET, trades=0.0)
    if is_by_price:
        events = by_price(events)
    opening = synthetic.opening_length(symbols, LEVELS)
    opened = make_books(symbols) if is_by_price else make_books(symbols, LEVELS)
    apply(opened, events[:opening])
    state, parts = opened.copy(), chunks(events[opening:])

    def restored() -> Any:
        state[:] = opened
        return state

    for part in parts[:2]:
        apply(restored(), part)
    return chunked(restored, lambda each, i: apply(each, parts[i]), [len(part) for part in parts], 5)


def by_price(events: NDArray[np.void]) -> NDArray[np.void]:
    """Position operations whose prices do not change by an update, as changes of levels."""
    found = events.copy()
    is_change = found["op"] <= UPDATE + 1
    found["size"] = np.where(found["op"] == DELETE, 0, found["size"])
    found["op"] = np.where(is_change, LEVEL, found["op"])
    return found
