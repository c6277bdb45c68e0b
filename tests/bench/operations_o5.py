"""O5: eight starters of one lock, paused and killed at random: 40,000 acquisitions without an overlap; without the lock, with."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.contention import contend

ACQUISITIONS = 40_000


def figures(report: Callable[[str], None], acquisitions: int = ACQUISITIONS) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="scizor-o5-") as name:
        locked, free = Path(name) / "locked", Path(name) / "free"
        locked.mkdir()
        free.mkdir()
        overlaps = contend(locked, acquisitions, locked=True)
        planted = contend(free, min(acquisitions, 4_000), locked=False)
    report(f"{overlaps} overlaps with the lock, {planted} without")
    return [{"id": "O5", "name": "overlaps", "value": overlaps, "unit": "", "op": "==", "bar": 0, "n": acquisitions, "planted": planted,
             "rival": "the same without the lock"}]  # fmt: skip


if __name__ == "__main__":
    for each in figures(print):
        print(each)
