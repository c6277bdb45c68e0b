"""K6: LOBSTER's messages make LOBSTER's book, level by level, and the kernel's rows are the same; planted: one flipped operation.

Each recorded day whole: the messages are applied, every known level is compared with the file's after every message, and the position
ops that come of it go through the kernel's book, whose rows are compared with the file's again. A reveal is a level that the file
shows behind the last known one. Planted: in each day, one at a time, some partial cancels become additions, and some prints of the
displayed book their opposite side; the smallest number of differing levels of all plants must be above zero.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np

from scizor.jobs import features_input
from scizor.market import book
from scizor.market.events import ASK, BID, LAST, UPDATE
from scizor.market.feeds import lobster
from scizor.market.feeds.lobster import Converted
from scizor.market.feeds.positions import LEVELS_MAX
from tests.bench.kernel_recordings import pieces

PLANTS = 5
PLANTED_ROWS = 20_000  # a plant is looked for in so many messages around it


def figures(report: Callable[[str], None]) -> list[dict[str, Any]]:
    differing = kernel_differing = compared = 0
    share, planted, days = 0.0, list[int](), 0
    for piece in pieces("LOBSTER", bytes_min=0):
        messages, table = features_input.lobster_tables(piece)
        assert piece.first is not None
        found = convert(messages, table, piece.first)
        rows = rows_that_differ(found, table, messages[:, 0])
        flips = [plant(messages, table, piece.first, at) for at in places(messages)]
        report(
            f"{piece.symbols[0]} {piece.first} {piece.levels} levels: {found.rows:,} messages, {found.levels:,} levels compared, "
            f"{found.differing} differ; {rows} of the kernel's; reveals {found.revealing / found.rows:.3f}; flipped {flips}"
        )  # fmt: skip
        differing += found.differing + found.refused
        kernel_differing += rows
        compared += found.levels
        share = max(share, found.revealing / found.rows)
        planted += flips
        days += 1
    same = {"n": compared, "rival": f"the book files of {days} recorded days"}
    if not days:
        report("no LOBSTER day among the recordings: ../shared/data or SCIZOR_RECORDINGS")
        return [
            {"id": "K6", "name": name, "value": None, "unit": "", "op": op, "bar": bar, **same}
            for name, op, bar in (("levels that differ", "==", 0), ("rows that differ in the kernel", "==", 0), ("share of rows with a reveal", "<=", 0.35))
        ]
    return [
        {"id": "K6", "name": "levels that differ", "value": differing, "unit": "", "op": "==", "bar": 0, "planted": min(planted, default=0), **same},
        {"id": "K6", "name": "rows that differ in the kernel", "value": kernel_differing, "unit": "", "op": "==", "bar": 0,
         "planted": rows_that_differ(replace(found, events=spoiled(found.events)), table, messages[:, 0]), **same},
        {"id": "K6", "name": "share of rows with a reveal, the most of a day", "value": share, "unit": "", "op": "<=", "bar": 0.35, **same},
    ]  # fmt: skip


def convert(messages: np.ndarray, table: np.ndarray, day: date) -> Converted:
    return lobster.convert(messages, table, midnight=0, date=int(day.strftime("%Y%m%d")))


def rows_that_differ(found: Converted, table: np.ndarray, times: np.ndarray) -> int:
    """The kernel's position book after each message against the file's row. One message is the events up to a LAST; of a file
    that is deeper than the kernel's rows some messages leave no event, and the last of each instant is compared."""
    levels = min(table.shape[1] // 4, LEVELS_MAX)
    books = book.make_books(1, levels)
    ends = np.flatnonzero(found.events["flags"] & LAST) + 1
    rows = np.arange(found.rows)
    if table.shape[1] // 4 > LEVELS_MAX:
        instants = found.events["ts"][ends - 1]
        ends = ends[np.append(instants[1:] > instants[:-1], True)]
        rows = np.searchsorted(times, found.events["ts"][ends - 1], side="right") - 1
    elif len(ends) != found.rows:
        return abs(len(ends) - found.rows)  # a message was lost, or told twice
    columns = {side: (table[:, first : 4 * levels : 4], table[:, first + 1 : 4 * levels : 4]) for side, first in ((ASK, 0), (BID, 2))}
    wrong = at = 0
    for message, end in zip(rows.tolist(), ends.tolist(), strict=True):
        wrong += book.apply(books, found.events[at:end])
        for side in (ASK, BID):
            prices, sizes = book.levels(books, 0, side)
            shown, held = columns[side][0][message], columns[side][1][message]
            known = np.count_nonzero(np.abs(shown) < lobster.DUMMY)
            is_same = len(prices) == known and (prices.astype(np.int64) * found.unit == shown[:known]).all() and (sizes == held[:known]).all()
            wrong += not is_same
        at = end
    return wrong


def places(messages: np.ndarray) -> list[int]:
    """Messages whose level must be known: cancels of a part, and executions of the displayed book. Spread over the day."""
    certain = np.flatnonzero((messages[:, 1] == 2) | (messages[:, 1] == 4))
    certain = certain[certain > 0]
    return certain[np.linspace(0, len(certain) - 1, min(PLANTS, len(certain))).astype(int)].tolist()


def plant(messages: np.ndarray, table: np.ndarray, day: date, at: int) -> int:
    """Levels that differ when message `at` says the opposite: an addition for a cancel, a new order for an execution."""
    begin = max(0, at - PLANTED_ROWS // 2)
    part = messages[begin : at + PLANTED_ROWS // 2].copy()
    part[at - begin, 1] = 1
    return convert(part, table[begin : at + PLANTED_ROWS // 2], day).differing


def spoiled(events: np.ndarray) -> np.ndarray:
    """The day's last change of a row on the other side of the book."""
    wrong = events.copy()
    at = int(np.flatnonzero(wrong["op"] == UPDATE)[-1])
    wrong["side"][at] = ASK + BID - wrong["side"][at]
    return wrong


if __name__ == "__main__":
    for each in figures(print):
        print(each)
