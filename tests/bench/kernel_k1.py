"""K1: a recorded market-by-order day into a price-keyed book, speed over order_book (C), nautilus_trader's batch and hftbacktest's replay.

The same level changes for all, in one process on one core: ours and order_book and nautilus in chunks of 4,096 after the opening
picture, the sum of each chunk's smallest time; hftbacktest's bare replay whole (it applies each event to two books and keeps its
order models alive: that is what it does). All must end with the same best bid and ask.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.bench import deltas, rivals

BARS = {"order_book": ("order_book 0.6.1 (C)", 8), "nautilus": ("nautilus_trader 1.221.0, apply_deltas in batches", 8),
        "hftbacktest ROI": ("hftbacktest 2.4.4, ROI vector, bare replay", 4)}  # fmt: skip


def figures(report: Callable[[str], None]) -> list[dict[str, Any]]:
    found = against_rivals(report, "K1")
    for name in [each for each in found if each != "events"]:
        report(f"{name:<20} {found[name][0]:8.1f} ns an event (median {found[name][1]:.1f})")
    return [
        {"id": "K1", "name": f"times faster than {name}", "value": over(found, name), "unit": "", "op": ">=", "bar": bar,
         "n": found.get("events", 0), "median": over(found, name, 1), "rival": rival}
        for name, (rival, bar) in BARS.items()
    ]  # fmt: skip


def against_rivals(report: Callable[[str], None], what: str) -> dict[str, Any]:
    """ns an event by contender, [best, median]; empty, and said why, where the recording or the rivals are not there."""
    day = deltas.largest()
    if day is None:
        report("no market-by-order day among the recordings: ../shared/data or SCIZOR_RECORDINGS")
        return {}
    report(day[0])
    with tempfile.TemporaryDirectory(prefix="scizor-kernel-") as name:
        return rivals.measured(report, "rival_books", what, str(deltas.saved(day[1], Path(name))))


def over(found: dict[str, Any], rival: str, which: int = 0) -> float | None:
    """The rival's time by ours."""
    return found[rival][which] / found["ours"][which] if found else None
