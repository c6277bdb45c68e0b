"""Databento Binary Encoding (DBN 1 to 3): market by order, market by price, and trades, as events.

Format (databento.com/docs/standards-and-conventions/databento-binary-encoding): metadata, then records that begin with their own
length in words of four bytes, record type, publisher, instrument and time. All integers are little-endian, prices are 1e-9 of a
unit. What is needed of it is three dtypes and one table, so it is read with numpy, at the speed of memory; the vendor's library
makes a Python object of each record (a hundred times slower), and would be one more thing to install. The tests compare with it.

Market by order: orders are kept by id, and each level that changes is a LEVEL event. A fill (F) and its trade (T) change no book:
the cancel or modify that follows does. Snapshot records fill the book before the first live one. Market by price: pictures of the
first ten levels, as position ops. Time is `ts_recv`, which never goes backwards; an order's own time in a snapshot is days old.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from scizor.market.events import ASK, BID, LAST, LEVEL, RESET, TRADE, UNKNOWN
from scizor.market.feeds.positions import Op, Raw, differences, records, write

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Records = NDArray[np.void]

PRICE_NONE = 2**63 - 1
TIME_NONE = 2**63  # from here on: not told, or no time
PRICES_MAX = 2**31 - 1
SIZE_MAX = 2**31 - 1
MBO, TRADES, MBP_1, MBP_10 = 160, 0, 1, 10
_HEAD = [("length", "u1"), ("rtype", "u1"), ("publisher", "<u2"), ("instrument", "<u4"), ("ts_event", "<u8")]
_LEVEL = [("bid_price", "<i8"), ("ask_price", "<i8"), ("bid_size", "<u4"), ("ask_size", "<u4"), ("bid_count", "<u4"), ("ask_count", "<u4")]
_PRICED = [
    *_HEAD, ("price", "<i8"), ("size", "<u4"), ("action", "S1"), ("side", "S1"), ("flags", "u1"), ("depth", "u1"),
    ("ts_recv", "<u8"), ("ts_in_delta", "<i4"), ("sequence", "<u4"),
]  # fmt: skip
_ORDER = [
    *_HEAD, ("order", "<u8"), ("price", "<i8"), ("size", "<u4"), ("flags", "u1"), ("channel", "u1"), ("action", "S1"), ("side", "S1"),
    ("ts_recv", "<u8"), ("ts_in_delta", "<i4"), ("sequence", "<u4"),
]  # fmt: skip
#: numpy dtype of the record types that are read; their sizes are asserted against the records' own lengths.
LAYOUTS: dict[int, list[Any]] = {
    MBO: _ORDER, TRADES: _PRICED, MBP_1: [*_PRICED, ("levels", _LEVEL, (1,))], MBP_10: [*_PRICED, ("levels", _LEVEL, (10,))],
}  # fmt: skip
_SIDES = {b"A": ASK, b"B": BID}
_LAST, _SNAPSHOT = 0x80, 0x20


@dataclass(frozen=True, slots=True)
class Metadata:
    """symbols: instrument id to the symbol that was asked for, where the file tells it. start, stop: of what was asked for, ns
    UTC, 0 where it is open. end: offset of the first record."""

    version: int
    schema: int
    start: int
    stop: int
    symbols: dict[int, str]
    end: int

    def names(self) -> dict[int, str]:
        """A name of its own for each instrument: the symbol, and where several have one (ES.FUT), the instrument as well."""
        count = Counter(self.symbols.values())
        return {each: name if count[name] == 1 else f"{name}:{each}" for each, name in self.symbols.items()}


@dataclass(frozen=True, slots=True)
class Converted:
    """events: dtype EVENT, symbol is the place in `instruments`. units: 1e-9 of a price in a tick, for each instrument.

    seeded: how many of the events fill the book from a snapshot. refused: what could not be, by its reason.
    """

    events: Records
    instruments: list[int]
    units: list[int]
    seeded: int
    refused: Counter[str]


def metadata(data: bytes) -> Metadata:
    """Of an unpacked file. ValueError when it is none, or of a version that is not known."""
    if data[:3] != b"DBN" or len(data) < 8:
        raise ValueError("this is no DBN file: it does not begin with DBN")
    version, end = data[3], 8 + int.from_bytes(data[4:8], "little")
    if not 1 <= version <= 3 or end > len(data):
        raise ValueError(f"DBN version {version} is not known" if not 1 <= version <= 3 else "the metadata is cut short")
    schema, start, stop = (int.from_bytes(data[at:to], "little") for at, to in ((24, 26), (26, 34), (34, 42)))
    at = 26 + 24 + (8 if version == 1 else 0)  # start, end, limit; version 1 has a record count
    at += 3  # stype_in, stype_out, ts_out
    width = 22 if version == 1 else int.from_bytes(data[at : at + 2], "little")
    at = 8 + 100  # the fixed part, padded
    at += 4 + int.from_bytes(data[at : at + 4], "little")  # the schema definition, empty so far
    symbols: dict[int, str] = {}
    for _ in range(3):  # symbols, partial, not found
        at += 4 + width * int.from_bytes(data[at : at + 4], "little")
    count = int.from_bytes(data[at : at + 4], "little")
    at += 4
    for _ in range(count):
        if at > end:
            raise ValueError("the metadata is not as its version says")
        raw = _text(data[at : at + width])
        intervals = int.from_bytes(data[at + width : at + width + 4], "little")
        at += width + 4
        for _ in range(intervals):
            if at > end:
                raise ValueError("the metadata is not as its version says")
            told = _text(data[at + 8 : at + 8 + width])
            if told.isdigit():
                symbols[int(told)] = raw
            elif raw.isdigit():
                symbols[int(raw)] = told
            at += 8 + width
    return Metadata(version, schema, start, stop if stop < PRICE_NONE else 0, symbols, end)


def read(data: bytes, kind: int, start: int) -> Records:
    """All records of type `kind` (MBO, TRADES, MBP_1, MBP_10) from offset `start`. ValueError where a length is wrong."""
    import numpy as np

    layout = np.dtype(LAYOUTS[kind])
    body = np.frombuffer(data, np.uint8, offset=start)
    if not len(body):
        return np.empty(0, layout)
    size = 4 * int(body[0])
    if size >= layout.itemsize and len(body) % size == 0:  # one kind alone, as in a file of one schema
        table = body.reshape(-1, size)
        if (table[:, 0] == body[0]).all() and (table[:, 1] == kind).all():
            return np.ascontiguousarray(table[:, : layout.itemsize]).view(layout).ravel()
    found, at = [], 0
    lengths = body.tobytes()
    while at < len(lengths):
        size = 4 * lengths[at]
        if not size or at + size > len(lengths):
            raise ValueError(f"the record at byte {start + at} is cut short")
        if lengths[at + 1] == kind:
            if size < layout.itemsize:
                raise ValueError(f"the record at byte {start + at} has {size} bytes, expected {layout.itemsize}")
            found.append(lengths[at : at + layout.itemsize])
        at += size
    return np.frombuffer(b"".join(found), layout)


def kind_of(data: bytes, start: int) -> int:
    """The first record type that is one of ours. ValueError where there is none."""
    at = start
    while at < len(data):
        if data[at + 1] in LAYOUTS:
            return data[at + 1]
        if not data[at]:
            break
        at += 4 * data[at]
    raise ValueError("there is neither depth nor a trade in it")


def convert(found: Records, kind: int, levels: int = 10) -> Converted:
    """Records of one type, in the order of the file. levels: how many rows market by price keeps."""
    refused: Counter[str] = Counter()
    has_time = found["ts_recv"] < TIME_NONE
    if not has_time.all():
        refused["no time"] = int((~has_time).sum())
        found = found[has_time]
    instruments = [int(each) for each in dict.fromkeys(found["instrument"].tolist())]
    units = [_unit(found[found["instrument"] == each], kind) for each in instruments]
    place = {each: at for at, each in enumerate(instruments)}
    if kind == MBO:
        raw, seeded = _orders(found, place, units, refused)
    elif kind == TRADES:
        raw, seeded = _trades(found, place, units, refused), 0
    else:
        raw, seeded = _pictures(found, place, units, refused, min(levels, kind)), 0
    return Converted(records(raw), instruments, units, seeded, refused)


def _orders(found: Records, place: dict[int, int], units: list[int], refused: Counter[str]) -> tuple[list[Raw], int]:
    orders: dict[tuple[int, int], tuple[int, int, int]] = {}  # side, price, size
    totals: dict[tuple[int, int, int], int] = {}
    out: list[Raw] = []
    seeded = 0
    names = ("instrument", "order", "price", "size", "flags", "action", "side", "ts_recv")

    def change(symbol: int, side: int, price: int, by: int, ts: int) -> None:
        key = (symbol, side, price)
        total = totals.get(key, 0) + by
        if total > 0:
            totals[key] = total
        else:
            totals.pop(key, None)
        if total > SIZE_MAX:
            refused["level too large"] += 1
            return
        out.append((ts, price, max(0, total), symbol, LEVEL, side, 0, 0))

    for instrument, order, price, size, flags, action, letter, ts in found[list(names)].tolist():
        symbol = place[instrument]
        before = len(out)
        side = _SIDES.get(letter, UNKNOWN)
        tick, off = divmod(price, units[symbol])
        is_priced = price != PRICE_NONE and not off and abs(tick) <= PRICES_MAX
        if action == b"T":
            if is_priced and size <= SIZE_MAX:
                out.append((ts, tick, size, symbol, TRADE, side, 0, 0))
            else:
                refused["trade without a price"] += 1
        elif action == b"R":
            for key in [key for key in orders if key[0] == symbol]:
                del orders[key]
            for each in [each for each in totals if each[0] == symbol]:
                del totals[each]
            out.append((ts, 0, 0, symbol, RESET, UNKNOWN, 0, 0))
        elif action in (b"A", b"C", b"M"):
            key = (symbol, order)
            held = orders.get(key)
            if action != b"C" and (side == UNKNOWN or not is_priced or size > SIZE_MAX):
                refused["order without side, price or size"] += 1
            elif action == b"C" and held is None:
                refused["cancel of an unknown order"] += 1
            elif action == b"C" and held is not None:
                left = max(0, held[2] - size)
                change(symbol, held[0], held[1], left - held[2], ts)
                if left:
                    orders[key] = (held[0], held[1], left)
                else:
                    del orders[key]
            else:
                if held is not None and held[:2] == (side, tick):
                    if size != held[2]:
                        change(symbol, side, tick, size - held[2], ts)
                else:
                    if held is not None:
                        change(symbol, held[0], held[1], -held[2], ts)
                    change(symbol, side, tick, size, ts)
                if size:
                    orders[key] = (side, tick, size)
                else:
                    orders.pop(key, None)
        if flags & _SNAPSHOT:
            seeded += len(out) - before
        if flags & _LAST and out and out[-1][0] == ts:
            *rest, mark = out[-1]
            out[-1] = (*rest, mark | LAST)  # type: ignore[assignment]
    return out, seeded


def _trades(found: Records, place: dict[int, int], units: list[int], refused: Counter[str]) -> list[Raw]:
    out: list[Raw] = []
    names = ("instrument", "price", "size", "side", "ts_recv")
    for instrument, price, size, letter, ts in found[list(names)].tolist():
        symbol = place[instrument]
        tick, off = divmod(price, units[symbol])
        if price == PRICE_NONE or off or abs(tick) > PRICES_MAX or size > SIZE_MAX:
            refused["trade without a price"] += 1
            continue
        out.append((ts, tick, size, symbol, TRADE, _SIDES.get(letter, UNKNOWN), 0, LAST))
    return out


def _pictures(found: Records, place: dict[int, int], units: list[int], refused: Counter[str], levels: int) -> list[Raw]:
    out: list[Raw] = []
    shown: dict[int, tuple[list[tuple[int, int]], list[tuple[int, int]]]] = {}
    names = ("instrument", "price", "size", "action", "side", "ts_recv", "levels")
    for instrument, price, size, action, letter, ts, rows in found[list(names)].tolist():
        symbol = place[instrument]
        unit = units[symbol]
        if action == b"T":
            if price != PRICE_NONE and not price % unit and size <= SIZE_MAX:
                out.append((ts, price // unit, size, symbol, TRADE, _SIDES.get(letter, UNKNOWN), 0, LAST))
            else:
                refused["trade without a price"] += 1
        before = shown.get(symbol, ([], []))
        asks, bids = _picture([(row[1], row[3]) for row in rows[:levels]], unit, 1), _picture([(row[0], row[2]) for row in rows[:levels]], unit, -1)
        if asks is None or bids is None:
            refused["picture that is no book"] += 1
            continue
        ops: list[tuple[int, Op]] = [(ASK, op) for op in differences(before[0], asks, ASK, levels)]
        ops += [(BID, op) for op in differences(before[1], bids, BID, levels)]
        write(out, ts, symbol, ops)
        shown[symbol] = (asks, bids)
    return out


def _picture(rows: list[tuple[int, int]], unit: int, sign: int) -> list[tuple[int, int]] | None:
    """(tick, size) of the rows that are there, the best first; None where they are not in order or not of this world."""
    found = [(price // unit, size) for price, size in rows if price != PRICE_NONE and size]
    is_ordered = all(sign * (behind[0] - before[0]) > 0 for before, behind in pairwise(found))
    return found if is_ordered and all(abs(price) <= PRICES_MAX and size <= SIZE_MAX for price, size in found) else None


def _unit(found: Records, kind: int) -> int:
    """The largest tick on which every price lies, in 1e-9."""
    import numpy as np

    columns = [found["price"]]
    if kind in (MBP_1, MBP_10):
        columns += [found["levels"]["bid_price"].ravel(), found["levels"]["ask_price"].ravel()]
    prices = np.unique(np.concatenate(columns))
    known = prices[(prices != PRICE_NONE) & (prices != 0)]
    return abs(int(np.gcd.reduce(known))) if len(known) else 1


def _text(raw: bytes) -> str:
    return raw.split(b"\0", 1)[0].decode("utf-8", "replace")


