"""LOBSTER: the messages alone make the file's book, row by row; what does not is found. Small books by hand, real days whole."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from scizor.market.events import ASK, BID, DELETE, HALT, INSERT, LAST, RESUME, TRADE, UNKNOWN, UPDATE
from scizor.market.feeds import lobster

DAY = 20120621
NONE = lobster.DUMMY
ROWS = 30_000  # of a recorded day: bin/bench kernel K6 takes all


Days = list[tuple[str, np.ndarray, np.ndarray]]


def table(*rows: tuple[int, ...]) -> np.ndarray:
    return np.array(rows, dtype=np.int64)


#: Two levels a side in cents; the seed, then each kind of message.
BOOK = table(
    (10100, 5, 10000, 6, 10200, 7, 9900, 8),
    (10100, 5, 10000, 9, 10200, 7, 9900, 8),  # three more bought at 100.00
    (10100, 5, 10000, 9, 10200, 4, 9900, 8),  # three of the second ask cancelled
    (10200, 4, 10000, 9, 10300, 2, 9900, 8),  # the best ask is bought: 103.00 comes into sight
    (10200, 4, 10050, 1, 10300, 2, 10000, 9),  # one bid within the spread
    (10200, 4, 10050, 1, 10300, 2, 10000, 9),  # a hidden execution
)
MESSAGES = table(
    (1, 1, 1, 1, 10000, 1), (2, 1, 2, 3, 10000, 1), (3, 2, 3, 3, 10200, -1), (4, 4, 4, 5, 10100, -1), (5, 1, 5, 1, 10050, 1),
    (6, 5, 0, 9, 10125, -1),
)  # fmt: skip


@pytest.fixture(scope="module")
def days(recordings: Path) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Name, messages and book of each recorded day, as far as the suite looks at it."""
    found = list(archives(recordings))
    if not found:
        pytest.skip("no LOBSTER archive among the recordings")
    return found


def archives(recordings: Path) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    for path in sorted((recordings / "l2" / "lobster").glob("*.zip")):
        with zipfile.ZipFile(path) as archive:
            names = {word: next(name for name in archive.namelist() if f"_{word}_" in name) for word in ("message", "orderbook")}
            parts = [b"\n".join(archive.read(names[word]).split(b"\n", ROWS)[:ROWS]) for word in ("message", "orderbook")]
            yield path.stem, lobster.read(parts[0], 6), lobster.read(parts[1], 0)


def test_each_kind_of_message_changes_its_row() -> None:
    found = lobster.convert(MESSAGES, BOOK, midnight=1000, date=DAY)
    assert (found.differing, found.revealing, found.refused, found.unit) == (0, 1, 0, 25)
    seed, rest = found.events[:4], found.events[4:]
    assert [(row["op"], row["side"], row["row"], row["price"], row["size"]) for row in seed] == [
        (INSERT, ASK, 0, 404, 5), (INSERT, ASK, 1, 408, 7), (INSERT, BID, 0, 400, 6), (INSERT, BID, 1, 396, 8),
    ]  # fmt: skip
    assert [(row["ts"], row["op"], row["side"], row["row"], row["price"], row["size"], row["flags"]) for row in rest] == [
        (1002, UPDATE, BID, 0, 400, 9, LAST), (1003, UPDATE, ASK, 1, 408, 4, LAST), (1004, TRADE, BID, 0, 404, 5, 0),
        (1004, DELETE, ASK, 0, 404, 0, 0), (1004, INSERT, ASK, 1, 412, 2, LAST), (1005, INSERT, BID, 0, 402, 1, LAST),
        (1006, TRADE, BID, 0, 405, 9, LAST),
    ]  # fmt: skip


@pytest.mark.parametrize(("row", "column", "value"), [(1, 5, -1), (1, 1, 3), (2, 3, 2), (3, 1, 1), (4, 4, 10060)])
def test_a_message_that_says_something_else_is_found(row: int, column: int, value: int) -> None:
    wrong = MESSAGES.copy()
    wrong[row, column] = value
    assert lobster.convert(wrong, BOOK, midnight=0, date=DAY).differing > 0


def test_a_level_that_appears_where_no_message_put_it_is_found() -> None:
    book = BOOK.copy()
    book[3, 4:6] = (10250, 2)  # behind the known ones, as a reveal may
    assert lobster.convert(MESSAGES[:4], book[:4], midnight=0, date=DAY).differing == 0
    book[3, 0:2], book[3, 4:6] = (10150, 1), (10200, 4)  # in front of a known one, as none may
    assert lobster.convert(MESSAGES[:4], book[:4], midnight=0, date=DAY).differing > 0


