"""One event into one record: guards, clock, accumulators, rows. Undecorated; cpu and cuda compile it.

An event is refused before anything is changed. What is added is multiplied by its growth at that moment and never touched
again, so the order of a symbol's own events alone decides about every bit: not how they were cut into batches, not what
other symbols did between them, not who looked.
"""

from __future__ import annotations

import math
from typing import Any

from scizor.features.formulas import UNDEFINED, growth, imbalance, product, shrinkage, signals
from scizor.features.parameter_table import QUANTUM_LOG2, REBASE_LOG2
from scizor.features.state import BINS, BOTH_FRESH, FRESH, HAS_MID, HAS_PRICE, RING, STARTED
from scizor.market.book.changes import count, look, refusal, refuse
from scizor.market.book.layout import ABSENT, HALTED, IS_CROSSED, LOST, RESUBSCRIBE, ROW, WAITING
from scizor.market.book.rows import U, best, clear, has_both_sides, locate, put, put_full, take
from scizor.market.events import (
    ASK,
    BID,
    DELETE,
    HALT,
    INSERT,
    LEVEL,
    ODD_LOT,
    OFF_GRID,
    RESET,
    RESUME,
    TRADE,
    UPDATE,
)

INLINED = ("step", "change_book", "account", "remember", "integrate")
SECOND_NS = 1_000_000_000


def step(rec: Any, p: Any, event: Any) -> int:
    """Applies one event; 1 if it was refused."""
    ts = int(event["ts"])
    op = int(event["op"])
    side = int(event["side"])
    price = int(event["price"])
    size = int(event["size"])
    # one branch that is hardly ever taken, where a guard each would be five
    if (op > TRADE) | (ts < int(rec["ts"])) | (side > 2 - (op != TRADE)) | (size < (op == TRADE)) | (price == OFF_GRID):
        return step_rarely(rec, p, event)
    x = (ts >> QUANTUM_LOG2) - int(rec["landmark"])
    if (x >> REBASE_LOG2 != 0) | (ts >= int(rec["second_ends"])):
        x = pass_time(rec, p, ts)
    rec["ts"] = ts
    if op == TRADE:
        trade(rec, p, side, price, size, int(event["flags"]), x, ts)
        return 0
    return change_book(rec, p, op, side, int(event["row"]), price, size, x, ts)


def step_rarely(rec: Any, p: Any, event: Any) -> int:
    """What is neither a change of a row nor a print, or seems to be one that may not be made."""
    why = refusal(rec, event)
    if why >= 0:
        return refuse(rec, why)
    ts = int(event["ts"])
    op = int(event["op"])
    x = pass_time(rec, p, ts)
    rec["ts"] = ts
    if op == DELETE:  # its price is not read
        side, row = int(event["side"]), int(event["row"])
        return change_book(rec, p, op, side, row, int(event["price"]), int(event["size"]), x, ts)
    if op in (RESET, HALT):
        integrate(rec, p, growth(x, int(p["trade_shift"])))
        clear(rec)
        rec["known"] = int(rec["known"]) & ~BOTH_FRESH
        rec["flags"] = (int(rec["flags"]) | WAITING | (HALTED if op == HALT else 0)) & ~(IS_CROSSED | RESUBSCRIBE)
    elif op == RESUME:
        rec["flags"] = int(rec["flags"]) & ~HALTED
    return 0


