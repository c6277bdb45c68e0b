"""The kernel beside the oracle: the same events, the same instants, the worst difference of each number."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Context, Decimal, localcontext

import numpy as np
from tests.features.oracle import DIGITS, NAMES, Oracle, decay

from scizor.features import apply, evaluate, make_output, make_state

LATER_NS = 37_000_000  # an instant lies a little after the event before it
SIGNALS = ("s1", "s2", "s3", "s4", "s5")
SCORED = 32


def worst(events: np.ndarray, levels: int, instants: int, *, is_by_price: bool = False, spoiled: np.ndarray | None = None) -> dict[str, float]:
    """The largest difference of each of NAMES at `instants` places spread over the events: absolute for numbers below 1, else
    relative; raw flow's is relative to the gross flow, of which it is the small difference of large parts. spoiled: what the oracle is told instead, to see that a difference is seen."""
    state = make_state(1, levels, is_by_price=is_by_price)
    out = make_output(state)
    oracle = Oracle(levels, is_by_price=is_by_price)
    told = (events if spoiled is None else spoiled).tolist()
    found, at = dict.fromkeys(NAMES, 0.0), 0
    for end in np.linspace(len(events) / instants, len(events), instants).astype(int).tolist():
        refused = apply(state, events[at:end])
        assert not refused, f"the kernel refused {refused} of events {at} to {end}"
        now = int(events["ts"][end - 1]) + LATER_NS
        evaluate(state, now, out)
        oracle.feed(told[at:end])
        exact = oracle.signals(now)
        for name in NAMES:
            size = exact["gross_flow"] if name == "raw_flow" else abs(exact[name])
            difference = abs(Decimal(float(out[name][0])) - exact[name]) / max(Decimal(1), size)
            found[name] = max(found[name], float(difference))
        at = end
    return found


def worst_score(events: np.ndarray, levels: int) -> tuple[float, int]:
    """The score after every event against its definition in 50 digits, made of the kernel's own signals: (the largest difference,
    scores compared). The signals are seen at the first event of each second, as it comes, and their second moments summed directly."""
    state = make_state(1, levels)
    out = make_output(state)
    seen: list[tuple[int, list[tuple[Decimal, bool]]]] = []  # slow step, (signal, is valid) of each
    origin, second, compared, largest = int(events["ts"][0]) >> 24, int(events["ts"][0]) // 10**9, 0, 0.0
    with localcontext(Context(prec=DIGITS)):
        for at in range(len(events)):
            ts = int(events["ts"][at])
            if ts // 10**9 > second:
                evaluate(state, ts, out)
                valid = int(out["valid"][0])
                seen.append(((ts >> 24) - origin >> 9, [(Decimal(float(out[name][0])), bool(valid >> place & 1)) for place, name in enumerate(SIGNALS)]))
                apply(state, events[at : at + 1])
                evaluate(state, ts, out)
                if int(out["valid"][0]) & SCORED:
                    exact = score(seen, [Decimal(float(out[name][0])) for name in SIGNALS], int(out["valid"][0]), Decimal(float(out["kappa"][0])))
                    largest = max(largest, float(abs(Decimal(float(out["score"][0])) - exact)))
                    compared += 1
                second = ts // 10**9
            else:
                apply(state, events[at : at + 1])
    return largest, compared


def score(seen: Sequence[tuple[int, list[tuple[Decimal, bool]]]], signals: Sequence[Decimal], valid: int, kappa: Decimal) -> Decimal:
    """100 kappa D of the definition."""
    scaled = []
    for place, signal in enumerate(signals):
        if not valid >> place & 1:
            continue
        terms = [(value * value, decay(seen[-1][0] - step)) for step, each in seen for value, was_valid in [each[place]] if was_valid]
        weight = sum((decayed for _, decayed in terms), Decimal(0))
        moment = sum((square * decayed for square, decayed in terms), Decimal(0)) / weight if weight else Decimal(0)
        scaled.append(signal / max(moment, Decimal("0.0025")).sqrt())
    mean = sum(scaled, Decimal(0)) / len(scaled)
    return 100 * kappa * mean / (1 + mean * mean).sqrt()
