"""Indices through the whole path: computed, not traded. Qualified, collected, backfilled, and nothing says that volume is missing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from scizor.base.clock import StoppedClock
from scizor.base.config import Config
from scizor.base.exit import Exit
from scizor.base.paths import ROOT
from scizor.db import symbols, windows
from scizor.db.connect import connect
from scizor.db.embedded import Embedded
from scizor.market import calendar
from scizor.market.types import Bar, Kind, Origin, Outcome, OutcomeKind, Timeframe, Window
from scizor.replay.sources import Pattern
from scizor.replay.sources.master import Master, load
from scizor.replay.sources.simulated import Simulated
from tests.conftest import fresh_database
from tests.jobs.stage import Stage, stage

NOW = datetime(2025, 1, 15, 23, 0, tzinfo=UTC)  # Wednesday evening in Chicago: VIX has settled, XJO since the morning
MADE = "('VIX', 'XJO', 'NDX')"


@pytest.fixture(scope="module")
def collected(server: Embedded, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Three indices, one of them in no file, and a share; collected by the real scripts, once."""
    folder = tmp_path_factory.mktemp("indices")
    config = replace(
        Config(), mode="replay", paths=replace(Config().paths, state=str(folder / "s"), logs=str(folder / "l")),
        collect=replace(Config().collect, daily_years=1),
    )  # fmt: skip
    with (
        fresh_database(server, template) as database, connect(database, application="tests", owner=True) as owner,
        stage(replace(config, database=database), owner, folder, at=NOW, speed=10.0) as there,
    ):  # fmt: skip
        assert there.run("symbols", "import", str(ROOT / "etc" / "indices.csv")) is Exit.DONE
        assert there.run("watchlist", "add", "--name", "indices", "--symbol", "VIX", "--symbol", "XJO", "--5min") is Exit.DONE
        assert there.run("watchlist", "add", "--name", "indices", "--symbol", "NDX", "--exchange", "NASDAQ", "--index", "--5min") is Exit.DONE
        there.list_symbols("CBA")
        assert there.run("collect-daily") is Exit.DONE
        assert there.run("backfill", "--timeframe", "5min", "--from", "2024-12-23", "--symbol", "VIX", "--symbol", "XJO", "--symbol", "NDX") is Exit.DONE
        yield there


def test_an_index_is_qualified_as_itself_at_its_own_exchange(collected: Stage) -> None:
    assert collected.rows(f"SELECT symbol, exchange, sec_type, currency, calendar, con_id IS NOT NULL, refused FROM symbols WHERE symbol IN {MADE} ORDER BY 1") == [
        ("NDX", "NASDAQ", "IND", "USD", "XNAS", True, ""), ("VIX", "CBOE", "IND", "USD", "XCBF", True, ""), ("XJO", "ASX", "IND", "AUD", "XASX", True, ""),
    ]  # fmt: skip


def test_its_bars_have_no_volume_and_no_rule_misses_it(collected: Stage) -> None:
    assert collected.rows(f"""SELECT s.symbol, m.timeframe, count(*) > 5, count(volume), count(wap), count(trades) FROM market_data m
        JOIN symbols s ON s.id = m.symbol_id WHERE s.symbol IN {MADE} GROUP BY 1, 2 ORDER BY 1, 2""") == [
        (symbol, size, True, 0, 0, 0) for symbol in ("NDX", "VIX", "XJO") for size in ("1day", "5min")
    ]  # fmt: skip
    assert collected.rows("SELECT count(volume) > 200 FROM market_data m JOIN symbols s ON s.id = m.symbol_id WHERE s.symbol = 'CBA'") == [(True,)]
    assert collected.rows("SELECT count(*) FROM quarantine") == [(0,)]
    assert collected.rows(f"SELECT count(*) FROM bars b JOIN symbols s ON s.id = b.symbol_id WHERE s.symbol IN {MADE} AND flags <> 0") == [(0,)]


def test_a_value_between_two_cents_is_no_doubt_about_an_index_as_it_is_about_a_share(collected: Stage) -> None:
    connection, day = collected.database, date(2025, 1, 14)
    bar = Bar(day, 17.123, 18.456, 16.789, 17.005, None)
    for each in symbols.load_instruments(connection, NOW, ["CBA", "VIX"]):
        window = Window(each, Timeframe.DAY1, day, day, Origin(source="legacy"))
        assert windows.store(connection, None, None, window, Outcome(OutcomeKind.OK, (bar,), asked_at=NOW), NOW).stored == 1
    assert collected.rows("""SELECT symbol, flags FROM bars b JOIN symbols s ON s.id = b.symbol_id JOIN origins o ON o.id = b.origin
        WHERE source = 'legacy' ORDER BY 1""") == [("CBA", 1), ("VIX", 0)]


