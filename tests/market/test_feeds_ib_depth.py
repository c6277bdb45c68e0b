"""IB's depth: rows by position, makers collapsed to levels, and every row that cannot be is counted and never applied."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pytest

from scizor.market.events import ASK, BID, DELETE, INSERT, LAST, RESET, UPDATE
from scizor.market.feeds.ib_depth import IbDepth, from_ticks
from scizor.market.feeds.positions import Raw


def brief(raw: list[Raw]) -> list[tuple[int, int, int, int, int]]:
    """(op, side, row, price, size)"""
    return [(op, side, row, price, size) for _, price, size, _, op, side, row, _ in raw]


def test_one_row_a_price_is_the_row_itself() -> None:
    depth = IbDepth(tick_size=0.01, symbol=7)
    assert brief(depth.update(1, 0, INSERT, BID, 42.17, 300)) == [(INSERT, BID, 0, 4217, 300)]
    assert brief(depth.update(2, 1, INSERT, BID, 42.16, 100)) == [(INSERT, BID, 1, 4216, 100)]
    assert depth.update(3, 0, UPDATE, BID, 42.17, 250) == [(3, 4217, 250, 7, UPDATE, BID, 0, LAST)]
    assert brief(depth.update(4, 0, DELETE, BID, 0.0, 0)) == [(DELETE, BID, 0, 4217, 0)]
    assert depth.shown(BID) == [(4216, 100)] and not depth.refused


def test_an_update_may_move_its_row_to_another_price() -> None:
    depth = IbDepth(tick_size=0.5)
    depth.update(1, 0, INSERT, ASK, 10.0, 3)
    assert brief(depth.update(2, 0, UPDATE, ASK, 10.5, 4)) == [(DELETE, ASK, 0, 20, 0), (INSERT, ASK, 0, 21, 4)]


def test_makers_of_one_price_are_one_level() -> None:
    depth = IbDepth(tick_size=0.01)
    depth.update(1, 0, INSERT, ASK, 5.00, 100, "NSDQ")
    assert brief(depth.update(2, 1, INSERT, ASK, 5.00, 200, "ARCA")) == [(UPDATE, ASK, 0, 500, 300)]
    assert brief(depth.update(3, 2, INSERT, ASK, 5.01, 50, "BATS")) == [(INSERT, ASK, 1, 501, 50)]
    assert brief(depth.update(4, 0, DELETE, ASK, 0, 0, "NSDQ")) == [(UPDATE, ASK, 0, 500, 200)]
    assert brief(depth.update(5, 0, DELETE, ASK, 0, 0, "ARCA")) == [(DELETE, ASK, 0, 500, 0)]
    assert depth.shown(ASK) == [(501, 50)]


def test_a_maker_that_moves_changes_two_levels() -> None:
    depth = IbDepth(tick_size=0.01)
    depth.update(1, 0, INSERT, BID, 5.00, 100, "A")
    depth.update(2, 1, INSERT, BID, 5.00, 200, "B")
    assert brief(depth.update(3, 1, UPDATE, BID, 4.99, 200, "B")) == [(INSERT, BID, 1, 499, 200), (UPDATE, BID, 0, 500, 100)]


@pytest.mark.parametrize(
    ("reason", "arguments"),
    [
        ("unknown side", (0, INSERT, 2, 1.0, 1.0)), ("unknown side", (0, INSERT, -1, 1.0, 1.0)),
        ("row out of range", (2, INSERT, BID, 1.0, 1.0)), ("row out of range", (1, UPDATE, BID, 1.0, 1.0)),
        ("row out of range", (-1, DELETE, BID, 1.0, 1.0)), ("row out of range", (10**9, DELETE, BID, 1.0, 1.0)),
        ("unknown operation", (0, 3, BID, 1.0, 1.0)), ("no number", (0, UPDATE, BID, float("nan"), 1.0)),
        ("no number", (0, UPDATE, BID, 1.0, float("inf"))), ("price off the grid", (0, UPDATE, BID, 1.005, 1.0)),
        ("price off the grid", (0, UPDATE, BID, 1e300, 1.0)), ("size out of range", (0, UPDATE, BID, 1.0, -1.0)),
        ("size out of range", (0, UPDATE, BID, 1.0, 2.0**31)),
    ],
)  # fmt: skip
def test_what_cannot_be_is_counted_and_changes_nothing(reason: str, arguments: tuple[int, int, int, float, float]) -> None:
    depth = IbDepth(tick_size=0.01)
    depth.update(1, 0, INSERT, BID, 1.0, 5)
    assert depth.update(2, *arguments) == []
    assert depth.refused == {reason: 1} and depth.shown(BID) == [(100, 5)]
    assert depth.is_lost == (reason != "unknown side")


def test_a_reset_begins_anew() -> None:
    depth = IbDepth(tick_size=0.01)
    depth.update(1, 5, INSERT, BID, 1.0, 5)
    depth.update(1, 0, INSERT, ASK, 1.0, 5)
    assert depth.is_lost
    assert [raw[4] for raw in depth.reset(2)] == [RESET]
    assert not depth.is_lost and depth.shown(ASK) == [] and depth.rows(ASK) == []


def test_a_recorded_depth_stream_ends_with_the_book_that_the_client_held(recordings: Path) -> None:
    """The recording begins in the middle, so the rows are filled first, a tick beside where they will be; and it holds one
    picture of the client's book, that of its end."""
    paths = sorted((recordings / "ticks" / "ib_recorded").glob("*market_depth*.jsonl"))
    if not paths:
        pytest.skip("no recorded IB depth among the recordings")
    for path in paths:
        batches = [json.loads(line) for line in path.read_text().splitlines()]
        held = [(side, batches[-1][name]) for side, name in ((BID, "domBids"), (ASK, "domAsks"))]
        depth = IbDepth(tick_size=0.00001, levels=10)
        for side, rows in held:
            for row, (price, _, _) in enumerate(rows):
                depth.update(0, row, INSERT, side, price + 0.00001, 1.0)
        events = from_ticks(depth, [
            (round(datetime.fromisoformat(told).timestamp() * 1e6) * 1000, position, maker, operation, side, price, size)
            for batch in batches for told, position, maker, operation, side, price, size in batch["domTicks"]
        ])  # fmt: skip
        for side, rows in held:
            assert [(row.price, row.size) for row in depth.rows(side)] == [(round(price / 0.00001), round(size)) for price, size, _ in rows]
        assert len(events) > len(batches) and not depth.refused
