"""Pictures of a book, and our own file of events: written, mapped, cut short."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from scizor.market.events import ASK, BID, DELETE, EVENT, INSERT, LAST, UPDATE
from scizor.market.feeds import event_file, snapshots
from scizor.market.feeds.positions import records

TEXT = """Bid,Bid_Quantity,Ask,Ask_Quantity
TimeStamp,2014-01-09D09:00:00.000000001
6755.0,60,6770,34
6750,55,6775,67
TimeStamp,2014-01-09D09:00:01.5
6755.0,50,6775,67
6750,55,6780,1
TimeStamp,2014-01-09D09:00:02
6757.5,1,6775,67
6755.0,50,6780,1
""".splitlines()


def test_what_changed_between_two_pictures_is_told_by_price() -> None:
    pictures = snapshots.read(TEXT, "Asia/Singapore")
    raw, unit = snapshots.convert(pictures.found, pictures.levels)
    found = records(raw)
    assert (pictures.levels, unit, pictures.refused) == (2, 25_000, {})
    assert found["ts"][0] == int(datetime(2014, 1, 9, 1, 0, tzinfo=UTC).timestamp()) * 10**9 + 1
    assert [(int(row["op"]), int(row["side"]), int(row["row"]), int(row["price"]), int(row["flags"])) for row in found[4:]] == [
        (DELETE, ASK, 0, 2708, 0), (INSERT, ASK, 1, 2712, 0), (UPDATE, BID, 0, 2702, LAST), (INSERT, BID, 0, 2703, LAST),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("line", "reason"),
    [("TimeStamp,2014-01-09D08:00:00", "time goes backwards"), ("TimeStamp,yesterday", "no time"), ("6755,60,6770", "no level"), ("6755,x,6770,1", "no level")],
)
def test_a_line_that_cannot_be_is_counted(line: str, reason: str) -> None:
    pictures = snapshots.read([*TEXT, line], "Asia/Singapore")
    assert pictures.refused == {reason: 1} and len(pictures.found) == 3


def test_recorded_pictures_are_what_their_ops_make(recordings: Path) -> None:
    paths = sorted((recordings / "l2" / "sgx_a50_top3").glob("*.csv.gz"))
    if not paths:
        pytest.skip("no recorded pictures of a book among the recordings")
    for path in paths:
        pictures = snapshots.read(gzip.decompress(path.read_bytes()).decode().splitlines(), "Asia/Singapore")
        shown = pictures.found[:5000]
        raw, unit = snapshots.convert(shown, pictures.levels)
        books: list[list[tuple[int, int]]] = [[], []]
        last = {each.ts: each for each in shown}  # of pictures of one instant, the ops lead to the last
        ended = 0
        for at, (ts, price, size, _, op, side, row, _) in enumerate(raw):
            if op == DELETE:
                del books[side][row]
            elif op == UPDATE:
                books[side][row] = (price, size)
            else:
                books[side].insert(row, (price, size))
                del books[side][pictures.levels :]
            if at + 1 == len(raw) or raw[at + 1][0] != ts:
                assert books[ASK] == [(price // unit, size) for price, size in last[ts].asks]
                assert books[BID] == [(price // unit, size) for price, size in last[ts].bids]
                ended += 1
        assert ended > len(shown) // 10


def test_an_event_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    events = records([(1, 2, 3, 0, INSERT, ASK, 0, LAST), (4, 5, 6, 1, UPDATE, BID, 1, 0)])
    header = event_file.Header(("BHP", "CBA"), ("0.01", "0.01"), 10, "two shares")
    path = tmp_path / "day.l2ev"
    path.write_bytes(event_file.encode(header) + events.tobytes() + b"cut short")
    mapped = np.memmap(path, np.uint8, "r")
    told, found = event_file.decode(memoryview(mapped))
    assert told == header and found.dtype == EVENT and found.tobytes() == events.tobytes()


def test_a_header_of_many_symbols_fills_whole_pages() -> None:
    header = event_file.Header(tuple(f"S{each:05}" for each in range(2000)), ("0.01",) * 2000, 10)
    data = event_file.encode(header)
    told, found = event_file.decode(data)
    assert len(data) % event_file.HEADER_BYTES == 0 and told == header and len(found) == 0


@pytest.mark.parametrize("data", [b"", b"PK\3\4", b"scizorL2" + bytes(100), b"scizorL2" + bytes([1, 0, 0, 0, 2, 0, 0, 0]) + b"[]" + bytes(5000)])
def test_another_file_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"recording|header"):
        event_file.decode(data)
