"""The five signals and their score, read from one record: scalar functions, undecorated. cpu and cuda compile them.

Only + - x / and square roots, in an order that stands here and nowhere else, so that every machine with IEEE arithmetic gives
the same bits. product() is a multiplication whose result is added to something: on a GPU it is one that the compiler may
not contract into a fused multiply-add. The package's docstring says what each number means.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from scizor.features.parameter_table import QUANTUM_LOG2, REBASE_LOG2
from scizor.features.state import BOTH_FRESH, FRESH, SCORED, STARTED
from scizor.features.tables import FRACTION, INVERSE_POWER, POWER, STEPS, STEPS_LOG2
from scizor.market.book.layout import HALTED, WAITING
from scizor.market.book.rows import U
from scizor.market.events import ASK, BID, OFF_GRID

INLINED = ("product", "growth", "fading", "shrinkage", "side_share", "kappa", "imbalance", "signals", "score")
#: `imbalance` where one side is empty or the book is locked or crossed: no value that I can have.
UNDEFINED = 2.0
#: 1 / how many signals are valid.
SHARES = np.array([0.0, 1.0, 1 / 2, 1 / 3, 1 / 4, 1 / 5])


def product(a: float, b: float) -> float:
    return a * b


def growth(x: int, shift: int) -> float:
    """2^(x / 2^(11 + shift)) for 0 <= x < 2^20: what an increment at that quantum is multiplied by."""
    step = x >> shift
    return float(FRACTION[U(step & (STEPS - 1))] * POWER[U(step >> STEPS_LOG2)])


def fading(x: int, shift: int) -> float:
    """1 / growth(x, shift) to an ulp, without a division: 2^-k * 2^(1 - f) / 2."""
    step = x >> shift
    part = step & (STEPS - 1)
    power = step >> STEPS_LOG2
    if part == 0:
        return float(INVERSE_POWER[U(power)])
    return float(FRACTION[U(STEPS - part)] * INVERSE_POWER[U(power + 1)])


def shrinkage(moves: int, shift: int) -> float:
    """What the sums of a group are multiplied by when the landmark moves `moves` times: an exact power of two.

    Beyond 2^-1023 it is 0: what was added so long ago is less than a float can tell.
    """
    exponent = moves << (REBASE_LOG2 - STEPS_LOG2) >> shift
    return float(INVERSE_POWER[U(exponent)]) if exponent < 1024 else 0.0


def side_share(book: Any, side: int, rows: int, levels: int, spread: int) -> float:
    """sum of Q / (s + t) over the rows that signals see, from the best: B or A of S2 but for the factor s, which cancels.

    s = 2*spread and t = |2*distance + spread| in half-ticks. The rows are added as fractions, two by two, so that a side
    costs one division: with 16 factors below 2^35 the divisor stays below 2^560.
    """
    count = min(rows, levels)
    twice = 2 * (2 * side - 1)
    best = int(book["price"][side, U(rows - 1)])
    above = 0.0
    below = 1.0
    row = 0
    while row + 1 < count:
        index = U(rows - 1 - row)
        next_index = U(rows - 2 - row)
        divisor = float(2 * spread + abs(twice * (best - int(book["price"][side, index])) + spread))
        next_divisor = float(2 * spread + abs(twice * (best - int(book["price"][side, next_index])) + spread))
        both = divisor * next_divisor
        pair = product(float(book["size"][side, index]), next_divisor) + product(float(book["size"][side, next_index]), divisor)
        above = product(above, both) + product(pair, below)
        below = below * both
        row += 2
    if row < count:
        index = U(rows - 1 - row)
        divisor = float(2 * spread + abs(twice * (best - int(book["price"][side, index])) + spread))
        above = product(above, divisor) + product(float(book["size"][side, index]), below)
        below = below * divisor
    return above / below


def imbalance(rec: Any, levels: int) -> float:
    """I of S2 in [-1, 1], or UNDEFINED. A side's share is kept until its rows, or either best price, change."""
    bids = int(rec["rows"][BID])
    asks = int(rec["rows"][ASK])
    if bids == 0 or asks == 0:
        return UNDEFINED
    spread = int(rec["price"][ASK, U(asks - 1)]) - int(rec["price"][BID, U(bids - 1)])
    if spread <= 0:
        return UNDEFINED
    known = int(rec["known"])
    if not known & FRESH[BID]:
        rec["share"][BID] = side_share(rec, BID, bids, levels, spread)
    if not known & FRESH[ASK]:
        rec["share"][ASK] = side_share(rec, ASK, asks, levels, spread)
    rec["known"] = known | BOTH_FRESH
    bid = rec["share"][BID]
    ask = rec["share"][ASK]
    return float((bid - ask) / (bid + ask)) if bid + ask > 0.0 else UNDEFINED


def ratio(above: float, below: float) -> float:
    return above / below if below > 0.0 else 0.0


