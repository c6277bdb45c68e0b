"""DBN: built byte by byte for each version, the recorded ES session whole, and the vendor's own reader where it is installed."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import zstandard

from scizor.market.events import ASK, BID, DELETE, INSERT, LAST, LEVEL, RESET, TRADE, UPDATE
from scizor.market.feeds import databento

TICK = 250_000_000
NAMES = ("op", "side", "price", "size")


def header(version: int, schema: int, symbol: str = "ESH4", instrument: int = 17077) -> bytes:
    width = 22 if version == 1 else 71
    fixed = b"GLBX.MDP3".ljust(16, b"\0") + struct.pack("<HQQQ", schema, 1, 2, 0)
    fixed += struct.pack("<Q", 0) if version == 1 else b""
    fixed += struct.pack("<BBB", 1, 0, 0) + (struct.pack("<H", width) if version > 1 else b"")
    name = symbol.encode().ljust(width, b"\0")
    body = fixed.ljust(100, b"\0") + struct.pack("<II", 0, 1) + name + struct.pack("<III", 0, 0, 1)
    body += name + struct.pack("<III", 1, 20231225, 20231226) + str(instrument).encode().ljust(width, b"\0")
    return b"DBN" + bytes([version]) + struct.pack("<I", len(body)) + body


def order(action: str, side: str, number: int, price: int, size: int, *, flags: int = 128, ts: int = 1) -> bytes:
    head = struct.pack("<BBHIQ", 14, databento.MBO, 1, 17077, ts)
    return head + struct.pack("<QqIBBccQiI", number, price, size, flags, 0, action.encode(), side.encode(), ts, 0, 0)


def converted(*raw: bytes) -> databento.Converted:
    return databento.convert(databento.read(b"".join(raw), databento.MBO, 0), databento.MBO)


def unpacked(path: Path) -> bytes:
    data = path.read_bytes()
    return zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data)).read() if path.suffix == ".zst" else data


@pytest.mark.parametrize("version", [1, 2, 3])
def test_the_metadata_of_each_version_names_the_instrument(version: int) -> None:
    data = header(version, 0) + order("A", "B", 1, 4000 * TICK, 1)
    found = databento.metadata(data)
    assert found.symbols == {17077: "ESH4"} and found.version == version
    assert databento.kind_of(data, found.end) == databento.MBO
    assert len(databento.read(data, databento.MBO, found.end)) == 1


def test_instruments_of_one_parent_have_names_of_their_own() -> None:
    about = databento.Metadata(3, 0, 0, 0, {1: "ES.FUT", 2: "ES.FUT", 3: "NQH4"}, 0)
    assert about.names() == {1: "ES.FUT:1", 2: "ES.FUT:2", 3: "NQH4"}


def test_orders_add_up_to_levels() -> None:
    found = converted(
        order("A", "B", 1, 4000 * TICK, 5, flags=168), order("A", "B", 2, 4000 * TICK, 3), order("M", "B", 1, 4000 * TICK, 2),
        order("M", "B", 2, 4001 * TICK, 3), order("T", "A", 0, 4001 * TICK, 1, flags=0), order("F", "B", 2, 4001 * TICK, 1, flags=0),
        order("C", "B", 2, 4001 * TICK, 1), order("C", "B", 2, 4001 * TICK, 2), order("R", "N", 0, databento.PRICE_NONE, 0),
    )  # fmt: skip
    assert [tuple(int(row[name]) for name in NAMES) for row in found.events] == [
        (LEVEL, BID, 4000, 5), (LEVEL, BID, 4000, 8), (LEVEL, BID, 4000, 5), (LEVEL, BID, 4000, 2), (LEVEL, BID, 4001, 3),
        (TRADE, ASK, 4001, 1), (LEVEL, BID, 4001, 2), (LEVEL, BID, 4001, 0), (RESET, 2, 0, 0),
    ]  # fmt: skip
    assert found.seeded == 1 and found.units == [TICK] and not found.refused
    assert [int(each) for each in found.events["flags"]] == [LAST, LAST, LAST, 0, LAST, 0, LAST, LAST, LAST]


def test_what_cannot_be_is_refused_and_counted() -> None:
    found = converted(
        order("C", "B", 9, TICK, 1), order("A", "N", 1, TICK, 1), order("A", "B", 2, databento.PRICE_NONE, 1), order("A", "B", 3, TICK, 2**32 - 1),
        order("T", "B", 0, databento.PRICE_NONE, 1), order("A", "A", 4, TICK, 2**31 - 1), order("A", "A", 5, TICK, 2**31 - 1),
    )  # fmt: skip
    assert found.refused == {
        "cancel of an unknown order": 1, "order without side, price or size": 3, "trade without a price": 1, "level too large": 1,
    }  # fmt: skip
    assert len(found.events) == 1


def test_pictures_become_rows() -> None:
    def picture(bid: int, size: int) -> bytes:
        none = databento.PRICE_NONE
        head = struct.pack("<BBHIQ", 20, databento.MBP_1, 1, 7, 1)
        return head + struct.pack("<qIccBBQiI", none, 0, b"A", b"B", 128, 0, 1, 0, 0) + struct.pack("<qqIIII", bid, none, size, 0, 1, 0)

    data = picture(10, 5) + picture(10, 6) + picture(12, 1)
    found = databento.convert(databento.read(data, databento.MBP_1, 0), databento.MBP_1)
    assert [(int(row["op"]), int(row["price"]), int(row["size"])) for row in found.events] == [(INSERT, 5, 5), (UPDATE, 5, 6), (INSERT, 6, 1)]
    assert DELETE not in found.events["op"], "what one row pushes out of sight goes without an op"


@pytest.mark.parametrize("data", [b"", b"DBN", b"DBN\x09" + bytes(200), b"DBN\x01\xff\xff\xff\xff", b"PK" + bytes(99)])
def test_what_is_no_DBN_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"DBN|cut short"):
        databento.metadata(data)


def test_a_record_that_is_cut_short_is_refused() -> None:
    data = order("A", "B", 1, TICK, 1) + order("A", "B", 1, TICK, 1)[:-3]
    with pytest.raises(ValueError, match="cut short"):
        databento.read(data, databento.MBO, 0)


def test_the_recorded_sessions_add_up(recordings: Path) -> None:
    """No order that is cancelled is unknown, no level is ever below zero, time never goes back."""
    paths = sorted((recordings / "l2" / "databento").rglob("*.mbo.dbn.zst"))
    big = [path for path in paths if path.stat().st_size > 100_000]
    if not big:
        pytest.skip("no market-by-order session among the recordings")
    for path in big:
        data = unpacked(path)
        about = databento.metadata(data)
        found = databento.convert(databento.read(data, databento.MBO, about.end), databento.MBO)
        assert not found.refused and set(found.instruments) <= set(about.symbols)
        assert (np.diff(found.events["ts"]) >= 0).all() and (found.events["size"] >= 0).all()


def test_the_vendor_s_reader_reads_the_same(recordings: Path) -> None:
    vendor = pytest.importorskip("databento_dbn", reason="databento-dbn is not installed: pip install databento-dbn to compare")
    compared = 0
    for path in sorted((recordings / "l2" / "databento").rglob("*.dbn*")):
        data = unpacked(path)
        try:
            about = databento.metadata(data)
            kind = databento.kind_of(data, about.end)
        except ValueError:
            continue
        decoder = vendor.DBNDecoder()
        decoder.write(data)
        theirs = [each for each in decoder.decode()[1:] if int(each.rtype) == kind]
        ours = databento.read(data, kind, about.end)
        assert len(ours) == len(theirs)
        for mine, other in zip(ours, theirs, strict=True):
            assert (mine["price"], mine["size"], mine["ts_recv"], mine["flags"]) == (other.price, other.size, other.ts_recv, int(other.flags))
            assert (mine["action"].decode(), mine["side"].decode()) == (str(other.action), str(other.side))
            compared += 1
    assert compared
