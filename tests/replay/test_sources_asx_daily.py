"""Recorded daily bars of the ASX: files made here, and the recordings themselves."""

from __future__ import annotations

import csv
import io
import tarfile
from datetime import UTC, date, datetime
from itertools import pairwise
from pathlib import Path

import pytest
import zstandard

from scizor.market.types import Bar, Kind, Timeframe
from scizor.market.universe import Life
from scizor.replay.sources import Pattern, asx_daily, master
from scizor.replay.sources.asx_daily import AsxDaily

HEADER = "symbol,date,open,high,low,close,volume\n"
NOW = datetime(2022, 1, 10, 6, 0, tzinfo=UTC)
EVER = (date(1990, 1, 1), date(2030, 1, 1))


def make(folder: Path, files: dict[str, str | bytes], known: master.Master | None = None) -> AsxDaily:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return opened(folder, known or master.Master())


def opened(folder: Path, known: master.Master) -> AsxDaily:
    paths = [each for each in folder.rglob("*") if each.is_file()]
    histories = [each for each in paths if asx_daily.is_history(each)]
    return AsxDaily(histories, [each for each in paths if asx_daily.is_day_file(each)], known)


def served(source: AsxDaily, code: str, now: datetime = NOW, today: date | None = None) -> list[Bar]:
    rows = source.contracts(Pattern(symbol=code, sec_type="STK", exchange="ASX", currency="AUD"), today or now.date())
    return source.bars(rows[0].con_id, Timeframe.DAY1, Kind.TRADES, True, *EVER, now) if rows else []


def archive(files: dict[str, str]) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return zstandard.compress(raw.getvalue())


def test_a_history_a_day_file_and_an_archive_of_them_are_told_by_their_lines(tmp_path: Path) -> None:
    source = make(
        tmp_path,
        {
            "anything/AAA.csv": HEADER + "AAA,20211230,1,2,.5,1.5,100\n",
            "packed.csv.zst": zstandard.compress((HEADER + "BBB,20211230,3,3,3,3,7\n").encode()),
            "days/20211231.txt": "AAA,20211231,1.5,1.5,1.5,1.5,10\r\nCCC,20211231,9,9,9,9,0\r\n",
            "days.tar.zst": archive({"2021/20211229.csv": "AAA,20211229,1,1,1,1,5\n"}),
            "yahoo.csv": "Date,Open,High,Low,Close,Adj Close,Volume\n2021-12-30,1,1,1,1,1,1\n",
        },
    )
    assert source.codes() == ["AAA", "BBB", "CCC"] and source.problems.count == 0
    assert source.label == "recorded: 2 ASX codes and 2 day files, daily, 2021-12-29..2021-12-31"
    assert served(source, "AAA") == [
        Bar(date(2021, 12, 29), 1, 1, 1, 1, 5),
        Bar(date(2021, 12, 30), 1, 2, 0.5, 1.5, 100),
        Bar(date(2021, 12, 31), 1.5, 1.5, 1.5, 1.5, 10),
    ]


def test_a_day_file_fills_days_and_replaces_none(tmp_path: Path) -> None:
    source = make(
        tmp_path,
        {"z/A.csv": HEADER + "AAA,20211230,1,1,1,1,1\n", "a/day.txt": "AAA,20211230,2,2,2,2,2\nAAA,20211231,2,2,2,2,2\n"},
    )
    assert [(each.start.day, each.open) for each in served(source, "AAA")] == [(30, 1), (31, 2)]


def test_genuine_faults_are_served_as_they_stand(tmp_path: Path) -> None:
    text = "AAA,20211229,5,1,9,5,100\nAAA,20211230,5,1,9,5,100\nAAA,20211230,6,6,6,6,-1\nAAA,20211225,0,0,0,0,0\n"
    bars = served(make(tmp_path, {"A.csv": HEADER + text}), "AAA")
    assert [each.start.day for each in bars] == [25, 29, 30, 30], "a weekend, a copied day, a day that stands there twice"
    assert bars[1][1:] == bars[2][1:] == (5, 1, 9, 5, 100, None, None), "high below low"
    assert bars[3].volume == -1


