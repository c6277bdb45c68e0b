"""Whatever bytes come, an adapter refuses or converts: no other exception, no event that the record cannot hold, no endless loop."""

from __future__ import annotations

import random
import struct
from decimal import Decimal

import numpy as np
import pytest

from scizor.market.feeds import databento, event_file, lobster, snapshots
from scizor.market.feeds.ib_depth import IbDepth
from scizor.market.feeds.iqfeed_depth import IqFeedDepth
from scizor.market.feeds.iqfeed_l1 import IqFeedL1
from scizor.market.feeds.positions import Raw, from_levels, records

SEED = 20261127
ROUNDS = 400


def mutated(source: random.Random, data: bytes) -> bytes:
    """Some bytes changed, sometimes cut short, sometimes a piece twice."""
    spoiled = bytearray(data)
    for _ in range(source.randint(1, 8)):
        spoiled[source.randrange(len(spoiled))] = source.choice([0, 1, 0x2C, 0x2D, 0x7F, 0xFF, source.randrange(256)])
    if source.random() < 0.3:
        del spoiled[source.randrange(len(spoiled)) :]
    if source.random() < 0.2:
        at = source.randrange(len(spoiled) + 1)
        spoiled[at:at] = spoiled[: source.randrange(40)]
    return bytes(spoiled)


def fits(raw: list[Raw]) -> None:
    """The record holds it, and no size is negative."""
    found = records(raw)
    assert (found["size"] >= 0).all() and found.tolist() == raw


def dbn() -> bytes:
    width = 22
    fixed = b"GLBX.MDP3".ljust(16, b"\0") + struct.pack("<HQQQQBBB", 0, 1, 2, 0, 0, 1, 0, 0)
    body = fixed.ljust(100, b"\0") + struct.pack("<IIII", 0, 0, 0, 0) + struct.pack("<I", 1) + b"X".ljust(width, b"\0")
    body += struct.pack("<III", 1, 0, 0) + b"7".ljust(width, b"\0")
    data = b"DBN\x01" + struct.pack("<I", len(body)) + body
    for number in range(12):
        action, side = random.Random(number).choice(["A", "C", "M", "T", "R"]), random.Random(number).choice(["A", "B", "N"])
        data += struct.pack("<BBHIQ", 14, databento.MBO, 1, 7, number)
        data += struct.pack("<QqIBBccQiI", number // 2, 10**9 * (100 + number), 5, 128, 0, action.encode(), side.encode(), number, 0, 0)
    return data


def test_DBN_of_any_bytes() -> None:
    source, whole, converted = random.Random(SEED), dbn(), 0
    for _ in range(ROUNDS):
        data = mutated(source, whole)
        try:
            about = databento.metadata(data)
            kind = databento.kind_of(data, about.end)
            found = databento.convert(databento.read(data, kind, about.end), kind)
        except ValueError:
            continue
        assert (found.events["size"] >= 0).all() and set(found.events["side"].tolist()) <= {0, 1, 2}
        from_levels(found.events, 3)
        converted += 1
    assert ROUNDS // 10 < converted < ROUNDS, "nothing was tried, or nothing was spoiled"


def test_lobster_tables_of_any_numbers() -> None:
    source, compared = np.random.default_rng(SEED), 0
    for _ in range(ROUNDS // 4):
        messages = np.column_stack([
            np.sort(source.integers(0, 10**6, 60)), source.integers(-1, 9, 60), source.integers(0, 9, 60),
            source.choice([-5, 0, 1, 7, 2**31, 2**40], 60), source.choice([-1, 0, 1, 9900, 10000, 10100, lobster.DUMMY], 60), source.integers(-1, 2, 60),
        ])  # fmt: skip
        book = source.choice([-lobster.DUMMY, lobster.DUMMY, 0, 5, 9900, 10000, 10100], (60, 8))
        found = lobster.convert(messages, book, midnight=0, date=20120621)
        assert found.refused > 0 and (found.events["size"] >= 0).all()
        compared += found.levels
    assert compared, "no row was a book"


def test_iqfeed_lines_of_any_text() -> None:
    lines = [
        "7,X,B,2938.25,65,11,2,20:31:04.876740,2019-04-23,", "9,X,A,2938.25,20:31:04.876740,2019-04-23,", "Z,X,M,29.,30,65,23,20:31:04,2019-04-23,52,20:31:04,T,T,F,",
        "4,X,,EDGX,A,312.85,40,,4,10:22:21.774268,2026-08-24,", "5,X,,EDGX,B,,2026-08-24,", "S,CLEAR DEPTH,X,B,", "T,20180709 14:18:31",
        "Q,X,322.91,13,16:53:16.164236,11,3,322.87,100,323.00,3300,,,,,Cba,8717,", "S,CURRENT UPDATE FIELDNAMES,Symbol,Bid,Ask",
    ]  # fmt: skip
    source, told = random.Random(SEED), 0
    depth, level1 = IqFeedDepth({"X": 0}, Decimal("0.01")), IqFeedL1({"X": 0}, "2026-08-24", quotes=True)
    for _ in range(ROUNDS * 10):
        line = mutated(source, source.choice(lines).encode()).decode("utf-8", "replace") if source.random() < 0.7 else source.choice(lines)
        raw = [*depth.feed(line), *level1.feed(line)]
        fits(raw)
        told += len(raw)
    assert told and depth.refused and level1.refused


def test_ib_rows_of_any_numbers() -> None:
    source, depth, told = random.Random(SEED), IbDepth(0.01, levels=3), 0
    odd = [float("nan"), float("inf"), -1.0, 0.0, 1e300, 2.0**31, 0.005]
    for ts in range(ROUNDS * 10):
        price = source.choice(odd) if source.random() < 0.05 else 10 + source.randrange(8) / 100
        size = source.choice(odd) if source.random() < 0.05 else float(source.randrange(9))
        raw = depth.update(ts, source.choice([-1, 0, 0, 1, 1, 2, 3, 70]), source.choice([0, 0, 1, 1, 2, 3]), source.choice([0, 1, 1, 0, 2]), price, size)
        fits(raw)
        told += len(raw)
        if source.random() < 0.001:
            fits(depth.reset(ts))
    assert told > ROUNDS and len(depth.refused) >= 5


def test_pictures_and_event_files_of_any_bytes() -> None:
    text = b"Bid,A\nTimeStamp,2014-01-09D09:00:00.1\n6755.0,60,6770,34\n6750,55,6775,67\nTimeStamp,2014-01-09D09:00:01.5\n6755.0,50,6775,67\n"
    file = event_file.encode(event_file.Header(("X",), ("0.01",), 3)) + records([(1, 2, 3, 0, 0, 0, 0, 1)]).tobytes()
    source = random.Random(SEED)
    for _ in range(ROUNDS):
        pictures = snapshots.read(mutated(source, text).decode("utf-8", "replace").splitlines(), "Asia/Singapore")
        try:
            fits(snapshots.convert(pictures.found, max(1, pictures.levels))[0])
        except ValueError as problem:
            assert "price" in str(problem)
        try:
            event_file.decode(mutated(source, file[:120]) + file[120:])
        except ValueError:
            continue


@pytest.mark.parametrize("levels", [0, 17])
def test_a_book_of_no_rows_or_of_too_many_is_refused(levels: int) -> None:
    with pytest.raises(ValueError, match="not a book"):
        IbDepth(0.01, levels=levels)
