"""Books against lists: every operation, every guard, and a million random ones that must never leave the record."""

from __future__ import annotations

import numpy as np
import pytest
from tests.market.random_events import GARBAGE_SEED, garbage, of

from scizor.market.book import bare, layout
from scizor.market.book.bare import apply, counters, levels, make_books
from scizor.market.events import (
    ASK,
    BID,
    CLOCK,
    DELETE,
    EVENT,
    HALT,
    INSERT,
    LEVEL,
    OFF_GRID,
    RESET,
    RESUME,
    TRADE,
    UPDATE,
)


def rows(books: np.ndarray, symbol: int, side: int) -> list[tuple[int, int]]:
    prices, sizes = levels(books, symbol, side)
    return list(zip(prices.tolist(), sizes.tolist(), strict=True))


# By position


def by_lists(events: np.ndarray, depth: int) -> tuple[list[list[tuple[int, int]]], int]:
    """IB's operations on two plain lists, the best first, and how many are out of range."""
    book: list[list[tuple[int, int]]] = [[], []]
    refused = 0
    for _, price, size, _, op, side, row, _ in events.tolist():
        rows_of = book[side]
        if op == INSERT and row <= len(rows_of) and row < depth:
            rows_of.insert(row, (price, size))
            del rows_of[depth:]
        elif op == UPDATE and row < len(rows_of):
            rows_of[row] = (price, size)
        elif op == DELETE and row < len(rows_of):
            del rows_of[row]
        else:
            refused += 1
    return book, refused


@pytest.mark.parametrize("depth", [1, 5, 10, 16])
def test_positions_move_as_they_do_in_a_list(depth: int) -> None:
    random = np.random.default_rng(depth)
    books, events = make_books(1, depth), np.zeros(20_000, EVENT)
    events["op"], events["side"], events["row"] = random.integers(0, 3, 20_000), random.integers(0, 2, 20_000), random.integers(0, depth + 2, 20_000)
    events["price"], events["size"] = random.integers(-50, 50, 20_000), random.integers(0, 1000, 20_000)
    for part in np.array_split(events, 50):
        apply(books, part)
    expected_rows, refused_rows = by_lists(events, depth)
    assert [rows(books, 0, ASK), rows(books, 0, BID)] == expected_rows
    assert counters(books)["row"] == refused_rows > 0


def test_a_row_out_of_range_changes_nothing_but_counters_and_asks_for_a_new_subscription() -> None:
    books = make_books(1, 5)
    assert apply(books, of((INSERT, BID, 0, 100, 7), (INSERT, BID, 1, 99, 8))) == 0
    before = books.copy()
    assert apply(books, of((INSERT, BID, 3, 98, 1), (UPDATE, BID, 2, 98, 1), (DELETE, ASK, 0, 0, 0), (INSERT, BID, 255, 98, 1))) == 4
    assert rows(books, 0, BID) == [(100, 7), (99, 8)]
    assert int(books["flags"][0]) & layout.RESUBSCRIBE and int(books["counters"][0, layout.ROW]) == 4
    books["flags"], books["counters"] = before["flags"], before["counters"]
    assert books.tobytes() == before.tobytes()


# By price


def by_dict(events: np.ndarray) -> list[dict[int, int]]:
    book: list[dict[int, int]] = [{}, {}]
    for _, price, size, _, op, side, *_ in events.tolist():
        if op == RESET:
            book = [{}, {}]
        elif size:
            book[side][price] = size
        else:
            book[side].pop(price, None)
    return book


def sorted_rows(book: dict[int, int], side: int) -> list[tuple[int, int]]:
    return sorted(book.items(), key=lambda each: each[0] if side == ASK else -each[0])


@pytest.mark.parametrize("spread_of_prices", [6, 60, 900, 2**30], ids=lambda ticks: f"within {ticks} ticks")
def test_a_price_keyed_book_is_the_sorted_dictionary(spread_of_prices: int) -> None:
    """Dense and sparse, near and 2^30 ticks away: the same levels, in order, at every hundredth event."""
    random = np.random.default_rng(spread_of_prices)
    count = 30_000
    books, events = make_books(1), np.zeros(count, EVENT)
    drawn = random.integers(-spread_of_prices, spread_of_prices, 700)
    events["op"], events["side"] = LEVEL, random.integers(0, 2, count)
    events["op"][random.integers(0, count, 3)] = RESET
    events["price"], events["size"] = drawn[random.integers(0, len(drawn), count)], random.integers(0, 3, count) * random.integers(1, 9, count)
    done = 0
    for end in [*range(100, count, 2900), count]:
        apply(books, events[done:end])
        done = end
        expected = by_dict(events[:end])
        assert [rows(books, 0, side) for side in (ASK, BID)] == [sorted_rows(expected[side], side) for side in (ASK, BID)]
    assert counters(books)["absent"] > 0 and counters(books)["lost"] == 0


def test_a_full_book_loses_its_farthest_level_and_counts_it() -> None:
    books = make_books(1, 3)
    apply(books, of((LEVEL, BID, 0, 10, 1), (LEVEL, BID, 0, 8, 1), (LEVEL, BID, 0, 12, 1)))
    apply(books, of((LEVEL, BID, 0, 7, 1)))
    assert rows(books, 0, BID) == [(12, 1), (10, 1), (8, 1)] and counters(books)["lost"] == 1
    apply(books, of((LEVEL, BID, 0, 11, 5)))
    assert rows(books, 0, BID) == [(12, 1), (11, 5), (10, 1)] and counters(books)["lost"] == 2


# Guards