BAD = {
    "AAA,20211230,1,1,1,1\n": (3, "", "6 fields"),
    "AAA,20211230,1,1,1,1,1,1\n": (3, "", "8 fields"),
    'AAA,20211230,1,1,1,1,"1,234"\n': (3, "volume", "'1,234' is not a number"),
    "AAA,20211230,1,1,1,1,1,234\n": (3, "", "8 fields"),
    'AAA,20211230,"1,1,1,1,1\n': (3, "", "unbalanced quotes"),
    "AAA,30/12/2021,1,1,1,1,1\n": (3, "date", "is not a date"),
    "AAA,44560,1,1,1,1,1\n": (3, "date", "is not a date"),
    "AAA,20211330,1,1,1,1,1\n": (3, "date", "is not a date"),
    "AAA,20210230,1,1,1,1,1\n": (3, "date", "no day of the calendar"),
    "AAA,20211230,1,,1,1,1\n": (3, "high", "'' is not a number"),
    "AAA,20211230,1,1,nan,1,1\n": (3, "low", "'nan' is not a number"),
    "AAA,20211230,1,1,1,inf,1\n": (3, "close", "'inf' is not a number"),
    "../AAA,20211230,1,1,1,1,1\n": (3, "symbol", "is not a code"),
    "=AAA(),20211230,1,1,1,1,1\n": (3, "symbol", "is not a code"),
    "AAA,20211230,1,1,1,1," + "9" * 5000 + "\n": (3, "", "longer than"),
    "AAA,20211230,1,1,1,1," + "9" * 50 + "\n": (3, "", "no price or volume"),
    "\x00\x01\x02\n": (3, "", "1 fields"),
}


@pytest.mark.parametrize("line", BAD)
def test_row_85_a_bad_line_is_named_with_file_line_and_column_and_the_others_are_served(tmp_path: Path, line: str) -> None:
    good = "AAA,20211229,1,1,1,1,1\n", "AAA,20211231,1,1,1,1,1\n"
    source = make(tmp_path, {"A.csv": ("\ufeff" + HEADER + good[0] + line + good[1]).replace("\n", "\r\n")})
    assert [each.start.day for each in served(source, "AAA")] == [29, 31]
    number, column, text = BAD[line]
    assert [(each.file, each.line, each.column) for each in source.problems.kept] == [("A.csv", number, column)]
    assert text in source.problems.kept[0].text and len(source.problems.kept[0].text) < 300


def test_quotes_around_fields_do_no_harm(tmp_path: Path) -> None:
    source = make(tmp_path, {"A.csv": HEADER.replace("date", '"Date"') + '"AAA","20211230","1","2","0.5","1.5","100"\n'})
    assert served(source, "AAA") == [Bar(date(2021, 12, 30), 1, 2, 0.5, 1.5, 100)] and source.problems.count == 0


def test_nothing_later_than_now_is_served(tmp_path: Path) -> None:
    days = "".join(f"AAA,202112{each},1,1,1,1,1\n" for each in (29, 30, 31))
    source = make(tmp_path, {"A.csv": HEADER + days})
    sydney_noon = datetime(2021, 12, 30, 1, 0, tzinfo=UTC)
    assert [each.start.day for each in served(source, "AAA", sydney_noon)] == [29], "the session of the 30th is under way"
    assert [each.start.day for each in served(source, "AAA", datetime(2021, 12, 30, 5, 13, tzinfo=UTC))] == [29, 30]
    assert served(source, "AAA", datetime(2021, 12, 28, 5, 0, tzinfo=UTC)) == [], "and it was not known before its first day"


