"""K9: does it see anything? A buyer who hides in a recorded flow, on twenty seeds; and raw flow beside the one-level OFI on a day of five levels.

The buyer (tests/bench/stealth.py) has 15 % of the volume of his forty minutes, half of it by showing his price again after sell prints, half by
children of three lots. Paired: on a grid of five seconds the score of the flow with him is compared with the score of the same flow
without him at the same times; AUC is the chance that the first is the higher one (Mann-Whitney). The figure is the lower end of the 95 %
interval of the mean over the seeds (Student's t: the seeds are the sample, not the correlated instants). Planted: a buyer of nothing,
whose AUC must lie below the bar.

The other: R squared of ten-second moves of the mid price on raw flow of the ten seconds, as the kernel tells it, over that on the
order flow imbalance of the best level (Cont, Kukanov and Stoikov 2014, eq. 10), computed here from the file's own book rows.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np

from scizor.features import OUTPUT, apply, evaluate, make_output, make_state
from scizor.jobs import features_input, features_sweep
from scizor.market.events import LEVEL
from scizor.market.feeds import databento, positions
from tests.bench import stealth
from tests.bench.kernel_recordings import pieces

SEEDS = 20
SHARE = 0.15
LEVELS = 10
STEP_NS = 5_000_000_000
SETTLED_NS = 120_000_000_000  # he has begun: his first two minutes are not asked about
STUDENT = {9: 2.262, 19: 2.093, 29: 2.045}  # 97.5 % quantile by degrees of freedom
OFI_SYMBOL, OFI_LEVELS = "AMZN", 5  # the bar is of that day; where it is not recorded, the worst of all days is judged
OFI_SECONDS = 10
SIGNALS = ("s1", "s2", "s3", "s4", "s5")


def figures(report: Callable[[str], None]) -> list[dict[str, Any]]:
    return [planted_buyer(report), flow_against_ofi(report)]


def planted_buyer(report: Callable[[str], None]) -> dict[str, Any]:
    name = {"id": "K9", "name": f"planted buyer of {SHARE:.0%}, lower 95 % bound of the paired AUC", "unit": "", "op": ">=", "bar": 0.60}
    recorded = [each for each in pieces("Databento") if each.levels == LEVELS]
    if not recorded:
        report("no market-by-order session among the recordings: ../shared/data or SCIZOR_RECORDINGS")
        return {**name, "value": None, "rival": "the same times without him"}
    flow = level_events(max(recorded, key=lambda each: each.path.stat().st_size))
    without = scores(flow)
    nobody = auc_of(stealth.plant(flow, SEEDS, 0.0), without)["score"]
    found = []
    for seed in range(SEEDS):
        planted = stealth.plant(flow, seed, SHARE)
        found.append({"share": planted.share, **auc_of(planted, without)})
        report(f"seed {seed}: {planted.share:.1%} of the volume, AUC " + " ".join(f"{each} {found[-1][each]:.3f}" for each in ("score", *SIGNALS)))
    values = np.array([each["score"] for each in found])
    mean, error = float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))
    lower = mean - STUDENT[SEEDS - 1] * error
    report(f"mean {mean:.3f}, {lower:.3f} to {2 * mean - lower:.3f}; a buyer of nothing: {nobody:.3f}")
    return {**name, "value": lower, "n": SEEDS, "min": float(values.min()), "median": float(np.median(values)),
            "planted": int(nobody < name["bar"]), "rival": "the same times without him"}  # type: ignore[operator]  # fmt: skip


def level_events(piece: features_input.Piece) -> np.ndarray:
    """LEVEL and TRADE events of the one instrument that trades most."""
    data = features_input.unpacked(piece.path)
    about = databento.metadata(data)
    found = databento.convert(databento.read(data, databento.MBO, about.end), databento.MBO).events
    busiest = np.bincount(found["symbol"][found["op"] != LEVEL]).argmax()
    mine = found[found["symbol"] == busiest]
    mine["symbol"] = 0
    return mine


def scores(flow: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(times, OUTPUT) on the grid of the session."""
    events = positions.from_levels(flow, LEVELS)
    first, last = int(flow["ts"][0]), int(flow["ts"][-1])
    times = np.arange(-(-first // STEP_NS) * STEP_NS, last + 1, STEP_NS)
    state = make_state(1, LEVELS)
    out, found, at = make_output(state), np.zeros(len(times), OUTPUT), 0
    for place, end in enumerate(np.searchsorted(events["ts"], times, side="right").tolist()):
        if end > at:
            apply(state, events[at:end])
        evaluate(state, int(times[place]), out)
        found[place], at = out[0], end
    return times, found


def auc_of(planted: stealth.Planted, without: tuple[np.ndarray, np.ndarray]) -> dict[str, float]:
    """By name: the chance that a number with the buyer is higher than one without him, at the times when both are valid."""
    (times, having), (same, lacking) = scores(planted.events), without
    assert (times == same).all()
    asked = stealth.inside(times, [(begin + SETTLED_NS, end) for begin, end in planted.windows])
    asked &= (having["valid"] & lacking["valid"] & 32) > 0
    return {name: auc(having[name][asked], lacking[name][asked]) for name in ("score", *SIGNALS)}


def auc(above: np.ndarray, below: np.ndarray) -> float:
    """P(a > b) + P(a = b)/2 over all pairs."""
    ordered = np.sort(below)
    lower, upper = np.searchsorted(ordered, above, "left"), np.searchsorted(ordered, above, "right")
    return float((lower + upper).sum() / (2 * len(above) * len(below))) if len(above) else float("nan")


def flow_against_ofi(report: Callable[[str], None]) -> dict[str, Any]:
    name = {"id": "K9", "name": f"R² at {OFI_SECONDS} s, raw flow / one-level OFI", "unit": "", "op": ">=", "bar": 1.2}
    days = [each for each in pieces("LOBSTER") if each.levels >= OFI_LEVELS]
    ratios: list[tuple[bool, float]] = []
    for piece in days:
        messages, book = features_input.lobster_tables(piece)
        recording = features_input.load(piece)
        begin, end = (int(recording.events["ts"][place]) for place in (0, -1))
        grid = np.arange(-(-begin // 10**9) * 10**9, end, 10**9)
        found = features_sweep.outputs(recording.events, recording.levels, features_sweep.Combination(0, 2, 4.0, 300.0), grid)
        flow = features_sweep.recent_flow(found, grid, 0, OFI_SECONDS)
        midnight = begin - int(messages[0, 0])
        place = np.searchsorted(messages[:, 0] + midnight, grid, side="right") - 1
        ofi = np.append(0, np.cumsum(order_flow_imbalance(book)))[place]
        mid = (book[place, 0] + book[place, 2]) / 2
        apart = slice(OFI_SECONDS, None, OFI_SECONDS)  # intervals that do not overlap
        moves = (mid[OFI_SECONDS:] - mid[:-OFI_SECONDS])[::OFI_SECONDS]
        ours = squared(flow[apart], moves)
        theirs = squared((ofi[OFI_SECONDS:] - ofi[:-OFI_SECONDS])[::OFI_SECONDS], moves)
        ratios.append((piece.symbols[0] == OFI_SYMBOL and piece.levels == OFI_LEVELS, ours / theirs))
        day = datetime.fromtimestamp(begin // 10**9, UTC).date()
        report(f"{piece.symbols[0]} {day}, {piece.levels} levels, {len(moves)} intervals: raw flow {ours:.3f}, one level {theirs:.3f}")
    if not ratios:
        report(f"no LOBSTER day of {OFI_LEVELS} levels among the recordings: ../shared/data or SCIZOR_RECORDINGS")
    judged = [ratio for is_the_figure_s, ratio in ratios if is_the_figure_s] or [ratio for _, ratio in ratios]
    return {**name, "value": min(judged, default=None), "n": len(judged), "rival": "Cont-Kukanov-Stoikov, one level"}


def order_flow_imbalance(book: np.ndarray) -> np.ndarray:
    """e_n between the rows of a book file (ask price, ask size, bid price, bid size first), shape (n-1,)."""
    ask, ask_size, bid, bid_size = (book[:, each] for each in range(4))
    return (
        (bid[1:] >= bid[:-1]) * bid_size[1:] - (bid[1:] <= bid[:-1]) * bid_size[:-1]
        - (ask[1:] <= ask[:-1]) * ask_size[1:] + (ask[1:] >= ask[:-1]) * ask_size[:-1]
    )  # fmt: skip


def squared(x: np.ndarray, y: np.ndarray) -> float:
    both = np.isfinite(x) & np.isfinite(y)
    return float(np.corrcoef(x[both], y[both])[0, 1] ** 2)


if __name__ == "__main__":
    for each in figures(print):
        print(each)
