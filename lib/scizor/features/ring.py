"""A ring of event records between one producer and one consumer, and the consumer's turn: undecorated, compiled for the CPU.

Cells are int64, each on a cache line of its own. HEAD is written by the producer alone, TAIL by the consumer alone, after
all that the events before it led to is published. A symbol's output has a version: odd while it is being written. What a
reader has not seen is what has another version than he remembers, so readers share no flag with the writer.
"""

from __future__ import annotations

from typing import Any

from scizor.features.formulas import evaluate
from scizor.features.steps import step
from scizor.market.book.rows import U

LINE = 8
HEAD, TAIL, STOP, HOLD, HELD, REFUSED = (LINE * i for i in range(6))
CELLS = LINE * 6
#: Events in one turn, at most: after so many, what changed is published.
TURN = 1024
#: Looks at a version before a reader gives up on a symbol that is written all the time; the next look finds it again.
TRIES = 1000


def load(cells: Any, index: int) -> int:
    """Atomic in compiled code (atomics.py)."""
    return int(cells[index])


def store(cells: Any, index: int, value: int) -> None:
    """Atomic in compiled code (atomics.py)."""
    cells[index] = value


def store_cell(cells: Any, index: int, value: int) -> None:
    """store, for a caller in Python."""
    store(cells, index, value)


def fence() -> None:
    """Nothing is moved past it, in compiled code."""


def push(cells: Any, ring: Any, events: Any) -> int:
    """Puts as many events as there is room for; returns how many."""
    head = load(cells, HEAD)
    room = ring.shape[0] - (head - load(cells, TAIL))
    count = min(room, events.shape[0])
    mask = ring.shape[0] - 1
    for i in range(count):
        ring[U((head + i) & mask)] = events[i]
    store(cells, HEAD, head + count)
    return int(count)


def turn(records: Any, table: Any, ring: Any, cells: Any, out: Any, versions: Any, marks: Any, touched: Any) -> int:
    """Takes what is there (at most TURN), applies it, publishes each touched symbol once. Returns how many events it took."""
    tail = load(cells, TAIL)
    count = min(load(cells, HEAD) - tail, TURN)
    mask = ring.shape[0] - 1
    symbols = records.shape[0]
    refused = 0
    changed = 0
    for i in range(count):
        event = ring[U((tail + i) & mask)]
        symbol = int(event["symbol"])
        if symbol < symbols and int(records[U(symbol)]["parameter"]) < table.shape[0]:
            rec = records[U(symbol)]
            refused += step(rec, table[U(rec["parameter"])], event)
            if marks[U(symbol)] == 0:
                marks[U(symbol)] = 1
                touched[U(changed)] = symbol
                changed += 1
        else:
            refused += 1
    for i in range(changed):
        symbol = int(touched[U(i)])
        rec = records[U(symbol)]
        version = load(versions, symbol)
        store(versions, symbol, version + 1)
        fence()
        evaluate(rec, table[U(rec["parameter"])], 0, out[U(symbol)])
        store(versions, symbol, version + 2)
        marks[U(symbol)] = 0
    if refused > 0:
        store(cells, REFUSED, load(cells, REFUSED) + refused)
    store(cells, TAIL, tail + count)
    return count


def turns(records: Any, table: Any, ring: Any, cells: Any, out: Any, versions: Any, marks: Any, touched: Any) -> int:
    """Turns until nothing is left."""
    total = 0
    count = 1
    while count > 0:
        count = turn(records, table, ring, cells, out, versions, marks, touched)
        total += count
    return total


def spin(records: Any, table: Any, ring: Any, cells: Any, out: Any, versions: Any, marks: Any, touched: Any) -> None:
    """Turns without rest, until STOP; while HOLD is set it touches nothing, and says so in HELD."""
    while load(cells, STOP) == 0:
        if load(cells, HOLD) != 0:
            store(cells, HELD, 1)
            while load(cells, HOLD) != 0 and load(cells, STOP) == 0:
                pass
            store(cells, HELD, 0)
        turn(records, table, ring, cells, out, versions, marks, touched)


def reached(cells: Any, index: int, value: int, looks: int) -> bool:
    """Looks at a cell until it is `value` or more, `looks` times at most."""
    for _ in range(looks):  # noqa: SIM110 numba compiles no generator
        if load(cells, index) >= value:
            return True
    return False


def changed_since(out: Any, versions: Any, seen: Any, into: Any) -> int:
    """Copies the outputs that have another version than `seen` into `into`, whole ones only, and brings `seen` up to date."""
    count = 0
    for symbol in range(versions.shape[0]):
        if load(versions, symbol) != seen[symbol]:
            for _ in range(TRIES):
                before = load(versions, symbol)
                if before & 1 == 0:
                    into[count] = out[symbol]
                    fence()
                    if load(versions, symbol) == before:
                        seen[symbol] = before
                        count += 1
                        break
    return count