def test_a_recording_has_daily_trades_and_says_nothing_for_the_rest(tmp_path: Path) -> None:
    source = make(tmp_path, {"A.csv": HEADER + "AAA,20211230,1,1,1,1,1\n"})
    (row,) = source.contracts(Pattern(symbol="AAA"), NOW.date())
    for timeframe, kind in ((Timeframe.MIN1, Kind.TRADES), (Timeframe.DAY1, Kind.BID), (Timeframe.DAY1, Kind.MIDPOINT)):
        assert source.bars(row.con_id, timeframe, kind, True, *EVER, NOW) == []
    assert source.head(row.con_id, Kind.TRADES) == datetime(2021, 12, 29, 23, 0, tzinfo=UTC)
    assert source.head(row.con_id, Kind.BID) is None and source.head(12345, Kind.TRADES) is None
    assert [each.session_date.day for each in source.sessions(row.con_id, date(2021, 12, 24), date(2021, 12, 30))] == [24, 29, 30]
    for other in ("NASDAQ", "LSE"):
        assert source.contracts(Pattern(symbol="AAA", exchange=other), NOW.date()) == []
    assert source.contracts(Pattern(symbol="AAA", currency="USD"), NOW.date()) == []
    assert source.contracts(Pattern(con_id=row.con_id), NOW.date()) == [row]


def test_a_code_that_stopped_while_its_file_went_on_has_left_the_market(tmp_path: Path) -> None:
    source = make(tmp_path, {"others.csv.zst": zstandard.compress((HEADER + "OLD,20190102,1,1,1,1,1\nNEW,20211230,1,1,1,1,1\n").encode())})
    assert served(source, "OLD") == [] and len(served(source, "NEW")) == 1
    assert len(served(source, "OLD", datetime(2019, 2, 1, tzinfo=UTC))) == 1


def test_row_48_history_follows_the_instrument_through_its_codes(tmp_path: Path) -> None:
    lives = [
        Life("MBL", "ASX", "MQG", None, date(2007, 11, 2), "MQG", ""),
        Life("MQG", "ASX", "MQG", date(2007, 11, 5), None, "", ""),
        Life("TCLDA", "ASX", "TCL", date(1999, 11, 29), date(1999, 12, 13), "TCL", ""),
        Life("ZIP", "ASX", "ZIP.2020", None, date(2020, 1, 22), "", ""),
        Life("Z1P", "ASX", "ZIP", date(2018, 1, 15), date(2022, 4, 20), "ZIP", ""),
        Life("ZIP", "ASX", "ZIP", date(2022, 4, 21), None, "", ""),
    ]
    known = master.Master()
    for life in lives:
        known.of_code.setdefault(("ASX", life.code), []).append(life)
        known.of_symbol.setdefault(("ASX", life.symbol), []).append(life)
    rows = [
        "MBL,20071102,1,1,1,1,1", "MBL,20071105,66,66,66,66,1", "MQG,20071105,2,2,2,2,1", "MQG,20211231,2,2,2,2,1",
        "TCL,19991126,3,3,3,3,1", "TCLDA,19991129,4,4,4,4,1", "TCL,19991214,5,5,5,5,1", "TCLDA,19991130,4,4,4,4,1",
        "TCL,19991130,3,3,3,3,1", "ZIP,20200122,6,6,6,6,1", "Z1P,20180115,7,7,7,7,1", "Z1P,20211231,8,8,8,8,1",
        "ZIP,20220421,9,9,9,9,1",
    ]  # fmt: skip
    source = make(tmp_path, {"all.csv": HEADER + "\n".join(rows) + "\n"}, known)
    assert [each.open for each in served(source, "MQG")] == [1, 2, 2], "what stands under MBL after its life is not Macquarie's"
    assert [each.open for each in served(source, "TCL")] == [3, 4, 3, 5], "the plain code has the say where both trade"
    assert [each.open for each in served(source, "Z1P")] == [7, 8]
    assert served(source, "ZIP") == [] and served(source, "MBL") == [] and served(source, "TCLDA") == []
    later = datetime(2022, 5, 2, 8, tzinfo=UTC)
    assert [each.open for each in served(source, "ZIP", later)] == [7, 8, 9] and served(source, "Z1P", later) == []
    assert [each.open for each in served(source, "ZIP", datetime(2020, 1, 22, 8, tzinfo=UTC))] == [6]


