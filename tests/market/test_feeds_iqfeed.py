"""IQFeed's lines: price levels, orders, makers' quotes, prints; the recorded lines, and what cannot be."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from scizor.market.events import ASK, BID, INSERT, LAST, LEVEL, ODD_LOT, TRADE, UNKNOWN, UPDATE
from scizor.market.feeds.iqfeed_depth import IqFeedDepth, RefusedError, instant
from scizor.market.feeds.iqfeed_l1 import IqFeedL1

ES = {"@ESM19": 3}


def depth(**symbols: int) -> IqFeedDepth:
    return IqFeedDepth(symbols or ES, Decimal("0.25"))


def told(feed: IqFeedDepth, *lines: str) -> list[tuple[int, int, int]]:
    """(side, price, size) of every LEVEL event."""
    found = [raw for line in lines for raw in feed.feed(line)]
    assert all(raw[4] == LEVEL for raw in found)
    return [(side, price, size) for _, price, size, _, _, side, _, _ in found]


def test_price_levels_are_told_as_they_are() -> None:
    feed = depth()
    assert told(
        feed, "7,@ESM19,B,2938.25,65,11,2,20:31:04.876740,2019-04-23,", "8,@ESM19,B,2938.25,60,10,2,20:31:05.876740,2019-04-23,",
        "9,@ESM19,B,2938.25,20:31:06.876740,2019-04-23,", "7,@OTHER,B,2938.25,65,11,2,20:31:04.876740,2019-04-23,",
    ) == [(BID, 11753, 65), (BID, 11753, 60), (BID, 11753, 0)]  # fmt: skip
    assert not feed.refused


def test_orders_of_one_price_add_up_and_one_that_moves_changes_two_levels() -> None:
    feed = depth()
    assert told(
        feed, "6,@ESM19,1,MD01,A,2938.25,65,10,2,20:31:04.876740,2019-04-23,", "3,@ESM19,2,MD01,A,2938.25,5,11,2,20:31:05.8,2019-04-23,",
        "4,@ESM19,2,MD01,A,2938.50,5,11,2,20:31:06.8,2019-04-23,", "5,@ESM19,1,,A,20:31:07.1,2019-04-23,",
    ) == [(ASK, 11753, 65), (ASK, 11753, 70), (ASK, 11753, 65), (ASK, 11754, 5), (ASK, 11753, 0)]  # fmt: skip


def test_a_maker_s_quote_replaces_the_one_before_and_a_delete_needs_no_time() -> None:
    feed = IqFeedDepth({"AAPL": 0}, Decimal("0.01"))
    lines = [
        "6,AAPL,,EDGX,A,312.8500,40,,4,10:22:21.212553,2026-08-24,", "6,AAPL,,NSDQ,A,312.8500,60,,4,10:22:21.3,2026-08-24,",
        "4,AAPL,,EDGX,A,312.8600,40,,4,10:22:21.774268,2026-08-24,", "5,AAPL,,NSDQ,A,,2026-08-24,",
    ]  # fmt: skip
    found = [raw for line in lines for raw in feed.feed(line)]
    assert [(raw[1], raw[2], raw[7]) for raw in found] == [(31285, 40, LAST), (31285, 100, LAST), (31285, 60, 0), (31286, 40, LAST), (31285, 0, LAST)]
    assert found[-1][0] == found[-2][0], "no time of its own: that of the event before it"


def test_the_older_lines_tell_both_sides_and_whether_they_are_valid() -> None:
    feed = depth()
    assert told(feed, "Z,@ESM19,MD01,2938.,2938.25,65,23,20:31:04.876740,2019-04-23,52,20:31:04.876740,T,T,F,") == [(BID, 11752, 65), (ASK, 11753, 23)]
    assert told(feed, "2,@ESM19,MD01,2938.,2938.25,65,23,20:31:05.876740,2019-04-23,52,20:31:05.876740,F,T,F,") == [(BID, 11752, 0)]


def test_a_side_that_is_cleared_is_empty() -> None:
    feed = depth()
    told(feed, "7,@ESM19,B,2938.25,65,11,2,20:31:04,2019-04-23,", "7,@ESM19,A,2939,5,11,2,20:31:04,2019-04-23,")
    assert told(feed, "S,CLEAR DEPTH,@ESM19,B,") == [(BID, 11753, 0)]
    assert told(feed, "S,CLEAR DEPTH,@ESM19,B,") == []


def test_time_never_goes_back_and_is_eastern() -> None:
    feed = depth()
    first = feed.feed("7,@ESM19,B,2938.25,65,11,2,20:31:04.876740,2019-04-23,")[0][0]
    assert first == int(datetime(2019, 4, 24, 0, 31, 4, tzinfo=UTC).timestamp()) * 10**9 + 876_740_000
    assert feed.feed("8,@ESM19,B,2938.25,64,11,2,20:31:03.0,2019-04-23,")[0][0] == first
    assert instant("01/15/2021", "09:30:00") == int(datetime(2021, 1, 15, 14, 30, tzinfo=UTC).timestamp()) * 10**9


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("7,@ESM19,X,2938.25,65,11,2,20:31:04,2019-04-23,", "unknown side"), ("7,@ESM19,B,2938.30,65,11,2,20:31:04,2019-04-23,", "price off the grid"),
        ("7,@ESM19,B,nan,65,11,2,20:31:04,2019-04-23,", "no number"), ("7,@ESM19,B,1e99,65,11,2,20:31:04,2019-04-23,", "price out of range"),
        ("7,@ESM19,B,2938.25,-65,11,2,20:31:04,2019-04-23,", "no size"), ("7,@ESM19,B,2938.25,2147483648,11,2,20:31:04,2019-04-23,", "size out of range"),
        ("7,@ESM19,B,2938.25,65,11,2,25:31:04,2019-04-23,", "no time"), ("9,@ESM19,B,2938.25,20:31:04,2019-04-23,", "delete of what is not there"),
        ("5,@ESM19,1,,A,20:31:04,2019-04-23,", "delete of what is not there"), ("7,@ESM19,B,2938.25", "line too short"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_counted_and_changes_nothing(line: str, reason: str) -> None:
    feed = depth()
    assert feed.feed(line) == [] and feed.refused == {reason: 1}


@pytest.mark.parametrize("line", ["", "T,20190423 20:31:04", "S,SERVER CONNECTED", "E,error", "q,@ESM19", "M,MD02,Market depth 2", "!SYNTAX_ERROR!"])
def test_a_line_that_is_no_depth_is_nothing(line: str) -> None:
    feed = depth()
    assert feed.feed(line) == [] and not feed.refused


def test_prints_are_told_without_an_aggressor_and_odd_lots_are_marked() -> None:
    feed = IqFeedL1({"AAPL": 2}, date="2020-05-29", tick_size=Decimal("0.01"))
    line = "Q,AAPL,322.9100,{},16:53:16.164236,11,37620407,322.8700,100,323.0000,3300,312.6000,318.4000,312.1900,308.9500,{},8717,"
    assert feed.feed(line.format(13, "O"))[0][1:] == (32291, 13, 2, TRADE, UNKNOWN, 0, LAST | ODD_LOT)
    assert feed.feed(line.format(100, "Cba"))[0][1:] == (32291, 100, 2, TRADE, UNKNOWN, 0, LAST)
    assert feed.feed(line.format(40, "ba")) == [], "the quote alone changed"
    assert feed.feed(line.format(100, "C").replace("Q,", "P,", 1)) == [], "a summary repeats an old print"


def test_the_fields_are_those_that_the_feed_names() -> None:
    feed = IqFeedL1({"AAPL": 0}, date="2000-01-01", tick_size=Decimal("0.01"))
    feed.feed("S,CURRENT UPDATE FIELDNAMES,Symbol,Message Contents,Most Recent Trade Size,Most Recent Trade,Most Recent Trade Time,Most Recent Trade Date")
    found = feed.feed("Q,AAPL,C,500,322.91,09:30:00.5,05/29/2020")
    assert found == [(instant("2020-05-29", "09:30:00.5"), 32291, 500, 0, TRADE, UNKNOWN, 0, LAST)]


def test_the_best_quote_can_be_a_book_of_one_row() -> None:
    feed = IqFeedL1({"AAPL": 0}, date="2020-05-29", tick_size=Decimal("0.01"), quotes=True)
    line = "Q,AAPL,322.91,100,16:53:16,11,1,322.87,{},323.00,3300,,,,,ba,,"
    assert [(raw[4], raw[5]) for raw in feed.feed(line.format(100))] == [(INSERT, ASK), (INSERT, BID)]
    assert [(raw[4], raw[5], raw[2]) for raw in feed.feed(line.format(90))] == [(UPDATE, BID, 90)]


def test_the_recorded_lines_are_all_understood(recordings: Path) -> None:
    path = recordings / "iqfeed_wire" / "sample_lines.txt"
    if not path.exists():
        pytest.skip("no recorded IQFeed lines among the recordings")
    rows = [each.split(" | ") for each in path.read_text().splitlines() if each.count(" | ") >= 4]
    lines = [each[-1].strip() for each in rows if each[0][:1] in "0346789Z2" and "negative" not in each[0]]
    symbols = {line.split(",")[1]: at for at, line in enumerate(lines)}
    feed = IqFeedDepth(symbols, Decimal("0.0001"))
    events = [raw for line in lines if line[0] not in "59" for raw in feed.feed(line)]
    assert lines and events and not feed.refused


def test_no_time_is_refused() -> None:
    with pytest.raises(RefusedError):
        instant("2020-13-01", "09:30:00")
