"""bin/features sweep: what the formulas may be varied in, over a recording: each combination, and how well it would have told.

A combination is a row of the kernel's parameter table and a stream of its own: nothing is compiled anew. Two questions are asked of
each, on a grid of seconds: how much of the move of the mid price in ten seconds its raw flow explains while it happens (R squared, the
question of Cont, Kukanov and Stoikov), and how its score ranks the move of the minutes that follow (rank correlation). Many
combinations are tried on one recording, so the best of them is the luckiest too: a winner must win on days that it has not seen.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING

from scizor.base.errors import UsageError
from scizor.base.exit import Exit
from scizor.base.progress import progress
from scizor.jobs import features, listing
from scizor.run.context import Context, Result

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

COLUMNS = (
    "symbol", "half_life", "trade_half_life", "halving_rows", "refill_ms", "r2_flow_10s", "rank_60s", "rank_300s", "scored", "seconds",
)  # fmt: skip
SECOND_NS = 1_000_000_000
HALF_LIFE_SECONDS = 2**35 / 1e9  # 2^11 quanta of 2^24 ns
SHIFT_MAX = 9
COMBINATIONS_MAX = 4096
CHUNK = 1 << 16  # events: their outputs take 9 MB a worker
EXPLAINED_SECONDS = 10
GPU_EVENTS_MAX = 1 << 24  # at once: their outputs take 2 GB
AHEAD_SECONDS = (60, 300)
SAMPLES_MIN = 30


@dataclass(frozen=True, slots=True)
class Combination:
    """shift: of flow's half-life, 34.36 s times 2^shift; trade_shift: of the others'."""

    shift: int
    trade_shift: int
    halving_rows: float
    refill_ms: float


def run(context: Context) -> Result:
    args = context.args
    first, last = features.window(args.first, args.last)
    wanted = combinations(args.half_lives, args.trade_half_lives, args.halving_rows, args.refill_ms)
    chosen = features.pieces_of(context, args.symbol, first, last)
    engine = features.device_of(context)
    rows: list[listing.Row] = []
    with progress("sweep", len(wanted) * len(chosen)) as advance:
        for symbol, pieces in chosen.items():
            days = [(recording.levels, events) for recording, events in features.loaded(pieces, symbol, first, last) if len(events)]
            for combination, told in _all(context, days, wanted, first, engine):
                rows.append(_row(symbol, combination, told))
                advance(text=symbol)
            if context.stop.is_asked:
                break
    if not rows:
        return Result("no event of it lies in that time", Exit.FINDING, hint="bin/features --list shows what there is")
    rows.sort(key=lambda row: (str(row["symbol"]), -float(str(row["r2_flow_10s"] or -1))))
    print(listing.render(rows, COLUMNS, args.form))
    return Result(f"{len(wanted)} combinations, {len(chosen)} symbols")


def combinations(half_lives: str, trade_half_lives: str, halving_rows: str, refill_ms: str) -> list[Combination]:
    """Every combination of what the options list. UsageError where a number cannot be meant."""
    shifts = sorted({_shift(each) for each in _numbers("--half-lives", half_lives)}) or [0]
    trade_shifts = sorted({_shift(each) for each in _numbers("--trade-half-lives", trade_half_lives)}) or [2]
    rows = _numbers("--halving-rows", halving_rows)
    refills = _numbers("--refill-ms", refill_ms)
    found = [Combination(*each) for each in itertools.product(shifts, trade_shifts, rows, refills)]
    if len(found) > COMBINATIONS_MAX:
        raise UsageError(f"{len(found):,} combinations, at most {COMBINATIONS_MAX:,}")
    return found


def outputs(events: NDArray[np.void], levels: int, combination: Combination, grid: NDArray[np.int64]) -> NDArray[np.void]:
    """OUTPUT as of the last event at or before each instant of the grid, which lies within the events. Holds no GIL."""
    import numpy as np

    from scizor.features import OUTPUT, apply_evaluate, make_state

    state = make_state(1, table=table_of(levels, [combination]))
    place = np.searchsorted(events["ts"], grid, side="right") - 1
    found, buffer = np.zeros(len(grid), OUTPUT), np.zeros(CHUNK, OUTPUT)
    for begin in range(0, len(events), CHUNK):
        part = events[begin : begin + CHUNK]
        apply_evaluate(state, part, buffer)
        mine = (place >= begin) & (place < begin + len(part))
        found[mine] = buffer[place[mine] - begin]
    return found


def outputs_on_gpu(
    events: NDArray[np.void], levels: int, combinations: Sequence[Combination], grid: NDArray[np.int64]
) -> Iterator[NDArray[np.void]]:
    """The same of each combination: a stream each, as many at once as the outputs of all their events leave room for."""
    import numpy as np

    from scizor.features import OUTPUT, cuda, make_state

    place = np.searchsorted(events["ts"], grid, side="right") - 1
    at_once = max(1, GPU_EVENTS_MAX // len(events))
    for begin in range(0, len(combinations), at_once):
        part = combinations[begin : begin + at_once]
        state = make_state(len(part), table=table_of(levels, part))
        state.records["parameter"] = np.arange(len(part))
        streams = cuda.Streams(state, np.tile(events, len(part)), np.arange(len(part) + 1) * len(events))
        out = cuda.numba_cuda().to_device(np.zeros(len(part) * len(events), OUTPUT))
        streams.apply_evaluate(out)
        shown = out.copy_to_host()
        for each in range(len(part)):
            yield shown[each * len(events) + place]


def table_of(levels: int, combinations: Sequence[Combination]) -> NDArray[np.void]:
    """PARAMETERS, a row for each combination."""
    import numpy as np

    from scizor.features import parameters, rank_weights

    return np.concatenate([
        parameters(
            levels, flow_shift=each.shift, trade_shift=each.trade_shift, weights=rank_weights(levels, each.halving_rows)[:levels],
            refill_seconds=each.refill_ms / 1000,
        ) for each in combinations
    ])  # fmt: skip


def told_by(found: NDArray[np.void], grid: NDArray[np.int64], shift: int) -> dict[str, float]:
    """What a stream on a grid of seconds explained, and foretold. NaN where there is too little to say."""
    import numpy as np

    has_book = (found["bid"] > -(2**31)) & (found["ask"] > -(2**31))
    mid = np.where(has_book, (found["bid"].astype(float) + found["ask"].astype(float)) / 2, np.nan)
    flow = recent_flow(found, grid, shift, EXPLAINED_SECONDS)
    told = {"r2_flow_10s": _squared_correlation(flow, np.append(np.full(EXPLAINED_SECONDS, np.nan), mid[EXPLAINED_SECONDS:] - mid[:-EXPLAINED_SECONDS]))}
    scored = (found["valid"] & features.SCORED) > 0
    score = np.where(scored, found["score"], np.nan)
    for ahead in AHEAD_SECONDS:
        moves = np.append(mid[ahead:] - mid[:-ahead], np.full(min(ahead, len(mid)), np.nan)) if len(mid) > ahead else np.full(len(mid), np.nan)
        told[f"rank_{ahead}s"] = _rank_correlation(score, moves)
    told["scored"] = float(scored.mean())
    told["seconds"] = float(len(grid))
    return told


def recent_flow(found: NDArray[np.void], grid: NDArray[np.int64], shift: int, seconds: int) -> Numbers:
    """Raw flow of the last `seconds` at each instant: what is there less what is left of what was there then. NaN at first."""
    import numpy as np

    half_life = 2.0 ** (11 + shift)
    faded = found["raw_flow"] * 2.0 ** (((found["ts"] >> 24) - (grid >> 24)) / half_life)
    quanta = (grid >> 24).astype(float)
    flow = np.full(len(grid), np.nan)
    flow[seconds:] = faded[seconds:] - faded[:-seconds] * 2.0 ** ((quanta[:-seconds] - quanta[seconds:]) / half_life)
    return flow


def _all(
    context: Context, days: Sequence[tuple[int, NDArray[np.void]]], wanted: Sequence[Combination], first: int, engine: ModuleType
) -> Iterator[tuple[Combination, dict[str, float]]]:
    """Each combination with what it told, averaged over the days by their seconds. As many at once as there are cores, or on
    the GPU day by day."""
    whole = [(min(levels, context.args.levels or levels), events, _seconds(events, first)) for levels, events in days]
    whole = [each for each in whole if len(each[2]) > max(EXPLAINED_SECONDS, SAMPLES_MIN)]

    def one(combination: Combination) -> dict[str, float]:
        return _mean([told_by(outputs(events, levels, combination, grid), grid, combination.shift) for levels, events, grid in whole])

    if engine.__name__.endswith("cuda"):
        told: list[list[dict[str, float]]] = [[] for _ in wanted]
        for levels, events, grid in whole:
            for place, found in enumerate(outputs_on_gpu(events, levels, wanted, grid)):
                told[place].append(told_by(found, grid, wanted[place].shift))
        yield from zip(wanted, map(_mean, told), strict=True)
        return
    with ThreadPoolExecutor(max_workers=len(os.sched_getaffinity(0))) as pool:
        waiting = [pool.submit(one, each) for each in wanted]
        for combination, each in zip(wanted, waiting, strict=True):
            if context.stop.is_asked:
                pool.shutdown(cancel_futures=True)
                return
            yield combination, each.result()


def _seconds(events: NDArray[np.void], first: int) -> NDArray[np.int64]:
    """Whole seconds from the first event, or `first`, to the last event."""
    import numpy as np

    begin = max(int(events["ts"][0]), first)
    return np.arange(-(-begin // SECOND_NS) * SECOND_NS, int(events["ts"][-1]) + 1, SECOND_NS, dtype=np.int64)


def _mean(told: Sequence[dict[str, float]]) -> dict[str, float]:
    import numpy as np

    found: dict[str, float] = {"seconds": sum((each["seconds"] for each in told), 0.0)}
    for name in [each for each in (told[0] if told else ()) if each != "seconds"]:
        pairs = [(each[name], each["seconds"]) for each in told if not np.isnan(each[name])]
        found[name] = sum(value * weight for value, weight in pairs) / sum(weight for _, weight in pairs) if pairs else float("nan")
    return found


def _squared_correlation(x: Numbers, y: Numbers) -> float:
    import numpy as np

    both = np.isfinite(x) & np.isfinite(y)
    if both.sum() < SAMPLES_MIN or x[both].std() == 0 or y[both].std() == 0:
        return float("nan")
    return float(np.corrcoef(x[both], y[both])[0, 1] ** 2)


def _rank_correlation(x: Numbers, y: Numbers) -> float:
    """Spearman's: the correlation of the mean ranks."""
    import numpy as np

    both = np.isfinite(x) & np.isfinite(y)
    if both.sum() < SAMPLES_MIN:
        return float("nan")
    ranks = []
    for values in (x[both], y[both]):
        _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
        if len(counts) < 2:
            return float("nan")
        ranks.append((np.cumsum(counts) - counts / 2)[inverse])
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def _row(symbol: str, each: Combination, told: dict[str, float]) -> listing.Row:
    numbers = {name: None if value != value else round(value, 4) for name, value in told.items() if name != "seconds"}
    return {
        "symbol": symbol, "half_life": round(HALF_LIFE_SECONDS * 2**each.shift, 1), "trade_half_life": round(HALF_LIFE_SECONDS * 2**each.trade_shift, 1),
        "halving_rows": each.halving_rows, "refill_ms": each.refill_ms, **dict.fromkeys(COLUMNS[5:9]), **numbers, "seconds": int(told["seconds"]),
    }  # fmt: skip


def _shift(seconds: float) -> int:
    """The shift of the nearest half-life that there is."""
    return min(range(SHIFT_MAX + 1), key=lambda shift: abs(HALF_LIFE_SECONDS * 2**shift - seconds))


def _numbers(option: str, text: str) -> list[float]:
    try:
        found = [float(each) for each in text.split(",") if each]
    except ValueError:
        raise UsageError(f"{option} {text} is no list of numbers", hint=f"{option} 1,2,4") from None
    if any(not 0 < each < 1e9 for each in found):
        raise UsageError(f"{option} {text}: numbers above zero")
    return found