def test_the_last_session_is_the_one_that_half_of_the_symbols_reach(tmp_path: Path) -> None:
    source = make(
        tmp_path,
        {
            "A.csv": HEADER + "AAA,20211231,1,1,1,1,1\n", "B.csv": HEADER + "BBB,20211231,1,1,1,1,1\n",
            "C.csv": HEADER + "CCC,20220106,1,1,1,1,1\n", "D.csv": HEADER + "DDD,20100104,1,1,1,1,1\n",
        },
    )  # fmt: skip
    assert source.last_session() == source.last_session("XASX") == date(2022, 1, 6)
    assert source.last_session("XASX", ["AAA", "BBB", "CCC", "DDD", "NEVER"]) == date(2021, 12, 31)
    for calendar, symbols in (("XNYS", []), ("", ["NEVER"])):
        with pytest.raises(LookupError):
            source.last_session(calendar, symbols)


# the recordings ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def recorded(recordings: Path) -> AsxDaily:
    if not (recordings / "asx_daily").is_dir():
        pytest.skip("recordings absent: asx_daily")
    return opened(recordings / "asx_daily", master.load())


def rows_of(folder: Path) -> dict[str, list[Bar]]:
    """Every history in plain files, read without the product."""
    found: dict[str, list[Bar]] = {}
    for path in folder.rglob("*.csv"):
        with open(path, newline="") as text:
            for row in csv.reader(text):
                if len(row) == 7 and row[1].isdigit():
                    found.setdefault(row[0], []).append(Bar(datetime.strptime(row[1], "%Y%m%d").date(), *map(float, row[2:])))  # noqa: DTZ007
    return found


def test_every_recorded_line_is_read_and_served_as_it_stands(recorded: AsxDaily, recordings: Path) -> None:
    assert recorded.problems.count == 0, recorded.problems.kept[:3]
    plain = rows_of(recordings / "asx_daily")
    known = master.load()
    checked = 0
    for code, rows in plain.items():
        holder = known.holder("ASX", code, date(2021, 12, 31))
        if holder != code or ("ASX", code) in known.splits or ("ASX", code) in known.of_code:
            continue
        mine = {each.start: each for each in served(recorded, code, datetime(2021, 12, 31, 8, tzinfo=UTC))}
        assert all(mine[each.start] == each for each in rows if each.start <= date(2021, 12, 31)), code
        checked += len(rows)
    assert checked > 1000


def test_recorded_holes_are_filled_by_the_codes_that_traded_in_them(recorded: AsxDaily) -> None:
    now = datetime(2021, 12, 31, 8, tzinfo=UTC)
    days = {each.start for each in served(recorded, "TCL", now)}
    assert date(1999, 12, 1) in days and date(2001, 12, 28) in days, "TCLDA and TCLDB"
    assert min(each.start for each in served(recorded, "APT", now)) == date(2016, 5, 4), "AFY, and not the company before"
    assert min(each.start for each in served(recorded, "MQG", now)) == date(1997, 1, 2), "MBL"
    assert served(recorded, "ZIP", now) == [] and served(recorded, "MBL", now) == []
    assert len(served(recorded, "Z1P", now)) > 900


def test_recorded_prices_are_adjusted_for_the_splits_that_have_happened_by_now(recorded: AsxDaily) -> None:
    before = {each.start: each for each in served(recorded, "CSL", datetime(2007, 10, 17, 8, tzinfo=UTC))}
    after = {each.start: each for each in served(recorded, "CSL", datetime(2007, 10, 18, 8, tzinfo=UTC))}
    day = date(2007, 10, 17)
    assert before[day].close == 103.10 and after[day].close == 34.3667
    assert after[day].volume == 3 * (before[day].volume or 0) and after[date(2007, 10, 18)].close == 34.32
    moves = []
    for code in ("BHP", "CSL", "FMG"):
        closes = [each.close for each in served(recorded, code, datetime(2021, 12, 31, 8, tzinfo=UTC))]
        moves += [max(a / b, b / a) for a, b in pairwise(closes)]
    assert max(moves) < 2, "no jump of a split is left"
