"""Run by rivals.measured in the rivals' environment: books and two toy features against ours, one process; not a bench.

    python -m tests.bench.rival_books K1|K2|K3 EVENTS.npy

EVENTS: dtype EVENT of one symbol fed by price, its opening part included. The last line is JSON: ns an event by contender.
Every contender ends with the same best bid and ask, or the run ends with an error.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scizor.features import OUTPUT, apply, apply_evaluate, make_state
from scizor.market.book.bare import apply as apply_books
from scizor.market.book.bare import levels, make_books
from scizor.market.events import ASK, BID, LEVEL, TRADE
from tests.bench.measuring import chunked, chunks, pinned

OPENING_SHARE = 0.13  # of the events: the picture of the book with which the recording begins, and a little more
ASSETS = 2000


def main() -> None:
    what, file = sys.argv[1], sys.argv[2]
    events = np.load(file)
    events["ts"] = np.maximum.accumulate(events["ts"])
    with pinned():
        print(json.dumps({"K1": books, "K2": many, "K3": signals}[what](events)))


def split(events: NDArray[np.void]) -> tuple[NDArray[np.void], list[NDArray[np.void]]]:
    start = int(len(events) * OPENING_SHARE)
    return events[:start], chunks(events[start:])


def bests(bids: dict[int, int], asks: dict[int, int]) -> tuple[int, int, int, int]:
    bid, ask = max(bids), min(asks)
    return bid, bids[bid], ask, asks[ask]


def plain(events: NDArray[np.void]) -> tuple[int, int, int, int]:
    """What all must agree on."""
    sides: tuple[dict[int, int], dict[int, int]] = ({}, {})
    for price, size, op, side in zip(*(events[each].tolist() for each in ("price", "size", "op", "side")), strict=True):
        if op == LEVEL and size:
            sides[side][price] = size
        elif op == LEVEL:
            sides[side].pop(price, None)
    return bests(sides[BID], sides[ASK])


def agree(name: str, found: tuple[float, ...], wanted: tuple[int, ...]) -> None:
    if tuple(found) != tuple(wanted):
        raise SystemExit(f"{name} ends with {found} and not with {wanted}")


def books(events: NDArray[np.void]) -> dict[str, Any]:
    depth = events[events["op"] == LEVEL]
    opening, parts = split(depth)
    counts, wanted = [len(part) for part in parts], plain(depth)
    found: dict[str, Any] = {"events": sum(counts)}

    opened = make_books(1)
    apply_books(opened, opening)
    ours = opened.copy()

    def restored() -> Any:
        ours[:] = opened
        return ours

    timed = chunked(restored, lambda state, i: apply_books(state, parts[i]), counts)
    found["ours"] = [timed.best, timed.median]
    sides = [levels(ours, 0, side, 1) for side in (BID, ASK)]
    agree("ours", tuple(int(each[0]) for side in sides for each in side), wanted)

    import order_book

    pythonic = [list(zip(part["side"].tolist(), part["price"].tolist(), part["size"].tolist(), strict=True)) for part in [opening, *parts]]

    def fill(book: Any, part: list[tuple[int, int, int]]) -> Any:
        sides = (book.asks, book.bids)
        for side, price, size in part:
            if size:
                sides[side][price] = size
            elif price in sides[side]:
                del sides[side][price]
        return book

    last: list[Any] = []

    def fresh() -> Any:
        last[:] = [fill(order_book.OrderBook(), pythonic[0])]
        return last[0]

    timed = chunked(fresh, lambda book, i: fill(book, pythonic[i + 1]), counts, 5)
    found["order_book"] = [timed.best, timed.median]
    bid, ask = last[0].bids.index(0), last[0].asks.index(0)
    agree("order_book", (*bid, *ask), wanted)

    found["nautilus"] = nautilus(opening, parts, counts, wanted)
    found["hftbacktest ROI"] = hftbacktest_replay(depth, wanted, is_roi=True)
    found["hftbacktest HashMap"] = hftbacktest_replay(depth, wanted, is_roi=False)
    return found


def nautilus(opening: NDArray[np.void], parts: list[NDArray[np.void]], counts: list[int], wanted: tuple[int, ...]) -> list[float]:
    from nautilus_trader.model.book import OrderBook
    from nautilus_trader.model.data import BookOrder, OrderBookDelta, OrderBookDeltas
    from nautilus_trader.model.enums import BookAction, BookType, OrderSide
    from nautilus_trader.model.identifiers import InstrumentId
    from nautilus_trader.model.objects import Price, Quantity

    name = InstrumentId.from_str("ES.GLBX")

    def deltas(part: NDArray[np.void]) -> Any:
        made = []
        for ts, price, size, _, _, side, *_ in part.tolist():
            order = BookOrder(OrderSide.BUY if side == BID else OrderSide.SELL, Price(price, 0), Quantity(size, 0), 0)
            made.append(OrderBookDelta(name, BookAction.UPDATE if size else BookAction.DELETE, order, 0, 0, ts, ts))
        return OrderBookDeltas(name, made)

    first, rest, last = deltas(opening), [deltas(part) for part in parts], list[Any]()

    def fresh() -> Any:
        book = OrderBook(name, BookType.L2_MBP)
        book.apply_deltas(first)
        last[:] = [book]
        return book

    timed = chunked(fresh, lambda book, i: book.apply_deltas(rest[i]), counts, 5)
    book = last[0]
    agree("nautilus", tuple(int(each) for each in (book.best_bid_price(), book.best_bid_size(), book.best_ask_price(), book.best_ask_size())), wanted)
    return [timed.best, timed.median]


def feed(events: NDArray[np.void]) -> Any:
    """hftbacktest's record: both clocks the same, prices in ticks of 1."""
    import hftbacktest as hbt

    made = np.zeros(len(events), hbt.event_dtype)
    kind = np.where(events["op"] == TRADE, hbt.TRADE_EVENT, hbt.DEPTH_EVENT).astype(np.uint64)
    side = np.where(events["side"] == BID, hbt.BUY_EVENT, hbt.SELL_EVENT).astype(np.uint64)
    made["ev"] = kind | side | np.uint64(hbt.EXCH_EVENT) | np.uint64(hbt.LOCAL_EVENT)
    made["exch_ts"] = made["local_ts"] = events["ts"]
    made["px"], made["qty"] = events["price"], events["size"]
    return made


