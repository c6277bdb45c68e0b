"""A window of rows: whatever happens to the book, the ops make a reader of rows see what the book shows, and no more."""

from __future__ import annotations

import random

import numpy as np
import pytest

from scizor.market.events import ASK, BID, DELETE, EVENT, INSERT, LAST, LEVEL, RESET, TRADE, UNKNOWN, UPDATE
from scizor.market.feeds.positions import Op, Side, differences, from_levels

SEED = 20120621


def played(rows: list[tuple[int, int]], ops: list[Op], levels: int) -> list[tuple[int, int]]:
    """What IB's client does with rows by position; an op that no row fits fails."""
    rows = list(rows)
    for op in ops:
        if op.op == DELETE:
            assert rows[op.row][0] == op.price
            del rows[op.row]
        elif op.op == UPDATE:
            assert rows[op.row][0] == op.price
            rows[op.row] = (op.price, op.size)
        else:
            assert op.row <= len(rows)
            rows.insert(op.row, (op.price, op.size))
            del rows[levels:]
    return rows


def picture(source: random.Random, side: int, levels: int) -> list[tuple[int, int]]:
    prices = source.sample(range(100, 112), source.randint(0, levels))
    return [(price, source.randint(1, 3)) for price in sorted(prices, reverse=side == BID)]


@pytest.mark.parametrize("levels", [1, 3, 10])
@pytest.mark.parametrize("side", [ASK, BID])
def test_the_difference_of_two_pictures_turns_one_into_the_other(side: int, levels: int) -> None:
    source = random.Random(SEED + levels)
    changed = 0
    for _ in range(3000):
        old, new = picture(source, side, levels), picture(source, side, levels)
        ops = differences(old, new, side, levels)
        assert played(old, ops, levels) == new
        changed += old != new
    assert changed > 1000, "nothing was tried"


@pytest.mark.parametrize("side", [ASK, BID])
def test_a_side_shows_its_best_rows_whatever_changes(side: int) -> None:
    source, levels = random.Random(SEED), 4
    book, whole, seen = Side(side, levels), dict[int, int](), list[tuple[int, int]]()
    for _ in range(5000):
        price, size = source.randint(100, 112), source.choice([0, 0, 5, 7])
        whole[price] = size
        seen = played(seen, book.change(price, size), levels)
        expected = sorted(((at, held) for at, held in whole.items() if held), reverse=side == BID)[:levels]
        assert seen == expected == book.rows()


def test_a_row_that_goes_reveals_one_at_the_bottom_and_moves_no_other() -> None:
    book = Side(ASK, 3)
    for price in (100, 101, 102, 103):
        book.change(price, 5)
    assert book.change(100, 0) == [Op(DELETE, 0, 100, 0), Op(INSERT, 2, 103, 5)]
    assert book.change(100, 9) == [Op(INSERT, 0, 100, 9)], "what is pushed out of sight goes without an op"
    assert book.change(103, 6) == [], "out of sight"


def test_a_picture_that_lost_two_rows_reveals_each_at_the_bottom() -> None:
    old, new = [(100, 1), (101, 1), (102, 1)], [(102, 1), (103, 1), (104, 1)]
    ops = differences(old, new, ASK, 3)
    assert [(op.op, op.row) for op in ops] == [(DELETE, 0), (INSERT, 2), (DELETE, 0), (INSERT, 2)]


def test_levels_become_rows_and_the_last_of_a_packet_stays_marked() -> None:
    levels = np.array([
        (1, 100, 5, 0, LEVEL, ASK, 0, LAST),
        (2, 101, 5, 0, LEVEL, ASK, 0, LAST),
        (3, 102, 5, 0, LEVEL, ASK, 0, LAST),  # out of sight of two rows
        (4, 100, 5, 0, TRADE, BID, 0, 0),
        (4, 100, 0, 0, LEVEL, ASK, 0, LAST),
        (5, 0, 0, 0, RESET, UNKNOWN, 0, LAST),
        (6, 99, 1, 1, LEVEL, BID, 0, 0),
        (6, 90, 0, 1, LEVEL, BID, 0, LAST),  # of nothing: the mark goes to the event before it
    ], EVENT)  # fmt: skip
    found = from_levels(levels, 2)
    assert [(row["op"], row["row"], row["price"], row["flags"]) for row in found] == [
        (INSERT, 0, 100, LAST), (INSERT, 1, 101, LAST), (TRADE, 0, 100, 0), (DELETE, 0, 100, 0), (INSERT, 1, 102, LAST),
        (RESET, 0, 0, LAST), (INSERT, 0, 99, LAST),
    ]  # fmt: skip
