"""A buyer who hides, planted into a recorded flow: what he does is known to the lot, so that a signal can be asked whether it sees him.

He takes `share` of the volume of his hours in two ways. Passively: after a sell print at the best bid he shows the same price again
within 50 to 250 ms, for at most as much as was sold (an iceberg's next slice); the next sell prints at that price hit his slice first,
which is when he has bought. Actively: child orders of 3 lots each that lift the best ask, spread over his hours. The rest of the
flow is the recording's own, event by event; what of his slice was not hit leaves when the price empties or he stops.
Times are drawn from a seed that is printed, prices and sizes come from the recording.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Any

import numpy as np

from scizor.market.events import ASK, BID, LAST, LEVEL, TRADE
from scizor.market.feeds.positions import Raw, Side, records

CHILD_LOTS = 3
SECOND = 1_000_000_000
WINDOW_SECONDS = 2400
REFILL_NS = (50_000_000, 250_000_000)
PASSIVE_PART = 0.5  # of what he buys
SHARE_TOLERANCE = 0.005
ROUNDS_MAX = 8
APPETITE_MAX = 1.0  # he never shows more than was sold


@dataclass(frozen=True, slots=True)
class Planted:
    """events: LEVEL and TRADE, dtype EVENT. windows: [start, end) ns in which he buys. bought: lots, passive and by children.
    volume: of the recording in these windows."""

    events: np.ndarray
    windows: list[tuple[int, int]]
    passive: int
    children: int
    volume: int

    @property
    def share(self) -> float:
        """His part of all that traded: his children add to the volume, his slices are hit by what traded anyway."""
        return (self.passive + self.children) / (self.volume + self.children)


def plant(events: np.ndarray, seed: int, share: float) -> Planted:
    """LEVEL and TRADE events of one symbol with the buyer in them, in one window of forty minutes, or two thirds of a short session."""
    source = random.Random(seed)
    spans = _windows(events, source)
    trades = events[events["op"] == TRADE]
    volume = int(trades["size"][inside(trades["ts"], spans)].sum())
    wanted = share * volume / (1 - share * (1 - PASSIVE_PART))
    planned = sorted(_times(source, spans, round(wanted * (1 - PASSIVE_PART) / CHILD_LOTS)))
    told, appetite = events.tolist(), wanted * PASSIVE_PART / max(1, _sold(events, spans))
    for _ in range(ROUNDS_MAX):  # many a refill comes too late, the price has left: then he must want more
        out, passive, bought = _played(told, planned, spans, appetite, random.Random(seed))
        found = Planted(records(out), spans, passive, bought, volume)
        if abs(found.share - share) <= SHARE_TOLERANCE or appetite >= APPETITE_MAX:
            break
        appetite = min(APPETITE_MAX, appetite * max(1.0, share * (volume + bought) - bought) / max(1, passive))
    return found


def inside(times: np.ndarray, windows: list[tuple[int, int]]) -> np.ndarray:
    """Which of the times lie in a window. shape (n,), bool."""
    found = np.zeros(len(times), bool)
    for begin, end in windows:
        found |= (times >= begin) & (times < end)
    return found


def _played(
    told: list[Any], planned: list[int], spans: list[tuple[int, int]], appetite: float, source: random.Random
) -> tuple[list[Raw], int, int]:
    recorded, shown = (Side(ASK, 1), Side(BID, 1)), (Side(ASK, 1), Side(BID, 1))
    extra: tuple[dict[int, int], dict[int, int]] = ({}, {})
    due: list[tuple[int, int, int]] = []  # time, price, lots of a refill
    out: list[Raw] = []
    passive = bought = at = 0

    def show(ts: int, side: int, price: int) -> None:
        before, held = shown[side].size(price), recorded[side].size(price)
        now = max(0, held + extra[side].get(price, 0)) if held or extra[side].get(price, 0) > 0 else 0
        if now != before:
            shown[side].change(price, now)
            out.append((ts, price, now, 0, LEVEL, side, 0, LAST))

    for ts, price, size, symbol, op, side, row, flags in told:
        if spans and ts >= spans[-1][1] and any(lots > 0 for lots in extra[BID].values()):
            for bid in [bid for bid, lots in extra[BID].items() if lots > 0]:  # he stops: his slices are cancelled
                extra[BID][bid] = 0
                show(max(ts, out[-1][0]), BID, bid)
        while (at < len(planned) and planned[at] <= ts) or (due and due[0][0] <= ts):
            if due and due[0][0] <= ts and (at >= len(planned) or due[0][0] <= planned[at] or not shown[ASK].rows()):
                when, bid, lots = heappop(due)
                when = max(when, out[-1][0])
                best = shown[BID].rows()
                if best and best[0][0] == bid:  # his price is still the best: he shows his next slice
                    extra[BID][bid] = extra[BID].get(bid, 0) + lots
                    show(when, BID, bid)
                continue
            best = shown[ASK].rows()
            if not best or best[0][1] <= CHILD_LOTS:
                break  # he never takes the last lots of a price: he waits for the next event
            ask, when = best[0][0], max(planned[at], out[-1][0])
            at += 1
            out.append((when, ask, CHILD_LOTS, 0, TRADE, BID, 0, 0))
            extra[ASK][ask] = extra[ASK].get(ask, 0) - CHILD_LOTS
            bought += CHILD_LOTS
            show(when, ASK, ask)
        if op == LEVEL:
            recorded[side].change(price, size)
            if not size:
                extra[side].pop(price, None)
            show(ts, side, price)
            continue
        out.append((ts, price, size, symbol, op, side, row, flags))
        if op == TRADE and side == ASK and any(begin <= ts < end for begin, end in spans):
            lots = _part(size, appetite, source)
            if lots:
                heappush(due, (ts + source.randint(*REFILL_NS), price, lots))
            hit = min(size, extra[BID].get(price, 0))
            if hit > 0:
                extra[BID][price] -= hit
                passive += hit
                show(ts, BID, price)
    return out, passive, bought


def _part(size: int, appetite: float, source: random.Random) -> int:
    """The lots of a sell print that he refills: `appetite` of them, rounded by chance."""
    exact = size * appetite
    return int(exact) + (source.random() < exact % 1)


def _sold(events: np.ndarray, spans: list[tuple[int, int]]) -> int:
    sells = events[(events["op"] == TRADE) & (events["side"] == ASK)]
    return int(sells["size"][inside(sells["ts"], spans)].sum())


def _times(source: random.Random, spans: list[tuple[int, int]], count: int) -> Iterator[int]:
    for _ in range(count):
        begin, end = source.choice(spans)
        yield source.randrange(begin, end)


def _windows(events: np.ndarray, source: random.Random) -> list[tuple[int, int]]:
    """One window that begins at any minute of the session and has as many prints as half of such windows have."""
    prints = events["ts"][events["op"] == TRADE]
    first, last = int(prints[0]), int(prints[-1])
    length = min(WINDOW_SECONDS * SECOND, (last - first) * 2 // 3)
    starts = np.arange(first, last - length + 1, 60 * SECOND)
    counts = np.searchsorted(prints, starts + length) - np.searchsorted(prints, starts)
    busy = starts[counts >= max(1, np.median(counts))]
    begin = int(source.choice(busy.tolist()))
    return [(begin, begin + length)]
