"""Recorded minutes of US shares."""

from __future__ import annotations

import gzip
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from pathlib import Path

import pytest

from scizor.market.aggregate import aggregate, bar_start
from scizor.market.types import Bar, Kind, Session, Timeframe
from scizor.replay.sources import Pattern, dates, ib_csv, master
from scizor.replay.sources.ib_csv import IbCsv, Recording, recording

HEADER = "datetime,open,high,low,close,volume\r\n"
LATER = datetime(2026, 12, 1, tzinfo=UTC)
EVER = (date(2020, 1, 1), date(2026, 12, 1))


def minutes(day: str, count: int, step: int = 1, first: str = "09:30:00") -> str:
    at = datetime.fromisoformat(f"{day} {first}")
    times = [at + timedelta(minutes=step * each) for each in range(count)]
    return "".join(f"{each:%Y-%m-%d %H:%M:%S},10.0,11.0,9.0,10.5,{each.minute + 1}\r\n" for each in times)


def put(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


def opened(*paths: Path) -> IbCsv:
    found = [recording(each) for each in paths]
    assert all(isinstance(each, Recording) for each in found), found
    return IbCsv([each for each in found if isinstance(each, Recording)], master.Master())


def served(source: IbCsv, symbol: str, timeframe: Timeframe, now: datetime = LATER) -> list[Bar]:
    (row,) = source.contracts(Pattern(symbol=symbol, sec_type="STK", exchange="SMART", currency="USD"), now.date())
    return source.bars(row.con_id, timeframe, Kind.TRADES, True, *EVER, now)


def test_a_file_is_told_by_its_columns_its_name_and_the_distance_of_its_bars(tmp_path: Path) -> None:
    good = put(tmp_path, "XYZ_1min.csv.gz", HEADER + minutes("2026-01-22", 60))
    assert recording(good) == Recording(good, "XYZ", Timeframe.MIN1)
    five = put(tmp_path, "XYZ_5min.csv", HEADER + minutes("2026-01-22", 60, 5))
    assert recording(five) == Recording(five, "XYZ", Timeframe.MIN5)
    rows = minutes("2026-01-22", 60).splitlines(True)
    for name, text, why in (
        ("XYZ_1min_MIXED.csv", HEADER + minutes("2026-01-22", 60), "more than one feed"),
        ("NEW_1min.csv", HEADER + "".join(rows[::-1]), "not oldest first"),
        ("TEN_1min.csv", HEADER + minutes("2026-01-22", 60, 5), "300 s apart"),
        ("ODD_7min.csv", HEADER + minutes("2026-01-22", 60, 7), "420 s apart"),
        ("ONE_1min.csv", HEADER + rows[0], "not oldest first"),
    ):
        assert why in str(recording(put(tmp_path, name, text)))
    assert recording(put(tmp_path, "other.csv", "time,price\n1,2\n")) == recording(put(tmp_path, "empty.csv", "")) == ""


def test_times_are_starts_of_bars_in_new_york_summer_and_winter(tmp_path: Path) -> None:
    text = HEADER + minutes("2026-01-22", 60) + minutes("2026-07-01", 60)
    bars = served(opened(put(tmp_path, "XYZ_1min.csv.gz", text)), "XYZ", Timeframe.MIN1)
    assert [bars[0].start, bars[60].start] == [datetime(2026, 1, 22, 14, 30, tzinfo=UTC), datetime(2026, 7, 1, 13, 30, tzinfo=UTC)]
    assert bars[0] == Bar(datetime(2026, 1, 22, 14, 30, tzinfo=UTC), 10.0, 11.0, 9.0, 10.5, 31.0)


def test_longer_bars_are_made_of_the_longest_recorded_size_of_each_session(tmp_path: Path) -> None:
    one = put(tmp_path, "XYZ_1min.csv", HEADER + minutes("2026-01-22", 390))
    five = put(tmp_path, "XYZ_5min.csv", HEADER + minutes("2026-01-22", 78, 5) + minutes("2026-01-23", 78, 5))
    source = opened(one, five)
    assert source.label == "recorded: 1 US symbols, 1min and 5min, 2026-01-22..2026-01-23"
    assert [len(served(source, "XYZ", each)) for each in (Timeframe.MIN1, Timeframe.MIN5, Timeframe.MIN15)] == [390, 156, 52]
    assert [each.start for each in served(source, "XYZ", Timeframe.DAY1)] == [date(2026, 1, 22), date(2026, 1, 23)]
    assert served(source, "XYZ", Timeframe.SEC30) == []
    assert served(opened(five), "XYZ", Timeframe.MIN1) == []


def test_a_session_whose_recording_stops_within_it_has_no_daily_bar(tmp_path: Path) -> None:
    source = opened(put(tmp_path, "XYZ_5min.csv", HEADER + minutes("2026-01-22", 78, 5) + minutes("2026-01-23", 40, 5)))
    assert [each.start for each in served(source, "XYZ", Timeframe.DAY1)] == [date(2026, 1, 22)]
    assert len(served(source, "XYZ", Timeframe.MIN5)) == 118


def test_only_bars_that_were_over_by_now_are_served(tmp_path: Path) -> None:
    source = opened(put(tmp_path, "XYZ_1min.csv", HEADER + minutes("2026-01-22", 390)))
    at = datetime(2026, 1, 22, 15, 0, 30, tzinfo=UTC)
    assert len(served(source, "XYZ", Timeframe.MIN1, at)) == 30
    assert [each.volume for each in served(source, "XYZ", Timeframe.DAY1, at)] == [sum(range(31, 61))]
    assert served(source, "XYZ", Timeframe.DAY1, datetime(2026, 1, 22, 14, 0, tzinfo=UTC)) == []


def test_a_share_whose_exchange_is_unknown_is_found_where_it_is_sought(tmp_path: Path) -> None:
    source = opened(put(tmp_path, "XYZ_1min.csv", HEADER + minutes("2026-01-22", 390)))
    found = [
        source.contracts(Pattern(symbol="XYZ", exchange=exchange, primary_exchange=primary, currency="USD"), LATER.date())
        for exchange, primary in (("SMART", ""), ("SMART", "ARCA"), ("NYSE", ""), ("ARCA", "ARCA"))
    ]
    assert [each[0].exchange for each in found] == ["NASDAQ", "ARCA", "NYSE", "ARCA"]
    assert len({each[0].con_id for each in found}) == 1 and source.has(found[0][0].con_id)
    for wrong in (Pattern(symbol="XYZ", exchange="ASX"), Pattern(symbol="XYZ", currency="AUD"), Pattern(symbol="ABC"),
                  Pattern(symbol="XYZ", sec_type="OPT"), Pattern(con_id=17)):  # fmt: skip
        assert source.contracts(wrong, LATER.date()) == []


@pytest.mark.parametrize(
    ("line", "column"),
    [
        ("2026-01-22 10:00:00,10,11,9,10.5\r\n", ""),
        ("22/01/2026 10:00,10,11,9,10.5,1\r\n", "datetime"),
        ("2026-13-22 10:00:00,10,11,9,10.5,1\r\n", "datetime"),
        ('2026-01-22 10:00:00,10,11,9,10.5,"1,000"\r\n', "volume"),
        ("2026-01-22 10:00:00,10,nan,9,10.5,1\r\n", "high"),
        ('"2026-01-22 10:00:00,10,11,9,10.5,1\r\n', ""),
    ],
)
def test_row_85_a_bad_line_is_named_and_the_others_are_served(tmp_path: Path, line: str, column: str) -> None:
    source = opened(put(tmp_path, "XYZ_1min.csv", "\ufeff" + HEADER + minutes("2026-01-22", 5) + line + minutes("2026-01-23", 5)))
    assert len(served(source, "XYZ", Timeframe.MIN1)) == 10
    assert [(each.file, each.line, each.column) for each in source.problems.kept] == [("XYZ_1min.csv", 7, column)]


# the recordings ---------------------------------------------------------------------------------------------------------


def found_in(recordings: Path, size: Timeframe) -> dict[str, Recording]:
    paths = sorted((recordings / "intraday").rglob("*.csv.gz"))
    found = {each.symbol: each for each in map(recording, paths) if isinstance(each, Recording) and each.timeframe is size}
    if not found:
        pytest.skip(f"recordings absent: intraday, {size}")
    return found


def test_recorded_five_minutes_are_rebuilt_from_the_minutes_exactly(recordings: Path) -> None:
    ones, fives = found_in(recordings, Timeframe.MIN1), found_in(recordings, Timeframe.MIN5)
    compared = quiet = by_all = 0
    for symbol in sorted(ones.keys() & fives.keys()):
        source = IbCsv([ones[symbol], fives[symbol]], master.Master())
        five = {each.start: each for each in served(source, symbol, Timeframe.MIN5)}
        parts = served(source, symbol, Timeframe.MIN1)
        for day, group in groupby(parts, key=lambda each: dates.today("XNYS", each.start)):  # type: ignore[arg-type]
            session, same = dates.session_on("XNYS", day), list(group)
            assert session is not None
            for bar in aggregate(same, session, Timeframe.MIN5):
                assert bar == five[bar.start], symbol
                compared += 1
            quiet += sum(each.volume == 0 for each in same)
            by_all += _differ_when_every_minute_counts(same, session, five)
    assert compared > 1000
    assert by_all > 0 or not quiet, "the minutes without a trade must be what makes the difference"


def _differ_when_every_minute_counts(parts: list[Bar], session: Session, five: dict[object, Bar]) -> int:
    """Five-minute bars that come out wrong when minutes without a trade have a say."""
    wrong = 0
    for start, group in groupby(parts, key=lambda each: bar_start(session, Timeframe.MIN5, each.start)):  # type: ignore[arg-type]
        same = list(group)
        made = (same[0].open, max(each.high for each in same), min(each.low for each in same), same[-1].close)
        wrong += made != five[start][1:5]
    return wrong


def test_recorded_half_days_have_forty_two_five_minute_bars(recordings: Path) -> None:
    symbol, five = next(iter(found_in(recordings, Timeframe.MIN5).items()))
    source = IbCsv([five], master.Master())
    counts: dict[date, int] = {}
    for bar in served(source, symbol, Timeframe.MIN5):
        day = dates.today("XNYS", bar.start)  # type: ignore[arg-type]
        counts[day] = counts.get(day, 0) + 1
    halves = {day: count for day, count in counts.items() if (found := dates.session_on("XNYS", day)) and found.is_half_day}
    assert halves and set(halves.values()) == {42}
    assert source.problems.count == 0


def test_the_end_stamped_and_the_mixed_recordings_are_skipped_with_a_reason(recordings: Path) -> None:
    found = {each: recording(each) for each in (recordings / "intraday").rglob("*.csv*")}
    for part, why in (("av_1min_us", "not oldest first"), ("MIXED", "more than one feed")):
        named = [each for path, each in found.items() if part in str(path)]
        assert not named or all(why in str(each) for each in named)
    assert all(ib_csv.COLUMNS for each in found.values() if isinstance(each, Recording))
