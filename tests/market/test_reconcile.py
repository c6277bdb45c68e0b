"""Who was wrong, of two sources of the same sessions: planted, and in the recordings."""

from __future__ import annotations

import gzip
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from tests.market.asx_recorded import eighteen

from scizor.base.errors import UsageError
from scizor.market import reconcile, reconcile_file
from scizor.market.ladder import ladder
from scizor.market.reconcile import Difference, Session, against_shorter, compare, spike
from scizor.market.types import Bar

TICK = ladder("XASX").tick_size
FIRST = date(2024, 3, 4)
AT = datetime(2024, 3, 4, 23, 0, tzinfo=UTC)


def bars(count: int = 12) -> list[Bar]:
    return [Bar(FIRST + timedelta(days=i), 30 + i * 0.1, 30.4 + i * 0.1, 29.8 + i * 0.1, 30.2 + i * 0.1, 1000.0 + 31 * i) for i in range(count)]


def planted(at: int, **change: float) -> tuple[list[Bar], list[Bar]]:
    """Two equal sources; the other has something else in one session."""
    mine = bars()
    return mine, [*mine[:at], mine[at]._replace(**change), *mine[at + 1 :]]  # type: ignore[arg-type]


def told(found: list[Difference]) -> list[tuple[str, str]]:
    return [(each.field, each.wrong) for each in found]


def swapped(found: list[Difference]) -> list[tuple[str, str]]:
    return [(each.field, {"ours": "theirs", "theirs": "ours"}.get(each.wrong, each.wrong)) for each in found]


def test_equal_sources_agree_on_any_basis() -> None:
    mine = bars()
    assert compare(mine, mine, TICK) == []
    half = [each._replace(open=each.open / 2, high=each.high / 2, low=each.low / 2, close=each.close / 2) for each in mine]
    assert [each for each in compare(mine, half, TICK) if each.field != "volume"] == []
    stepped = [*half[:6], *mine[6:]]
    assert [each for each in compare(mine, stepped, TICK) if each.field != "volume"] == [], "one of the two was adjusted for a split"
    assert compare([], mine, TICK) == [] == compare(mine, [], TICK)


@pytest.mark.parametrize(
    ("change", "field", "reason"),
    [({"high": 29.0}, "high", "no order"), ({"open": 3010.0, "high": 3050.0, "low": 2990.0, "close": 3060.0 - 20}, "open", "off by 100"),
     ({"open": 45.0, "high": 45.5, "low": 44.8, "close": 45.0}, "open", "away from the sessions beside it"), ({"high": 37.0}, "high", "far from every other price"),
     ({"low": 22.0}, "low", "far from every other price"), ({"volume": 0.0}, "volume", "no volume")],
)  # fmt: skip
def test_a_bar_that_cannot_be_is_its_own_sources_fault(change: dict[str, float], field: str, reason: str) -> None:
    mine, theirs = planted(5, **change)
    found = compare(mine, theirs, TICK)
    assert (field, "theirs") in told(found) and {each.wrong for each in found} == {"theirs"} and reason in found[0].reason
    back = compare(theirs, mine, TICK)
    assert swapped(back) == told(found), "whoever it is"


def test_a_day_copied_from_another_is_told_from_the_day_itself_even_by_a_file_of_one_day() -> None:
    mine = bars()
    copied = [*mine[:5], mine[6]._replace(start=mine[5].start), *mine[6:]]
    for theirs in (mine, [mine[5]]):
        assert [(each.field, each.wrong, each.start) for each in compare(copied, theirs, TICK)] == [("day", "ours", mine[5].start)]
    late = [*mine[:4], mine[4]._replace(start=mine[5].start), *mine[6:]]
    assert [(each.field, each.wrong) for each in compare(mine, late, TICK)] == [("bar", "theirs"), ("day", "theirs")], "ours of the day before"


def test_small_differences_are_nobodys_fault_and_large_ones_without_a_sign_are_for_a_person() -> None:
    mine, theirs = planted(5, high=30.95)
    assert told(compare(mine, theirs, TICK)) == [("high", "neither")]
    mine, theirs = planted(5, volume=1100.0)
    assert told(compare(mine, theirs, TICK)) == [("volume", "neither")]
    mine, theirs = planted(5, volume=2900.0)
    assert told(compare(mine, theirs, TICK)) == [("volume", "unknown")]


