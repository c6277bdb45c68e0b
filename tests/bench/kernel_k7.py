"""K7: every signal of recorded days against direct sums in fifty digits, across the moves of the landmark; planted: one event told differently.

Each symbol's deepest recorded session goes through the kernel whole, and through tests/features/oracle.py; at instants spread over it every
number is compared. The score is compared on the first part of each, with the oracle's own second moments. An error is absolute for
numbers below one and relative above; raw flow's is relative to the gross flow, the score's a hundredth of its own. A session of 4.9 hours and more moves the landmark.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any

import numpy as np

from scizor.market.events import TRADE
from tests.bench.kernel_recordings import deepest
from tests.features.against import SIGNALS, worst, worst_score

BAR = 1e-13
EVENTS_MIN = 100_000
INSTANTS = 16
SESSIONS_MAX = 3  # a minute each
SCORED_EVENTS = 8_000
PLANTED_EVENTS = 4_000
REBASE_NS = 1 << 44


def figures(report: Callable[[str], None]) -> list[dict[str, Any]]:
    errors: dict[str, float] = {}
    events = moves = compared = 0
    planted = float("inf")
    for piece, recording in islice(deepest("LOBSTER", "Databento"), SESSIONS_MAX):
        found = worst(recording.events, recording.levels, INSTANTS)
        score, scores = worst_score(recording.events[:SCORED_EVENTS], recording.levels)
        crossed = int(recording.events["ts"][-1] - recording.events["ts"][0]) // REBASE_NS
        report(
            f"{piece.symbols[0]} {piece.first}: {len(recording.events):,} events, the landmark moved {crossed} times; "
            + ", ".join(f"{name} {error:.1e}" for name, error in found.items()) + f", score {score / 100:.1e} of {scores:,}"
        )  # fmt: skip
        for name, error in (*found.items(), ("score", score / 100)):
            errors[name] = max(errors.get(name, 0.0), error)
        part = recording.events[recording.events["op"] == TRADE][:1]["ts"]
        part = recording.events[: np.searchsorted(recording.events["ts"], part[0], side="right") + PLANTED_EVENTS]
        planted = min(planted, max(worst(part, recording.levels, 4, spoiled=told_otherwise(part))[name] for name in SIGNALS))
        events += len(recording.events)
        moves += crossed
        compared += scores
    if not errors:
        report("no session of LOBSTER or Databento among the recordings: ../shared/data or SCIZOR_RECORDINGS")
    is_enough = events >= EVENTS_MIN and moves > 0
    if errors and not is_enough:
        report(f"{events:,} events and {moves} moves of the landmark are too few: {EVENTS_MIN:,} and one")
    same = {"unit": "", "op": "<=", "bar": BAR, "n": events, "rival": "direct sums of 50 digits", "planted": int(planted > BAR) if errors else None}
    value = max(errors[each] for each in SIGNALS) if is_enough else None
    others = max(error for name, error in errors.items() if name not in SIGNALS) if is_enough else None
    return [
        {"id": "K7", "name": "the worst of S1 to S5", "value": value, **same},
        {"id": "K7", "name": "the worst of kappa, score, raw flow, effective numbers", "value": others, **same},
        {"id": "K7", "name": "events", "value": events, "unit": "", "op": ">=", "bar": EVENTS_MIN, "n": moves, "rival": "moves of the landmark: n"},
    ]  # fmt: skip


def told_otherwise(events: np.ndarray) -> np.ndarray:
    """One print in the middle of them with one share more."""
    wrong = events.copy()
    prints = np.flatnonzero(wrong["op"] == TRADE)
    wrong["size"][prints[len(prints) // 2]] += 1
    return wrong


if __name__ == "__main__":
    for each in figures(print):
        print(each)