def backtest(feeds: list[Any], *, is_roi: bool, low: float, high: float) -> Any:
    import hftbacktest as hbt

    assets = []
    for each in feeds:
        asset = hbt.BacktestAsset().data([each]).linear_asset(1.0).constant_order_latency(0, 0)
        asset = asset.risk_adverse_queue_model().no_partial_fill_exchange().trading_value_fee_model(0.0, 0.0).tick_size(1.0).lot_size(1.0)
        assets.append(asset.roi_lb(low).roi_ub(high) if is_roi else asset)
    return (hbt.ROIVectorMarketDepthBacktest if is_roi else hbt.HashMapMarketDepthBacktest)(assets)


def hftbacktest_replay(events: NDArray[np.void], wanted: tuple[int, ...], *, is_roi: bool, repeats: int = 5) -> list[float]:
    """Bare: one call that lets all time pass. It keeps two books and its order models; that is what it does."""
    import numba

    made, times = feed(events), []
    low, high = float(events["price"].min()) - 2, float(events["price"].max()) + 2

    @numba.njit
    def ends(hbt: Any) -> Any:
        depth = hbt.depth(0)
        return depth.best_bid, depth.bid_qty_at_tick(depth.best_bid_tick), depth.best_ask, depth.ask_qty_at_tick(depth.best_ask_tick)

    for _ in range(repeats):
        hbt = backtest([made], is_roi=is_roi, low=low, high=high)
        span = int(events["ts"][-1] - events["ts"][0]) + 10
        hbt.elapse(1)
        start = time.perf_counter_ns()
        hbt.elapse(span)
        times.append((time.perf_counter_ns() - start) / len(events))
        agree("hftbacktest", ends(hbt), wanted)
        hbt.close()
    return [min(times), float(np.median(times))]