def test_a_session_that_one_side_has_not_is_named_and_only_where_both_reach() -> None:
    mine = bars()
    found = compare(mine, [*mine[2:5], *mine[6:9]], TICK)
    assert [(each.start, each.field, each.wrong) for each in found] == [(mine[5].start, "bar", "theirs")]
    assert [each.wrong for each in compare([*mine[:5], *mine[6:]], mine, TICK)] == ["ours"]


def minutes(count: int = 20) -> list[Bar]:
    return [Bar(AT + timedelta(minutes=i), 30.0, 30.1 + i * 0.01, 29.9, 30.0 + i * 0.01, 50.0) for i in range(count)]


def as_one(found: list[Bar], expected: int = 20, has_auction: bool = True) -> Session:
    whole = Bar(FIRST, found[0].open, max(each.high for each in found), min(each.low for each in found), found[-1].close,
                sum(each.volume or 0 for each in found))  # fmt: skip
    return Session(whole, len(found), expected, has_auction)


def test_shorter_bars_make_the_daily_one_or_somebody_is_wrong() -> None:
    shorter = minutes()
    daily = as_one(shorter).bar
    assert against_shorter(daily, as_one(shorter), None, TICK) == []
    less = as_one(shorter[:15])
    assert {(each.field, each.wrong) for each in against_shorter(daily, less, None, TICK)} == {("high", "theirs"), ("close", "theirs"), ("volume", "theirs")}
    auction = daily._replace(close=30.5, high=30.5, volume=5000.0)
    found = against_shorter(auction, as_one(shorter, has_auction=False), None, TICK)
    assert {(each.field, each.wrong) for each in found} == {("high", "neither"), ("close", "neither"), ("volume", "neither")}
    assert told(against_shorter(daily._replace(high=36.0), as_one(shorter), None, TICK)) == [("high", "ours")], "no minute saw it"
    before = Bar(FIRST - timedelta(days=3), 28.0, 28.5, 27.5, 28.2, 900.0)
    copied = before._replace(start=FIRST)
    assert told(against_shorter(copied, as_one(shorter), before, TICK)) == [("day", "ours")]
    third = as_one([each._replace(open=each.open / 3, high=each.high / 3, low=each.low / 3, close=each.close / 3) for each in shorter])
    assert told(against_shorter(daily, third, None, TICK)) == [("day", "neither")]


def test_one_print_beyond_the_daily_range_is_a_spike_and_a_range_of_several_is_missing_in_the_daily_bar() -> None:
    shorter = minutes()
    alone = [*shorter[:7], shorter[7]._replace(high=33.0), *shorter[8:]]
    assert spike(alone, "high", 30.3) == ("theirs", "one print at 23:07 UTC, away from the bars beside it")
    several = [*shorter[:7], *[each._replace(high=33.0, close=32.5) for each in shorter[7:9]], *shorter[9:]]
    assert spike(several, "high", 30.3)[0] == "ours"
    assert spike([*shorter[:7], shorter[7]._replace(low=27.0, close=27.5), *shorter[8:]], "low", 29.9)[0] == "ours", "it closed there"


def test_recorded_the_day_that_the_first_source_copied_is_its_fault_for_all_symbols(recordings: Path) -> None:
    ours = eighteen(recordings)
    for file in sorted((recordings / "asx_daily/second_source_gapfill").glob("*.txt")):
        read = reconcile_file.read(file.name, file.read_bytes(), "Australia/Sydney")
        assert read.is_daily and not read.problems
        day = next(iter(read.bars.values()))[0].start
        found, common = {}, Counter[date]()
        for symbol in sorted(read.bars.keys() & ours.keys()):
            near = [each for each in ours[symbol] if abs(each.start - day) < timedelta(days=20)]
            found[symbol] = compare(near, read.bars[symbol], TICK)
            common[day] += any(each.start == day for each in near)
        judged = [each for one in reconcile.whole_days(found, common).values() for each in one]
        if common[day]:  # there, and another day's
            assert {each.wrong for each in judged if each.field != "volume"} == {"ours"}
            assert sum(each.field == "day" for each in judged) > 0.9 * common[day]
        else:
            assert {(each.field, each.wrong) for each in judged} == {("bar", "ours")} and len(judged) > 10