def signals(
    rec: Any, p: Any, now_imbalance: float, flow_now: float, trade_now: float, flow_older: float, trade_older: float
) -> tuple[float, float, float, float, float, float, int]:
    """S1 to S5, S2's time, and the validity bits.

    flow_now, trade_now: g1 and g2 at the instant. flow_older, trade_older: what the sums must be multiplied by to be
    compared with these (1, or a power of two where the instant lies beyond the landmark's reach).
    """
    s1 = ratio(rec["flow"], rec["flow_size"])
    depth_time = rec["depth_time"] * trade_older
    depth_sum = rec["depth_sum"] * trade_older
    valid = 0
    if not int(rec["flags"]) & (HALTED | WAITING):
        if rec["flow_count"] * flow_older >= p["flow_min"] * flow_now:
            valid = 1
        if depth_time > 0.0:
            valid |= 2
        if rec["trade_count"] * trade_older >= p["trades_min"] * trade_now:
            valid |= 28
    if now_imbalance != UNDEFINED:
        passed = trade_now - product(rec["depth_last"], trade_older)
        depth_sum += product(now_imbalance, passed)
        depth_time += passed
    s2 = ratio(depth_sum, depth_time)
    s3 = ratio(rec["signed"], rec["traded"])
    s4 = min(1.0, max(-1.0, ratio(rec["absorbed"][BID] - rec["absorbed"][ASK], rec["classified"])))
    s5 = ratio(rec["sliced"], rec["traded"])
    return s1, s2, s3, s4, s5, depth_time, valid


def kappa(rec: Any) -> float:
    """Slow illiquidity / (fast + slow). The growths cancel: each product holds one sum of either group."""
    slow = product(rec["moved_slow"], rec["traded"])
    total = product(rec["moved"], rec["traded_slow"]) + slow
    return float(slow / total) if total > 0.0 else 0.5


def score(rec: Any, p: Any, damping: float, s1: float, s2: float, s3: float, s4: float, s5: float, valid: int) -> float:
    """SAS in (-100, 100), or 0 where too few signals are valid."""
    count = count_valid(valid)
    if count < int(p["signals_min"]):
        return 0.0
    total = 0.0
    if valid & 1:
        total += product(s1, rec["scale"][0])
    if valid & 2:
        total += product(s2, rec["scale"][1])
    if valid & 4:
        total += product(s3, rec["scale"][2])
        total += product(s4, rec["scale"][3])
        total += product(s5, rec["scale"][4])
    mean = total * SHARES[U(count)]
    return float(100.0 * damping * (mean / math.sqrt(1.0 + product(mean, mean))))


def count_valid(valid: int) -> int:
    return (valid & 1) + (valid >> 1 & 1) + 3 * (valid >> 2 & 1)


def evaluate(rec: Any, p: Any, now: int, out: Any) -> None:
    """All numbers of one symbol at `now` (ns UTC; its last event's time if that is later). Changes no accumulator."""
    ts = max(now, int(rec["ts"]))
    out["ts"] = ts
    out["flags"] = rec["flags"]
    bids = int(rec["rows"][BID])
    asks = int(rec["rows"][ASK])
    out["bid"] = rec["price"][BID, U(bids - 1)] if bids > 0 else OFF_GRID
    out["ask"] = rec["price"][ASK, U(asks - 1)] if asks > 0 else OFF_GRID
    x = (ts >> QUANTUM_LOG2) - int(rec["landmark"]) if int(rec["known"]) & STARTED else 0
    moves = x >> REBASE_LOG2
    x -= moves << REBASE_LOG2
    flow_now = growth(x, int(p["flow_shift"]))
    trade_now = growth(x, int(p["trade_shift"]))
    flow_older = shrinkage(moves, int(p["flow_shift"]))
    trade_older = shrinkage(moves, int(p["trade_shift"]))
    now_imbalance = imbalance(rec, int(p["levels"]))
    s1, s2, s3, s4, s5, depth_time, valid = signals(rec, p, now_imbalance, flow_now, trade_now, flow_older, trade_older)
    damping = kappa(rec)
    out["s1"] = s1
    out["s2"] = s2
    out["s3"] = s3
    out["s4"] = s4
    out["s5"] = s5
    out["kappa"] = damping
    out["score"] = score(rec, p, damping, s1, s2, s3, s4, s5, valid)
    fade = fading(x, int(p["flow_shift"])) * flow_older
    out["raw_flow"] = rec["flow"] * fade
    out["n_flow"] = rec["flow_count"] * fade
    fade = fading(x, int(p["trade_shift"]))
    out["n_depth"] = depth_time * fade
    out["n_trades"] = rec["trade_count"] * (fade * trade_older)
    out["valid"] = valid | (SCORED if count_valid(valid) >= int(p["signals_min"]) else 0)
