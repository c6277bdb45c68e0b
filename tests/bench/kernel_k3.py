"""K3: update, five signals and score after every event, time over hftbacktest's with two toy features; ns an event at 2,000 symbols.

The first two on the recorded day, one symbol: hftbacktest's loop reads a one-level order flow and a ten-level imbalance after
every event. The others on 2,000 seeded symbols in a wild mix (8 % prints), a random symbol an event, batches of 256, everything
valid: with a dense clock (25 M events a second), and at the spacing of a live feed (25,000 a second). Their bars are those of
the machine that l2.md describes; what this one is stands beside.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from scizor.features import OUTPUT, apply, apply_evaluate, make_state
from tests.bench.kernel_k1 import against_rivals
from tests.bench.measuring import Timed, calibration, chunked, chunks, pinned
from tests.features import synthetic

SYMBOLS, WARM, EVENTS, BATCH = 2000, 600_000, 200_000, 256
TOYS = {"hftbacktest ROI": 0.85, "hftbacktest HashMap": 0.30}
SPACINGS = {"dense": (40, 50), "live": (40_000, 80)}


def figures(report: Callable[[str], None]) -> list[dict[str, Any]]:
    found = against_rivals(report, "K3")
    for name in [each for each in found if each != "events"]:
        report(f"{name:<20} {found[name][0]:8.1f} ns an event (median {found[name][1]:.1f})")
    made = [
        {"id": "K3", "name": f"of the time of {name} with two toys", "value": part(found, name, 0), "unit": "", "op": "<=", "bar": bar,
         "n": found.get("events", 0), "median": part(found, name, 1), "rival": f"{name}, order flow and imbalance"}
        for name, bar in TOYS.items()
    ]  # fmt: skip
    with pinned():
        floor = calibration()
        report("this machine: " + ", ".join(f"{name} {value}" for name, value in floor.items()))
        for name, (spacing, bar) in SPACINGS.items():
            timed, valid = every_event(spacing)
            report(f"{name}: {timed.best:.1f} ns an event (median {timed.median:.1f}), {valid:.0%} of them with a score")
            made.append({"id": "K3", "name": f"2,000 symbols, {name}", "value": timed.best, "unit": "ns", "op": "<=", "bar": bar,
                         "n": timed.count, "median": timed.median, "rival": "the machine of l2.md"})  # fmt: skip
    return made


def part(found: dict[str, Any], rival: str, which: int) -> float | None:
    return found["ours"][which] / found[rival][which] if found else None


def every_event(spacing_ns: int) -> tuple[Timed, float]:
    """ns an event, and the share of events after which there is a score."""
    events = synthetic.events(SYMBOLS, WARM + EVENTS, seed=11, spacing_ns=spacing_ns, jitter=spacing_ns > 1000)
    start = synthetic.opening_length(SYMBOLS) + WARM
    state, out = make_state(SYMBOLS), np.zeros(BATCH, OUTPUT)
    apply(state, events[:start])
    opened, parts = state.records.copy(), chunks(events[start:], BATCH)

    def restored() -> Any:
        state.records[:] = opened
        return state

    apply_evaluate(restored(), parts[0], out)
    timed = chunked(restored, lambda each, i: apply_evaluate(each, parts[i], out), [len(part) for part in parts], 5)
    whole = np.zeros(EVENTS, OUTPUT)
    apply_evaluate(restored(), events[start : start + EVENTS], whole)
    return timed, float((whole["valid"] & 32 > 0).mean())