def many(events: NDArray[np.void]) -> dict[str, Any]:
    """The same events dealt to 2,000 assets in turn."""
    depth = events[events["op"] == LEVEL].copy()
    depth["symbol"] = np.arange(len(depth)) % ASSETS
    times = []
    feeds = [feed(depth[i::ASSETS]) for i in range(ASSETS)]
    for _ in range(3):
        hbt = backtest(feeds, is_roi=False, low=0, high=0)
        hbt.elapse(1)
        start = time.perf_counter_ns()
        hbt.elapse(int(depth["ts"][-1] - depth["ts"][0]) + 10)
        times.append((time.perf_counter_ns() - start) / len(depth))
        hbt.close()
    parts = chunks(depth)
    empty = make_books(ASSETS)
    ours = empty.copy()

    def restored() -> Any:
        ours[:] = empty
        return ours

    timed = chunked(restored, lambda state, i: apply_books(state, parts[i]), [len(part) for part in parts], 5)
    return {"events": len(depth), "hftbacktest HashMap": [min(times), float(np.median(times))], "ours": [timed.best, timed.median]}


def signals(events: NDArray[np.void]) -> dict[str, Any]:
    """Ours after every event against a loop with a one-level order flow and a ten-level imbalance after every event."""
    known = events[(events["op"] == LEVEL) | (events["op"] == TRADE)]
    opening, parts = split(known)
    state, out = make_state(1, 10, is_by_price=True), np.zeros(max(map(len, parts)), OUTPUT)
    apply(state, opening)
    opened = state.records.copy()

    def restored() -> Any:
        state.records[:] = opened
        return state

    timed = chunked(restored, lambda s, i: apply_evaluate(s, parts[i], out), [len(part) for part in parts])
    found: dict[str, Any] = {"events": timed.count, "ours": [timed.best, timed.median]}
    for is_roi in (True, False):
        times = [toy(known, is_roi=is_roi) for _ in range(5)]
        found["hftbacktest ROI" if is_roi else "hftbacktest HashMap"] = [min(times), float(np.median(times))]
    return found


def toy(events: NDArray[np.void], *, is_roi: bool) -> float:
    lowest, highest = int(events["price"].min()), int(events["price"].max())
    made = feed(events)  # it keeps a pointer and no reference
    hbt = backtest([made], is_roi=is_roi, low=float(lowest - 20), high=float(highest + 20))  # it checks no bounds
    loop = toy_loop()
    loop(hbt, 1, lowest, highest)  # compiles, and takes the first event
    start = time.perf_counter_ns()
    count, _ = loop(hbt, 1 << 60, lowest, highest)
    spent = time.perf_counter_ns() - start
    hbt.close()
    if count < len(events) * 0.5:  # events of one instant arrive as one
        raise SystemExit(f"hftbacktest saw {count} of {len(events)} events")
    return spent / len(events)


LOOPS: list[Any] = []


def toy_loop() -> Any:
    import numba

    @numba.njit
    def loop(hbt: Any, most: int, lowest: int, highest: int) -> Any:
        flow, imbalance, count = 0.0, 0.0, 0
        bid, ask, bid_size, ask_size = 0, 0, 0.0, 0.0
        while count < most and hbt.wait_next_feed(False, 1 << 50) == 2:
            depth = hbt.depth(0)
            new_bid, new_ask = depth.best_bid_tick, depth.best_ask_tick
            count += 1
            if new_bid < lowest or new_ask > highest or new_bid > highest or new_ask < lowest:
                continue  # a side is empty
            new_bid_size, new_ask_size = depth.bid_qty_at_tick(new_bid), depth.ask_qty_at_tick(new_ask)
            flow += (new_bid_size if new_bid >= bid else 0.0) - (bid_size if new_bid <= bid else 0.0)
            flow -= (new_ask_size if new_ask <= ask else 0.0) - (ask_size if new_ask >= ask else 0.0)
            bid, ask, bid_size, ask_size = new_bid, new_ask, new_bid_size, new_ask_size
            bids, asks = 0.0, 0.0
            for i in range(10):
                bids += depth.bid_qty_at_tick(new_bid - i)
                asks += depth.ask_qty_at_tick(new_ask + i)
            imbalance += (bids - asks) / (bids + asks) if bids + asks > 0.0 else 0.0
        return count, flow + imbalance

    if not LOOPS:
        LOOPS.append(loop)
    return LOOPS[0]


if __name__ == "__main__":
    main()
