"""Every signal against a direct sum in 50 digits: by hand, on random flows with all that happens to a feed, on recorded days.

The suite takes some tens of thousands of events; the whole count on recorded days is `bin/bench kernel K7`.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from tests.features.against import SIGNALS, worst, worst_score
from tests.features.oracle import Oracle

from scizor.jobs import features_input
from scizor.market.events import (
    ASK,
    BID,
    CLOCK,
    DELETE,
    HALT,
    INSERT,
    LEVEL,
    ODD_LOT,
    RESET,
    RESUME,
    TRADE,
    UNKNOWN,
    UPDATE,
)
from scizor.market.feeds import lobster
from scizor.market.feeds.positions import Raw, records

BAR = 1e-13
QUANTUM = 1 << 24
REBASE = QUANTUM << 20
SEED = 7
ROWS = 10_000


def flow(seed: int, count: int, *, levels: int = 5, step_ns: int = 40_000_000) -> np.ndarray:
    """Random rows and prints, told and untold aggressors, odd lots, prints inside and outside the spread, crossed books, resets,
    halts, silence. Every operation is one that the rows allow."""
    source = np.random.default_rng(seed)
    rows: tuple[list[int], list[int]] = ([], [])
    raw: list[Raw] = []
    ts = 1_700_000_000 * 10**9
    for _ in range(count):
        ts += int(source.exponential(step_ns))
        dice = source.random()
        side = int(source.integers(0, 2))
        sign = 1 if side == ASK else -1
        held = rows[side]
        if dice < 0.25:
            price = 1000 + int(source.integers(-4, 5))
            flags = ODD_LOT if source.random() < 0.2 else 0
            raw.append((ts, price, int(source.choice([1, 3, 5, 40, 100])), 0, TRADE, int(source.integers(0, 3)), 0, flags))
        elif dice < 0.2502 + 0.0005:
            raw.append((ts, 0, 0, 0, int(source.choice([RESET, HALT, RESUME, CLOCK])), UNKNOWN, 0, 0))
            if raw[-1][4] in (RESET, HALT):
                rows[0].clear()
                rows[1].clear()
        elif dice < 0.5 or not held:
            row = int(source.integers(0, min(len(held), levels - 1) + 1))
            price = 1000 + sign * (row + 1 + int(source.random() < 0.01) * -4)
            held.insert(row, price)
            del held[levels:]
            raw.append((ts, price, int(source.integers(1, 200)), 0, INSERT, side, row, 0))
        elif dice < 0.85:
            row = int(source.integers(0, len(held)))
            price = held[row] if source.random() < 0.9 else held[row] + sign
            held[row] = price
            raw.append((ts, price, int(source.integers(0, 200)), 0, UPDATE, side, row, 0))
        else:
            row = int(source.integers(0, len(held)))
            del held[row]
            raw.append((ts, 0, 0, 0, DELETE, side, row, 0))
    return records(raw)


def by_price(seed: int, count: int) -> np.ndarray:
    """Random levels, many behind the rows that signals see, and prints."""
    source = np.random.default_rng(seed)
    raw: list[Raw] = []
    ts = 1_700_000_000 * 10**9
    for _ in range(count):
        ts += int(source.exponential(30_000_000))
        side = int(source.integers(0, 2))
        if source.random() < 0.2:
            raw.append((ts, 1000 + int(source.integers(-3, 4)), int(source.integers(1, 60)), 0, TRADE, int(source.integers(0, 3)), 0, 0))
            continue
        price = 1000 + int(source.integers(1, 25)) * (1 if side == ASK else -1)
        raw.append((ts, price, int(source.choice([0, 0, 5, 17, 60])), 0, LEVEL, side, 0, 0))
    return records(raw)


@pytest.fixture(scope="module")
def recorded(recordings: Path) -> list[tuple[str, np.ndarray, int]]:
    """The longest session of each symbol that has prints: name, events, levels."""
    found = list(sessions(recordings))
    if not found:
        pytest.skip("no recorded depth with prints among the recordings")
    return found


def sessions(recordings: Path) -> Iterator[tuple[str, np.ndarray, int]]:
    pieces = [piece for piece in features_input.find(recordings / "l2") if piece.kind in ("LOBSTER", "Databento")]
    for symbol in sorted({piece.symbols[0] for piece in pieces}):
        piece = max((each for each in pieces if each.symbols[0] == symbol), key=lambda each: each.path.stat().st_size)
        if piece.path.stat().st_size <= 100_000:
            continue
        if piece.kind == "LOBSTER":  # a part of the day is made in a part of the time
            messages, book = (each[:ROWS] for each in features_input.lobster_tables(piece))
            yield symbol, lobster.convert(messages, book, midnight=10**18, date=20120621).events, min(piece.levels, 16)
        else:
            found = features_input.load(piece)
            yield symbol, found.events, found.levels


def test_the_oracle_agrees_with_a_hand() -> None:
    """Two rows a side seen, so that the best alone weighs; all in one quantum, so that nothing fades."""
    oracle = Oracle(2)
    ts = 10**18
    oracle.feed([
        (ts, 101, 10, 0, INSERT, ASK, 0, 0), (ts, 99, 30, 0, INSERT, BID, 0, 0), (ts, 99, 20, 0, UPDATE, BID, 0, 0),
        (ts, 101, 4, 0, TRADE, BID, 0, 0), (ts, 99, 1, 0, TRADE, UNKNOWN, 0, 0), (ts, 101, 4, 0, TRADE, BID, 0, 0),
        (ts, 101, 16, 0, TRADE, BID, 0, 0),
    ])  # fmt: skip
    found = oracle.signals(ts)
    assert found["s1"] == Decimal(30 - 10 - 10) / 50 and found["raw_flow"] == 10 and found["n_flow"] == 3
    assert found["s3"] == Decimal(4 - 1 + 4 + 16) / 25 and found["n_trades"] == 4
    assert found["s4"] == Decimal(-6) / 25, "the last print took six more than the ten that were shown, on the ask"
    assert found["s5"] == Decimal(4) * (1 - Decimal(1) / 2) / 25, "four lots again: one of the two prints before was such"
    assert found["kappa"] == Decimal("0.5"), "the price never moved"
    later = oracle.signals(ts + (QUANTUM << 13))  # a half-life of the depth
    assert abs(later["s2"] - Decimal(1) / 3) < Decimal("1e-27"), "one imbalance since the rows stand: twice the size on the bid"
    assert abs(later["n_trades"] - 2) < Decimal("1e-45")


@pytest.mark.parametrize("seed", range(SEED, SEED + 4))
def test_every_signal_of_a_random_flow_is_that_of_the_oracle(seed: int) -> None:
    found = worst(flow(seed, 4000), 5, 8)
    assert max(found.values()) <= BAR, found


@pytest.mark.parametrize("levels", [1, 3, 16])
def test_the_number_of_rows_changes_nothing_about_that(levels: int) -> None:
    found = worst(flow(SEED, 2000, levels=levels), levels, 4)
    assert max(found.values()) <= BAR, found


def test_a_feed_by_price_is_that_of_the_oracle_too() -> None:
    found = worst(by_price(SEED, 5000), 10, 6, is_by_price=True)
    assert max(found.values()) <= BAR, found


def test_silence_of_hours_and_of_days_is_crossed() -> None:
    """Before, at, and far beyond the instant at which the landmark moves."""
    events = flow(SEED, 1500)
    for gap in (REBASE // 2, REBASE - QUANTUM, REBASE, REBASE + QUANTUM, 9 * REBASE + 12345):
        moved = events.copy()
        moved["ts"][700:] += gap
        found = worst(moved, 5, 6)
        assert max(found.values()) <= BAR, (gap, found)


def test_the_second_moments_and_the_score_are_their_definition() -> None:
    largest, compared = worst_score(flow(SEED, 3000, step_ns=100_000_000), 5)
    assert compared > 150 and largest <= 1e-11, largest


@pytest.mark.parametrize("place", [3, 400, 2999])
def test_one_event_that_the_oracle_is_told_differently_is_seen(place: int) -> None:
    events = flow(SEED, 3000)
    while events["op"][place] not in (TRADE, INSERT):
        place -= 1
    spoiled = events.copy()
    spoiled["size"][place] += 1
    assert max(worst(events, 5, 4, spoiled=spoiled).values()) > 1000 * BAR


def test_recorded_events_are_those_of_the_oracle_across_a_rebase(recorded: list[tuple[str, np.ndarray, int]]) -> None:
    """The first of each day, spread over nine hours where they lie closer, so that the landmark moves among them."""
    for symbol, events, levels in recorded:
        part = events[:8_000].copy()
        stretch = max(1, -(-2 * REBASE // int(part["ts"][-1] - part["ts"][0])))
        part["ts"] = part["ts"][0] + (part["ts"] - part["ts"][0]) * stretch
        assert part["ts"][-1] - part["ts"][0] > REBASE
        found = worst(part, levels, 4)
        assert max(found.values()) <= BAR, (symbol, found)


def test_recorded_events_at_their_own_pace_are_those_of_the_oracle(recorded: list[tuple[str, np.ndarray, int]]) -> None:
    for symbol, events, levels in recorded:
        prints = np.flatnonzero(events["op"] == TRADE)
        begin = int(prints[0]) if len(prints) else 0
        found = worst(np.concatenate([events[:begin], events[begin : begin + 5000]]), levels, 4)
        assert max(found[each] for each in SIGNALS) <= BAR, (symbol, found)