def test_a_side_that_ends_is_known_to_its_end() -> None:
    book = table((10100, 5, 10000, 6, NONE, 0, -NONE, 0), (10100, 5, 10000, 6, NONE, 0, 9900, 2), (NONE, 0, 10000, 6, NONE, 0, 9900, 2))
    messages = table((1, 1, 1, 6, 10000, 1), (2, 1, 2, 2, 9900, 1), (3, 3, 3, 5, 10100, -1))
    found = lobster.convert(messages, book, midnight=0, date=DAY)
    assert (found.differing, found.revealing) == (0, 0)
    assert [(row["op"], row["row"]) for row in found.events[2:]] == [(INSERT, 1), (DELETE, 0)]


def test_halts_crosses_and_hidden_prints_are_told_as_far_as_the_feed_tells_them() -> None:
    book = np.repeat(BOOK[:1], 5, axis=0)
    messages = table((1, 1, 1, 6, 10000, 1), (2, 7, 0, 0, -1, -1), (3, 7, 0, 0, 1, -1), (4, 6, 0, 50, 10050, -1), (5, 5, 0, 1, 10075, 1))
    old = lobster.convert(messages, book, midnight=0, date=DAY).events[4:]
    assert [(row["op"], row["side"]) for row in old] == [(HALT, UNKNOWN), (RESUME, UNKNOWN), (TRADE, UNKNOWN), (TRADE, ASK)]
    new = lobster.convert(messages, book, midnight=0, date=lobster.HIDDEN_SIDE_UNTIL).events[4:]
    assert new[-1]["side"] == UNKNOWN


def test_what_cannot_be_is_refused_and_counted() -> None:
    book = np.repeat(BOOK[:1], 4, axis=0)
    messages = table((1, 1, 1, 6, 10000, 1), (2, 1, 2, 2**31, 10000, 1), (3, 9, 3, 1, 10000, 1), (4, 1, 4, 1, 10000, 0))
    found = lobster.convert(messages, book, midnight=0, date=DAY)
    assert found.refused == 3 and found.differing == 0 and len(found.events) == 4


@pytest.mark.parametrize(("text", "columns"), [(b"1,2,3\n", 6), (b"1,2,3\n", 0), (b"1,2,3,x\n", 0), (b"1,nan,3,4\n", 0), (b"1,2,3,4\n1,2\n", 0)])
def test_a_file_of_another_kind_is_refused(text: bytes, columns: int) -> None:
    with pytest.raises(ValueError, match=r"LOBSTER|number|convert|columns"):
        lobster.read(text, columns)


def test_a_time_is_read_to_the_nanosecond() -> None:
    assert lobster.read(b"57599.123456789,1,2,3,4,1\n", 6)[0, 0] == 57_599_123_456_789


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_events_of_fewer_rows_show_the_top_of_the_whole_book(days: Days, levels: int) -> None:
    """A level that comes into the window from behind is known: an INSERT at its bottom, from the messages alone."""
    name, messages, book = max(days, key=lambda day: day[2].shape[1])
    if book.shape[1] <= 4 * levels:
        pytest.skip("no LOBSTER day with more levels among the recordings")
    found = lobster.convert(messages[:5000], book[:5000], midnight=0, date=DAY, levels=levels)
    assert found.differing == 0 and found.levels > 5000 * levels * 2, name
    rows: list[list[tuple[int, int]]] = [[], []]
    events = found.events.tolist()
    for at, (ts, price, size, _, op, side, row, _) in enumerate(events):
        if op == INSERT:
            rows[side].insert(row, (price * found.unit, size))
            del rows[side][levels:]
        elif op == UPDATE:
            rows[side][row] = (price * found.unit, size)
        elif op == DELETE:
            del rows[side][row]
        if at + 1 == len(events) or events[at + 1][0] > ts:  # what the window does not show leaves no event
            message = int(np.searchsorted(messages[:5000, 0], ts, side="right")) - 1
            for each, first in ((ASK, 0), (BID, 2)):
                shown = [tuple(book[message, 4 * place + first : 4 * place + first + 2].tolist()) for place in range(levels)]
                assert rows[each] == shown, (message, each)


def test_the_recorded_days_are_their_books_row_by_row(days: Days) -> None:
    for name, messages, book in days:
        found = lobster.convert(messages, book, midnight=0, date=int(re.sub(r"\D", "", name)[:8]))
        assert found.differing == found.refused == 0 < found.levels, name
        assert found.revealing <= 0.35 * found.rows, name


def test_a_flipped_operation_in_a_recorded_day_is_found(days: Days) -> None:
    """Executions of the displayed book: their row must be there, so that taking and adding are told apart whatever the depth."""
    for name, messages, book in days:
        flipped = messages.copy()
        at = np.flatnonzero(messages[:, 1] == 4)
        flipped[at[len(at) // 2], 1] = 1
        assert lobster.convert(flipped, book, midnight=0, date=DAY).differing > 0, name
