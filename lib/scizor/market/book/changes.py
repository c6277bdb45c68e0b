"""Events applied to bare books, without signals: guards and loop, undecorated.

No operation reaches a row before it has passed its guard: compiled code checks no bounds.
"""

from __future__ import annotations

from typing import Any

from scizor.market.book.layout import (
    ABSENT,
    CROSSED,
    HALTED,
    IS_CROSSED,
    LOST,
    OP,
    PRICE,
    REFUSED,
    RESUBSCRIBE,
    ROW,
    SIDE,
    SIZE,
    TIME,
    WAITING,
)
from scizor.market.book.rows import U, best, clear, has_both_sides, locate, put, put_full, take
from scizor.market.events import CLOCK, DELETE, HALT, INSERT, LEVEL, OFF_GRID, RESET, RESUME, TRADE, UNKNOWN, UPDATE

INLINED = ("change", "change_level", "change_row", "look")


def count(book: Any, what: int) -> None:
    """One more of layout.COUNTERS; it stops at its end and does not begin anew."""
    before = int(book["counters"][what])
    if before < 4294967295:
        book["counters"][what] = before + 1


def refuse(book: Any, what: int) -> int:
    """Counts, flags, and says 1: one event was not applied."""
    count(book, what)
    book["flags"] = int(book["flags"]) | REFUSED | (RESUBSCRIBE if what == ROW else 0)
    return 1


def look(book: Any) -> None:
    """After a change at the best: is the book crossed, and are both sides there again?"""
    flags = int(book["flags"])
    if has_both_sides(book):
        if best(book, 1) >= best(book, 0):
            count(book, CROSSED)
            book["flags"] = (flags | IS_CROSSED) & ~WAITING
        elif flags & (IS_CROSSED | WAITING):
            book["flags"] = flags & ~(IS_CROSSED | WAITING)
    elif flags & IS_CROSSED:
        book["flags"] = flags & ~IS_CROSSED


def change_row(book: Any, room: int, op: int, side: int, row: int, price: int, size: int) -> int:
    """IB's operations by position: insert 0 <= row <= rows, row < room; update and delete 0 <= row < rows. 1 if refused."""
    rows = int(book["rows"][side])
    index = rows - 1 - row
    if op == INSERT:
        if row > rows or row >= room:
            return refuse(book, ROW)
        if rows < room:
            put(book, side, index + 1, price, size)
        else:
            put_full(book, side, index + 1, price, size)
    elif index < 0:
        return refuse(book, ROW)
    elif op == UPDATE:
        book["price"][side, U(index)] = price
        book["size"][side, U(index)] = size
    else:
        take(book, side, index)
    if row == 0:
        look(book)
    return 0


def change_level(book: Any, room: int, side: int, price: int, size: int) -> int:
    """By price: sets, inserts or (size 0) removes the level. Never refused."""
    found = locate(book, side, price)
    index = found >> 1
    rows = int(book["rows"][side])
    if found & 1:
        if size > 0:
            book["size"][side, U(index)] = size
            return 0
        take(book, side, index)
        if index == rows - 1:
            look(book)
    elif size == 0:
        count(book, ABSENT)
    elif rows < room:
        put(book, side, index, price, size)
        if index == rows:
            look(book)
    elif index == 0:
        count(book, LOST)
    else:
        count(book, LOST)
        put_full(book, side, index, price, size)
        if index == rows:
            look(book)
    return 0


def refusal(book: Any, event: Any) -> int:
    """Which of layout.COUNTERS speaks against the event, or -1. The order decides where several do."""
    op = int(event["op"])
    size = int(event["size"])
    if op > CLOCK:
        return OP
    if int(event["ts"]) < int(book["ts"]):
        return TIME
    if (op <= LEVEL and int(event["side"]) > 1) or (op == TRADE and int(event["side"]) > UNKNOWN):
        return SIDE
    if op <= TRADE and (size < 0 or (size == 0 and op == TRADE)):
        return SIZE
    if op <= TRADE and op != DELETE and int(event["price"]) == OFF_GRID:
        return PRICE
    return -1


def change(book: Any, event: Any) -> int:
    """One event. 1 if it was refused."""
    ts = int(event["ts"])
    op = int(event["op"])
    side = int(event["side"])
    price = int(event["price"])
    size = int(event["size"])
    # one branch that is never taken, where a guard each would be five
    if (op > LEVEL) | (ts < int(book["ts"])) | (side > 1) | (size < 0) | (price == OFF_GRID):
        return change_rarely(book, event)
    book["ts"] = ts
    room = int(book["room"])
    if op == LEVEL:
        return change_level(book, room, side, price, size)
    return change_row(book, room, op, side, int(event["row"]), price, size)


def change_rarely(book: Any, event: Any) -> int:
    """What is no change of a row, or seems to be none that may be made."""
    why = refusal(book, event)
    if why >= 0:
        return refuse(book, why)
    op = int(event["op"])
    book["ts"] = int(event["ts"])
    if op == DELETE:
        side, row = int(event["side"]), int(event["row"])
        return change_row(book, int(book["room"]), op, side, row, int(event["price"]), int(event["size"]))
    if op in (RESET, HALT):
        clear(book)
        book["flags"] = (int(book["flags"]) | WAITING | (HALTED if op == HALT else 0)) & ~(IS_CROSSED | RESUBSCRIBE)
    elif op == RESUME:
        book["flags"] = int(book["flags"]) & ~HALTED
    return 0


def change_all(books: Any, events: Any) -> int:
    """All events in their order. Returns how many were refused; one of a symbol that is not there is among them."""
    refused = 0
    for i in range(events.shape[0]):
        event = events[i]
        symbol = int(event["symbol"])
        if symbol < books.shape[0]:
            refused += change(books[symbol], event)
        else:
            refused += 1
    return refused