@pytest.mark.parametrize(
    ("what", "event"),
    [
        ("side", (LEVEL, 2, 0, 100, 1)),
        ("side", (INSERT, 255, 0, 100, 1)),
        ("side", (TRADE, 3, 0, 100, 1)),
        ("size", (LEVEL, BID, 0, 100, -1)),
        ("size", (UPDATE, BID, 0, 100, -(2**31))),
        ("size", (TRADE, BID, 0, 100, 0)),
        ("price", (LEVEL, ASK, 0, OFF_GRID, 1)),
        ("price", (TRADE, ASK, 0, OFF_GRID, 1)),
        ("op", (9, BID, 0, 100, 1)),
        ("op", (255, BID, 0, 100, 1)),
    ],
)
def test_a_bad_event_is_counted_flagged_and_not_applied(what: str, event: tuple[int, ...]) -> None:
    books = make_books(1, 5)
    apply(books, of((INSERT, BID, 0, 100, 7), (INSERT, ASK, 0, 101, 7)))
    before = rows(books, 0, BID), rows(books, 0, ASK), int(books["ts"][0])
    assert apply(books, of(event, first_ts=2_000_000)) == 1
    assert (rows(books, 0, BID), rows(books, 0, ASK), int(books["ts"][0])) == before
    assert counters(books)[what] == 1 and sum(counters(books).values()) == 1
    assert int(books["flags"][0]) & layout.REFUSED


def test_time_that_goes_backwards_is_refused() -> None:
    books = make_books(1, 5)
    assert apply(books, of((INSERT, BID, 0, 100, 7), first_ts=1000)) == 0
    assert apply(books, of((INSERT, BID, 0, 101, 7), first_ts=999)) == 1
    assert apply(books, of((INSERT, BID, 0, 101, 7), first_ts=-1)) == 1
    assert rows(books, 0, BID) == [(100, 7)] and counters(books)["time"] == 2


def test_a_symbol_that_is_not_there_is_refused() -> None:
    books, events = make_books(2, 5), of((INSERT, BID, 0, 100, 7), (INSERT, BID, 0, 100, 7))
    events["symbol"] = [2, 2**32 - 1]
    assert apply(books, events) == 2 and books.tobytes() == make_books(2, 5).tobytes()


def test_the_largest_numbers_are_kept_as_they_are() -> None:
    books, most = make_books(1), 2**31 - 1
    assert apply(books, of((LEVEL, BID, 0, -most, most), (LEVEL, ASK, 0, most, most), (LEVEL, BID, 0, most, 1))) == 0
    assert rows(books, 0, BID) == [(most, 1), (-most, most)] and rows(books, 0, ASK) == [(most, most)]


def test_crossed_halted_and_reset_are_flags_and_the_rows_go() -> None:
    books = make_books(1, 5)
    apply(books, of((LEVEL, BID, 0, 100, 7), (LEVEL, ASK, 0, 100, 7)))
    assert int(books["flags"][0]) == layout.IS_CROSSED and counters(books)["crossed"] == 1
    apply(books, of((LEVEL, ASK, 0, 100, 0), (LEVEL, ASK, 0, 101, 3)))
    assert int(books["flags"][0]) == 0
    apply(books, of((HALT, 0, 0, 0, 0)))
    assert int(books["flags"][0]) == layout.HALTED | layout.WAITING and rows(books, 0, BID) == rows(books, 0, ASK) == []
    apply(books, of((CLOCK, 0, 0, 0, 0), (RESUME, 0, 0, 0, 0), (LEVEL, BID, 0, 100, 7)))
    assert int(books["flags"][0]) == layout.WAITING
    apply(books, of((LEVEL, ASK, 0, 101, 7)))
    assert int(books["flags"][0]) == 0
    apply(books, of((RESET, 0, 0, 0, 0)))
    assert int(books["flags"][0]) == layout.WAITING


# Fuzz


@pytest.mark.parametrize("depth", [1, 10, 64])
def test_a_million_random_events_never_leave_the_record(depth: int) -> None:
    """All 24 bytes random, half of them nearly sane: the books' neighbours in memory keep their bytes, rows stay in range."""
    fence = 3
    whole = make_books(8 + 2 * fence, depth)
    whole[:fence].view("u1")[:] = 0xA5
    whole[-fence:].view("u1")[:] = 0xA5
    books = whole[fence:-fence]
    refused = 0
    for seed in range(4):
        events = garbage(100_000, symbols=9, depth=depth, seed=GARBAGE_SEED + seed)
        refused += apply(books, events)
        assert (books["rows"] <= depth).all()
    assert 0 < refused < 400_000
    assert (whole[:fence].view("u1") == 0xA5).all() and (whole[-fence:].view("u1") == 0xA5).all()
    seen = counters(books)
    assert all(seen[each] for each in ("row", "side", "size", "price", "time", "op", "absent", "crossed"))


def test_compiled_and_plain_python_do_the_same_with_garbage() -> None:
    """The scalar source is one: what is compiled is what stands there."""
    from scizor.market.book import changes

    events = garbage(3000, symbols=4, depth=10, seed=GARBAGE_SEED)
    compiled, plain = make_books(3, 10), make_books(3, 10)
    assert apply(compiled, events) == changes.change_all(plain, events)
    assert compiled.tobytes() == plain.tobytes()


def test_a_changed_source_is_compiled_anew() -> None:
    """numba's cache looks at one file; the name under which code is cached holds a digest of all."""
    from scizor.market.book import changes, compilation
    from scizor.market.book import rows as rows_module

    one = compilation.compiled([rows_module, changes], lambda function, _: function, sources=[layout])
    other = compilation.compiled([rows_module, changes], lambda function, _: function, sources=[bare])
    assert one.change_all.__qualname__ != other.change_all.__qualname__
    assert one.change_all.__globals__["locate"] is one.locate is not rows_module.locate