def test_recorded_five_minutes_rebuilt_from_one_agree_with_the_vendors_own(recordings: Path) -> None:
    """The same source twice: whatever is said to be wrong would be a false alarm."""
    folder = recordings / "intraday"
    seen = 0
    for file in sorted((folder / "ib_1min_us").glob("*.csv.gz"))[:4]:
        other = folder / "ib_5min_us" / file.name.replace("1min", "5min")
        if not other.exists():
            continue
        one, five = (reconcile_file.read(each.name, each.read_bytes(), "America/New_York") for each in (file, other))
        (ours,), (theirs,) = one.bars.values(), five.bars.values()
        if not all(each.volume for each in ours):
            continue  # minutes without a trade repeat a price that the five minutes leave out
        built: dict[datetime, list[Bar]] = {}
        for each in ours:
            built.setdefault(each.start - timedelta(minutes=each.start.minute % 5), []).append(each)  # type: ignore[operator, union-attr]
        rebuilt = [as_one(each).bar._replace(start=start) for start, each in built.items()]
        found = compare(rebuilt, theirs, ladder("XNYS").tick_size)
        assert not [each for each in found if each.wrong in ("ours", "theirs")], file.name
        assert len(found) < 0.01 * len(rebuilt)
        seen += len(rebuilt)
    assert seen > 2000


def test_a_file_is_read_in_any_of_its_dialects() -> None:
    want = [Bar(FIRST, 1.0, 2.0, 0.5, 1.5, 100.0)]
    for name, text in (
        ("day.txt", "ABC,20240304,1,2,0.5,1.5,100\n"), ("x.csv", "symbol,date,open,high,low,close,volume\nabc,2024-03-04,1,2,0.5,1.5,100\n"),
        ("ABC.AX.csv", "Date,Open,High,Low,Close,Adj Close,Volume\n2024-03-04 00:00:00+11:00,1,2,0.5,1.5,1.4,100\n2024-03-05,null,null,null,null,null,null\n"),
        ("ABC_1day.csv", '﻿"timestamp","close","low","high","open","volume"\r\n2024-03-04,1.5,0.5,2,1,100\r\n'),
    ):  # fmt: skip
        for packed in (False, True):
            data = gzip.compress(text.encode()) if packed else text.encode()
            found = reconcile_file.read(name + (".gz" if packed else ""), data, "Australia/Sydney")
            assert (found.bars, found.is_daily, found.problems) == ({"ABC": want}, True, []), name
    naive = reconcile_file.read("SPY_1min.csv", b"datetime,open,high,low,close,volume\n2024-03-04 09:30:00,1,2,0.5,1.5,100\n", "America/New_York")
    assert naive.bars["SPY"][0].start == datetime(2024, 3, 4, 14, 30, tzinfo=UTC) and not naive.is_daily


def test_a_line_that_is_no_bar_is_named_and_a_file_that_is_none_is_refused() -> None:
    text = "symbol,date,open,high,low,close,volume\nABC,2024-03-04,1,2,nan,1.5,100\nABC,someday,1,2,0.5,1.5,1\nABC,2024-03-06,1,2,0.5,1.5,\nABC,2024-03-07,1\n"
    found = reconcile_file.read("x.csv", text.encode(), "Australia/Sydney")
    assert len(found.bars["ABC"]) == 1 and found.bars["ABC"][0].volume is None
    assert [each.split(":")[1] for each in found.problems] == ["1", "2", "4"]
    for data in (b"", b"hello\nworld\n", b"\xff\xfe\x00", b"a,b\n1,2\n"):
        with pytest.raises(UsageError):
            reconcile_file.read("x.csv", data, "UTC")
    with pytest.raises(UsageError, match="cannot be read"):
        reconcile_file.read("x.csv.gz", b"no gzip", "UTC")