def test_nothing_is_missing_of_it_and_a_session_has_the_bars_of_its_own_hours(collected: Stage) -> None:
    assert collected.rows("SELECT count(*) FROM missing_sessions WHERE NOT is_explained") == [(0,)]
    assert collected.run("coverage") is Exit.DONE
    found = collected.rows("""SELECT s.symbol, count(*) FROM market_data m JOIN symbols s ON s.id = m.symbol_id
        WHERE timeframe = '5min' AND session_date = '2025-01-15' GROUP BY 1 ORDER BY 1""")
    assert found == [("NDX", 78), ("VIX", 81), ("XJO", 73)]  # 6.5 hours, 6.75 hours, six hours and the closing auction
    (half,) = collected.rows("SELECT count(*) FROM market_data m JOIN symbols s ON s.id = m.symbol_id WHERE symbol = 'VIX' AND timeframe = '5min' AND session_date = '2024-12-24'")
    assert half == (45,)  # to 12:15 in Chicago


def test_quality_finds_no_fault_and_no_split_in_it(collected: Stage) -> None:
    assert collected.run("report-quality") is Exit.DONE
    assert collected.rows("SELECT rule FROM quality_findings WHERE severity = 'hard'") == []
    assert collected.run("actions", "detect") is Exit.DONE


def test_a_second_run_finds_nothing_due_and_asks_nobody(collected: Stage) -> None:
    before = len(collected.requests())
    assert collected.run("collect-daily") is Exit.DONE
    assert collected.run("fill-gaps") is Exit.DONE
    assert len(collected.requests()) == before


def test_an_index_needs_its_exchange(collected: Stage) -> None:
    assert collected.run("watchlist", "add", "--name", "indices", "--symbol", "SPX", "--index") is Exit.USAGE


def test_the_simulated_market_keeps_an_index_apart_from_a_share_of_its_code() -> None:
    source, today = Simulated(1, load(), StoppedClock(NOW)), NOW.date()
    for master in (source, Simulated(1, Master(), StoppedClock(NOW))):  # known from the file, or from nowhere
        (index,) = master.contracts(Pattern(symbol="XJO", sec_type="IND", exchange="ASX", currency="AUD"), today)
        (share,) = master.contracts(Pattern(symbol="XJO", sec_type="STK", exchange="ASX", currency="AUD"), today)
        assert (index.sec_type, share.sec_type) == ("IND", "STK") and index.con_id != share.con_id
        assert master.contracts(Pattern(con_id=index.con_id), today) == [index]
        assert master.contracts(Pattern(symbol="XJO", sec_type="IND", exchange="SMART", currency="AUD"), today) == [], "an index has no route"
        assert master.contracts(Pattern(symbol="XJO", sec_type="IND", exchange="CBOE", currency="AUD"), today) == []
        one = master.bars(index.con_id, Timeframe.MIN5, Kind.TRADES, True, today, today, NOW)
        assert one and {each[5:] for each in one} == {(0.0, 0.0, 0)}
        assert master.bars(index.con_id, Timeframe.MIN5, Kind.BID, True, today, today, NOW) == [] and master.head(index.con_id, Kind.BID) is None


def test_the_calendar_of_the_cboe_has_its_own_hours_and_the_early_closes_of_new_york() -> None:
    assert calendar.calendar_of("CBOE", "USD") == "XCBF"
    days = {each.session_date: each for each in calendar.sessions("XCBF", date(2024, 11, 1), date(2025, 7, 31))}
    winter, summer = days[date(2025, 1, 15)], days[date(2025, 7, 15)]
    assert (winter.open, winter.close, winter.last) == tuple(datetime(2025, 1, 15, *at, tzinfo=UTC) for at in ((14, 30), (21, 15), (21, 15)))
    assert (summer.open, summer.close) == (datetime(2025, 7, 15, 13, 30, tzinfo=UTC), datetime(2025, 7, 15, 20, 15, tzinfo=UTC))
    halves = {day: each.close for day, each in days.items() if each.is_half_day}
    assert set(halves) == {date(2024, 11, 29), date(2024, 12, 24), date(2025, 7, 3)}
    assert halves[date(2024, 12, 24)] == datetime(2024, 12, 24, 18, 15, tzinfo=UTC)
    assert date(2025, 1, 9) not in days