def pass_time(rec: Any, p: Any, ts: int) -> int:
    """Brings the clock to ts, before its event is applied: the landmark, and the second moments on the grid of seconds.

    Returns the quanta since the landmark. The first event of a symbol sets both and observes nothing.
    """
    quantum = ts >> QUANTUM_LOG2
    if not int(rec["known"]) & STARTED:
        rec["known"] = int(rec["known"]) | STARTED
        rec["landmark"] = quantum
        rec["second_ends"] = (ts // SECOND_NS + 1) * SECOND_NS
        for i in range(5):
            rec["scale"][i] = math.sqrt(p["scale_max"])
        return 0
    moves = (quantum - int(rec["landmark"])) >> REBASE_LOG2
    if moves > 0:
        rebase(rec, p, moves)
    x = quantum - int(rec["landmark"])
    if ts >= int(rec["second_ends"]):
        rec["second_ends"] = (ts // SECOND_NS + 1) * SECOND_NS
        observe(rec, p, x)
    return x


def rebase(rec: Any, p: Any, moves: int) -> None:
    """Moves the landmark by whole steps: each group is multiplied by an exact power of two."""
    rec["landmark"] = int(rec["landmark"]) + (moves << REBASE_LOG2)
    older = shrinkage(moves, int(p["flow_shift"]))
    rec["flow"] *= older
    rec["flow_size"] *= older
    rec["flow_count"] *= older
    older = shrinkage(moves, int(p["trade_shift"]))
    rec["depth_sum"] *= older
    rec["depth_time"] *= older
    rec["depth_last"] *= older
    rec["signed"] *= older
    rec["traded"] *= older
    rec["trade_count"] *= older
    rec["absorbed"][0] *= older
    rec["absorbed"][1] *= older
    rec["classified"] *= older
    rec["sliced"] *= older
    rec["moved"] *= older
    older = shrinkage(moves, int(p["slow_shift"]))
    rec["moved_slow"] *= older
    rec["traded_slow"] *= older
    rec["sizes_sum"] *= older
    for i in range(BINS):
        rec["sizes"][i] *= older
    older = shrinkage(moves, int(p["moment_shift"]))
    for i in range(5):
        rec["moment"][i] *= older
    for i in range(3):
        rec["moment_weight"][i] *= older


def observe(rec: Any, p: Any, x: int) -> None:
    """The signals as they stand, into their second moments: once for each second in which a symbol has an event."""
    now_imbalance = imbalance(rec, int(p["levels"]))
    flow_now = growth(x, int(p["flow_shift"]))
    trade_now = growth(x, int(p["trade_shift"]))
    s1, s2, s3, s4, s5, _, valid = signals(rec, p, now_imbalance, flow_now, trade_now, 1.0, 1.0)
    weight = growth(x, int(p["moment_shift"]))
    if valid & 1:
        rec["moment_weight"][0] += weight
        moment(rec, p, 0, 0, s1, weight)
    if valid & 2:
        rec["moment_weight"][1] += weight
        moment(rec, p, 1, 1, s2, weight)
    if valid & 4:
        rec["moment_weight"][2] += weight
        moment(rec, p, 2, 2, s3, weight)
        moment(rec, p, 3, 2, s4, weight)
        moment(rec, p, 4, 2, s5, weight)


def moment(rec: Any, p: Any, which: int, group: int, signal: float, weight: float) -> None:
    """`scale` is 1 / sqrt(max(M, floor)), so that an evaluation multiplies."""
    total = rec["moment"][which] + product(signal * signal, weight)
    rec["moment"][which] = total
    inverse = rec["moment_weight"][group] / total if total > 0.0 else p["scale_max"]
    rec["scale"][which] = math.sqrt(min(inverse, p["scale_max"]))


def integrate(rec: Any, p: Any, trade_now: float) -> None:
    """S2 up to now, before a change of the rows: the imbalance that stood, times the clock that it stood."""
    if trade_now > rec["depth_last"]:
        now_imbalance = imbalance(rec, int(p["levels"]))
        if now_imbalance != UNDEFINED:
            passed = trade_now - rec["depth_last"]
            rec["depth_sum"] += product(now_imbalance, passed)
            rec["depth_time"] += passed
        rec["depth_last"] = trade_now


def change_book(rec: Any, p: Any, op: int, side: int, row: int, price: int, size: int, x: int, ts: int) -> int:
    """INSERT, UPDATE, DELETE by row, LEVEL by price: accumulators first, then the rows. 1 if the row is out of range."""
    levels = int(p["levels"])
    rows = int(rec["rows"][side])
    room = levels
    if op == LEVEL:
        room = rec["price"].shape[1]
        found = locate(rec, side, price)
        index = found >> 1
        if found & 1:
            row = rows - 1 - index
            op = UPDATE if size > 0 else DELETE
        elif size == 0:
            count(rec, ABSENT)
            return 0
        else:
            row = rows - index
            op = INSERT
    elif op == INSERT:
        if row > rows or row >= levels:
            return refuse(rec, ROW)
        index = rows - row
    else:
        if row >= rows:
            return refuse(rec, ROW)
        index = rows - 1 - row
    if row < levels:
        account(rec, p, op, side, row, index, price, size, x, ts)
    if op == UPDATE:
        rec["price"][side, U(index)] = price
        rec["size"][side, U(index)] = size
    elif op == DELETE:
        take(rec, side, index)
    elif rows < room:
        put(rec, side, index, price, size)
    else:
        if room != levels:
            count(rec, LOST)
        if index == 0:
            return 0
        put_full(rec, side, index, price, size)
    if row == 0:
        look(rec)
    return 0


def account(rec: Any, p: Any, op: int, side: int, row: int, index: int, price: int, size: int, x: int, ts: int) -> None:
    """S1, S2's clock and S4's refill, for a change in a row that signals see. The rows are as they were."""
    trade_now = growth(x, int(p["trade_shift"]))
    integrate(rec, p, trade_now)
    change = size
    moved = size
    is_price_kept = False
    if op != INSERT:
        old = int(rec["size"][side, U(index)])
        if op == DELETE:
            change = -old
            moved = old
        else:
            change = size - old
            is_price_kept = price == int(rec["price"][side, U(index)])
            moved = abs(change) if is_price_kept else size + old
    stale = FRESH[side] if is_price_kept or row > 0 else BOTH_FRESH  # another best price is another spread, for both sides
    rec["known"] = int(rec["known"]) & ~stale
    flow_now = growth(x, int(p["flow_shift"]))
    weight = p["weights"][U(row)] * flow_now
    rec["flow"] += product(weight, float(change if side == BID else -change))
    rec["flow_size"] += product(weight, float(moved))
    rec["flow_count"] += flow_now
    if row == 0 and int(rec["rows"][side]) > 0:
        remember(rec, p, side, ts)
    if change > 0 and price == int(rec["slot_price"][side]):
        refill(rec, p, side, change, trade_now, ts)


def remember(rec: Any, p: Any, side: int, ts: int) -> None:
    """S4: the best row is about to change. The largest size that it showed within the window is what prints may take."""
    index = U(int(rec["rows"][side]) - 1)
    price = int(rec["price"][side, index])
    size = int(rec["size"][side, index])
    is_other = price != int(rec["seen_price"][side]) or ts - int(rec["seen_ts"][side]) > int(p["refill_ns"])
    if is_other or size >= int(rec["seen_size"][side]):
        rec["seen_price"][side] = price
        rec["seen_size"][side] = size
        rec["seen_ts"][side] = ts


def refill(rec: Any, p: Any, side: int, change: int, trade_now: float, ts: int) -> None:
    """S4 (iii): size came back where prints had taken it, within the window of the last of them."""
    pending = int(rec["slot_pending"][side])
    if pending > 0 and ts - int(rec["slot_ts"][side]) <= int(p["refill_ns"]):
        filled = min(change, pending)
        rec["absorbed"][side] += product(float(filled), trade_now)
        rec["slot_pending"][side] = pending - filled


def sign_of(rec: Any, side: int, price: int, is_quoted: bool) -> int:
    """The aggressor of a print: as told, else by the quotes, at mid and without quotes by the last price, then the last sign."""
    if side == BID:
        return 1
    if side == ASK:
        return -1
    if is_quoted:
        twice = 2 * price - best(rec, BID) - best(rec, ASK)
        if twice != 0:
            return 1 if twice > 0 else -1
    if int(rec["known"]) & HAS_PRICE and price != int(rec["last_price"]):
        return 1 if price > int(rec["last_price"]) else -1
    return int(rec["last_sign"])


def trade(rec: Any, p: Any, side: int, price: int, size: int, flags: int, x: int, ts: int) -> None:
    """One print: S3, S4, S5 and the impact. The rows stay as they are."""
    trade_now = growth(x, int(p["trade_shift"]))
    slow_now = growth(x, int(p["slow_shift"]))
    volume = float(size) * trade_now
    is_quoted = has_both_sides(rec) and best(rec, BID) < best(rec, ASK)
    sign = sign_of(rec, side, price, is_quoted)
    signed = sign * volume
    rec["trade_count"] += trade_now
    rec["traded"] += product(float(size), trade_now)
    rec["signed"] += product(float(sign * size), trade_now)
    rec["traded_slow"] += product(float(size), slow_now)
    if is_quoted:
        mid = best(rec, BID) + best(rec, ASK)
        if int(rec["known"]) & HAS_MID:
            moved = float(abs(mid - int(rec["last_mid"])))
            rec["moved"] += product(moved, trade_now)
            rec["moved_slow"] += product(moved, slow_now)
        rec["last_mid"] = mid
        rec["known"] = int(rec["known"]) | HAS_MID
    if not flags & ODD_LOT:
        absorb(rec, p, sign, price, size, is_quoted, trade_now, ts)
    slice_(rec, p, sign, size, signed, slow_now, ts)
    rec["last_price"] = price
    rec["known"] = int(rec["known"]) | HAS_PRICE
    if sign != 0:
        rec["last_sign"] = sign


def absorb(rec: Any, p: Any, sign: int, price: int, size: int, is_quoted: bool, trade_now: float, ts: int) -> None:
    """S4 (i) and (ii), and the slot that a refill looks for."""
    window = int(p["refill_ns"])
    passive = ASK if sign > 0 else BID
    is_at_touch = False
    shown = 0
    if sign != 0:
        rec["classified"] += product(float(size), trade_now)
        rows = int(rec["rows"][passive])
        if rows > 0 and best(rec, passive) == price:
            is_at_touch = True
            shown = int(rec["size"][passive, U(rows - 1)])
        seen_ts = int(rec["seen_ts"][passive])
        if price == int(rec["seen_price"][passive]) and seen_ts > 0 and ts - seen_ts <= window:
            is_at_touch = True
            shown = max(shown, int(rec["seen_size"][passive]))
    if not is_at_touch and is_quoted and best(rec, BID) < price < best(rec, ASK):
        twice = 2 * price - best(rec, BID) - best(rec, ASK)
        if twice != 0:
            rec["absorbed"][BID if twice < 0 else ASK] += product(float(size), trade_now)
        else:
            half = product(0.5 * float(size), trade_now)
            rec["absorbed"][BID] += half
            rec["absorbed"][ASK] += half
    elif sign != 0:
        covered = min(size, shown) if is_at_touch else size
        rec["absorbed"][passive] += product(float(size - covered), trade_now)
        is_same = price == int(rec["slot_price"][passive]) and ts - int(rec["slot_ts"][passive]) <= window
        rec["slot_pending"][passive] = covered + (int(rec["slot_pending"][passive]) if is_same else 0)
        rec["slot_price"][passive] = price
        rec["slot_ts"][passive] = ts


def slice_(rec: Any, p: Any, sign: int, size: int, signed: float, slow_now: float, ts: int) -> None:
    """S5: an equal print of the same sign among the last eight and in time, by how rare its size is."""
    bin_ = U((size * 2654435761 & 4294967295) >> 27)
    if sign != 0:
        key = sign * size
        is_hit = False
        for i in range(RING):
            if int(rec["ring_size"][i]) == key and ts - int(rec["ring_ts"][i]) <= int(p["slice_ns"]):
                is_hit = True
        if is_hit:
            share = rec["sizes"][bin_] / rec["sizes_sum"] if rec["sizes_sum"] > 0.0 else 0.0
            rec["sliced"] += product(1.0 - share, signed)
        place = int(rec["ring_next"])
        rec["ring_size"][place] = key
        rec["ring_ts"][place] = ts
        rec["ring_next"] = (place + 1) & (RING - 1)
    rec["sizes"][bin_] += slow_now
    rec["sizes_sum"] += slow_now
