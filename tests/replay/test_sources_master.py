"""Who a code is, and the conIds of instruments whose real one is unknown."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from scizor.base.errors import ConfigurationError
from scizor.market.types import Bar
from scizor.replay.sources import master
from scizor.replay.sources.identity import FIRST, made_up, read_back

CODES = """# comment
code,exchange,symbol,from,to,successor,note
OLD,ASX,NEW,,2007-11-02,NEW,
NEW,ASX,NEW,2007-11-05,,,
PLAIN,ASX,PLAIN.2017,,1997-01-14,,another company
PLAIN,ASX,PLAIN,2017-06-29,2022-01-19,SQ2,
DEFDA,ASX,DEF,1999-11-29,1999-12-13,DEF,deferred settlement
SIDE,ASX,,2003-11-18,2003-12-03,DEF,a line of its own
"""


@pytest.fixture
def known(tmp_path: Path) -> master.Master:
    (tmp_path / "codes.csv").write_text(CODES)
    (tmp_path / "shares.csv").write_text(
        "symbol,name,exchange,primary_exchange,currency,sec_type,sector,calendar,con_id,listed_from,listed_to,as_of\r\n"
        "DEF,Def Limited,ASX,ASX,AUD,STK,Industrials,XASX,4036,,,2025-11-05\r\n"
        "GONE,Gone,ASX,ASX,AUD,STK,,XASX,,2001-01-02,2010-06-30,2010-06-30\r\n"
    )
    (tmp_path / "splits.csvx").write_text("symbol,exchange,ex_date,numerator,denominator,note\nNEW,ASX,2010-01-04,3,1,\n")
    return master.load(tmp_path, tmp_path / "splits.csvx")


@pytest.mark.parametrize(
    ("code", "today", "holder"),
    [
        ("OLD", "2007-11-02", "NEW"), ("OLD", "2007-11-05", None), ("NEW", "2007-11-02", None), ("NEW", "2007-11-05", "NEW"),
        ("PLAIN", "1997-01-14", "PLAIN.2017"), ("PLAIN", "2005-01-04", None), ("PLAIN", "2017-06-29", "PLAIN"),
        ("PLAIN", "2022-01-20", None), ("SIDE", "2003-11-20", "SIDE"), ("SIDE", "2004-11-20", None),
        ("ANY", "1900-01-01", "ANY"), ("GONE", "2000-12-29", None), ("GONE", "2010-06-30", "GONE"), ("GONE", "2010-07-01", None),
    ],
)  # fmt: skip
def test_row_48_a_code_means_whoever_holds_it_that_day(known: master.Master, code: str, today: str, holder: str | None) -> None:
    assert known.holder("ASX", code, date.fromisoformat(today)) == holder


def test_an_instrument_has_every_code_that_it_held_and_the_plain_one_has_the_say(known: master.Master) -> None:
    assert [each.code for each in known.lives("ASX", "DEF")] == ["DEF", "DEFDA"]
    assert [each.code for each in known.lives("ASX", "NEW")] == ["NEW", "OLD"]
    assert [each.code for each in known.lives("ASX", "PLAIN.2017")] == ["PLAIN"]
    assert known.code_on("ASX", "NEW", date(2000, 1, 4)) == "OLD"
    assert known.code_on("ASX", "PLAIN", date(2023, 1, 4)) is None


def test_a_contract_has_the_real_con_id_where_it_is_known(known: master.Master) -> None:
    row = known.row("ASX", "DEF", "DEF", "AUD", "XASX")
    assert (row.con_id, row.long_name, row.industry, row.min_tick) == (4036, "DEF LIMITED", "Industrials", 0.001)
    assert known.row("ASX", "OTHER", "OTHER", "AUD", "XASX").con_id == made_up("ASX", "OTHER")


def test_prices_before_a_split_are_divided_by_it_once_it_has_happened(known: master.Master) -> None:
    days = [date(2010, 1, 1), date(2010, 1, 4)]
    bars = [Bar(days[0], 30.0, 33.0, 29.0, 31.0, 100.0), Bar(days[1], 10.0, 11.0, 9.5, 10.5, 300.0)]
    assert known.adjust("ASX", "NEW", bars, days, date(2010, 1, 1)) == bars
    adjusted = known.adjust("ASX", "NEW", bars, days, date(2010, 1, 4))
    assert adjusted == [Bar(days[0], 10.0, 11.0, 9.6667, 10.3333, 300.0), bars[1]]
    assert known.adjust("ASX", "DEF", bars, days, date(2030, 1, 4)) == bars


def test_a_wrong_line_is_named(tmp_path: Path) -> None:
    (tmp_path / "codes.csv").write_text(CODES.replace("2007-11-05", "5/11/2007"))
    with pytest.raises(ConfigurationError, match=r"codes\.csv:4: from: "):
        master.load(tmp_path, tmp_path / "none.csv")


def test_the_repositorys_own_files_say_who_held_zip_apt_and_mqg() -> None:
    own = master.load()
    assert own.holder("ASX", "ZIP", date(2019, 6, 3)) == "ZIP.2020"
    assert own.holder("ASX", "ZIP", date(2021, 12, 31)) is None
    assert own.holder("ASX", "Z1P", date(2021, 12, 31)) == own.holder("ASX", "ZIP", date(2022, 4, 21)) == "ZIP"
    assert own.holder("ASX", "APT", date(2022, 1, 20)) is None
    assert {each.code for each in own.lives("ASX", "MQG")} == {"MBL", "MQG"}
    assert [each.ex_date for each in own.splits["ASX", "CSL"]] == [date(2007, 10, 18)]


def test_made_up_con_ids_are_stable_distinct_and_can_be_read_back() -> None:
    assert made_up("ASX", "BHP") == 1_000_017_120  # stored in databases: it may never change
    names = [(exchange, code) for exchange in ("ASX", "NYSE", "BATS") for code in ("A", "AA", "0", "00", "A0", "ZZZZZ", "Z1P")]
    numbers = [made_up(*each) for each in names]
    assert len(set(numbers)) == len(names)
    assert [read_back(each) for each in numbers] == names
    long = [made_up("ASX", "ZIP.2020"), made_up("ASX", "WESNAXX"), made_up("LSE", "VOD")]
    assert [read_back(each) for each in long] == [None] * 3
    assert all(FIRST < each < 2**31 for each in numbers + long)
    assert [read_back(each) for each in (0, 4036812, FIRST, 2**31 - 1, -5)] == [None] * 5
