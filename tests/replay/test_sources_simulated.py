"""The seeded simulated market as a source."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from scizor.base.clock import StoppedClock
from scizor.market import simulated as market
from scizor.market.aggregate import aggregate
from scizor.market.types import Bar, Kind, Timeframe
from scizor.replay.sources import Pattern, dates, master
from scizor.replay.sources.simulated import Simulated

NOW = datetime(2025, 1, 15, 6, 0, tzinfo=UTC)  # 17:00 in Sydney
TODAY = date(2025, 1, 15)
ASX = {"exchange": "ASX", "currency": "AUD", "sec_type": "STK"}


@pytest.fixture(scope="module")
def source() -> Simulated:
    return Simulated(7, master.load(), StoppedClock(NOW))


def con_id(source: Simulated, symbol: str, today: date = TODAY, **said: str) -> int:
    (row,) = source.contracts(Pattern(symbol=symbol, **(said or ASX)), today)
    return row.con_id


def daily(source: Simulated, number: int, first: date, last: date = TODAY, now: datetime = NOW) -> list[Bar]:
    return source.bars(number, Timeframe.DAY1, Kind.TRADES, True, first, last, now)


def test_it_says_that_it_is_simulated_and_with_which_seed(source: Simulated) -> None:
    assert source.label == "simulated, seed 7"


def test_another_source_with_the_same_seed_knows_the_same_con_ids_without_having_been_asked(source: Simulated) -> None:
    other = Simulated(7, master.load(), StoppedClock(NOW))
    for symbol in ("BHP", "CBA", "AB1"):
        number = con_id(source, symbol)
        assert daily(other, number, date(2025, 1, 6)) == daily(source, number, date(2025, 1, 6)) != []
        assert other.contracts(Pattern(con_id=number), TODAY) == source.contracts(Pattern(symbol=symbol, **ASX), TODAY)


def test_its_bars_are_those_of_the_market_under_our_symbol(source: Simulated) -> None:
    number = con_id(source, "CBA")
    sessions = source.sessions(number, date(2024, 12, 1), TODAY)
    assert daily(source, number, date(2024, 12, 1)) == list(market.bars(7, "CBA", Timeframe.DAY1, sessions))


def test_every_instrument_of_the_universe_has_twenty_years_of_bars(source: Simulated) -> None:
    known = master.load()
    some = sorted(known.listed.values())[::25]
    assert len(known.listed) > 300 and len(some) > 10
    for each in some:
        if each.listed_to or each.listed_from:
            continue
        pattern = Pattern(symbol=each.symbol, exchange=each.exchange, currency=each.currency, sec_type=each.sec_type)
        (row,) = source.contracts(pattern, TODAY)
        assert row.exchange == (each.primary_exchange or each.exchange) and row.calendar == each.calendar
        head = source.head(row.con_id, Kind.TRADES)
        assert head is not None and head.year == 1995
        assert len(daily(source, row.con_id, date(2005, 1, 15))) > 5000


def test_a_code_is_whoever_holds_it_today(source: Simulated) -> None:
    assert source.contracts(Pattern(symbol="APT", **ASX), TODAY) == [], "left in January 2022"
    assert source.contracts(Pattern(symbol="Z1P", **ASX), TODAY) == [], "became ZIP"
    zip_co = con_id(source, "ZIP")
    assert con_id(source, "Z1P", date(2021, 12, 31)) == zip_co
    assert con_id(source, "ZIP", date(2019, 1, 15)) != zip_co, "another company"
    first = daily(source, zip_co, date(2010, 1, 1))[0].start
    assert first == date(2018, 1, 15)
    afterpay = con_id(source, "APT", date(2021, 12, 31))
    assert daily(source, afterpay, date(2022, 1, 1))[-1].start == date(2022, 1, 19)


@pytest.mark.parametrize("symbol", ["NOSUCH", "BHP.", "bhp", "", "BRK.B", "../X"])
def test_what_could_be_no_code_is_unknown(source: Simulated, symbol: str) -> None:
    assert source.contracts(Pattern(symbol=symbol, **ASX), TODAY) == []


def test_a_currency_an_exchange_and_a_kind_of_security_must_agree(source: Simulated) -> None:
    assert source.contracts(Pattern(symbol="BHP", exchange="SMART", currency="AUD"), TODAY)[0].exchange == "ASX"
    assert source.contracts(Pattern(symbol="AAPL", exchange="SMART", currency="USD"), TODAY)[0].con_id == 265598
    assert source.contracts(Pattern(symbol="QQZZ", exchange="SMART", primary_exchange="ARCA"), TODAY)[0].exchange == "ARCA"
    for wrong in ({"exchange": "ASX", "currency": "USD"}, {"exchange": "LSE"}, {"sec_type": "OPT"}, {"currency": "XXX"}):
        assert source.contracts(Pattern(symbol="BHP", **wrong), TODAY) == []
    for number in (0, 5, 999_999_999, 2**31 - 1):
        assert not source.has(number) and source.contracts(Pattern(con_id=number), TODAY) == []
        assert daily(source, number, TODAY) == [] and source.head(number, Kind.TRADES) is None


def test_a_session_under_way_has_what_had_traded_by_now(source: Simulated) -> None:
    number = con_id(source, "CBA")
    noon = datetime(2025, 1, 15, 1, 0, 30, tzinfo=UTC)  # 12:00:30 in Sydney
    session = dates.session_on("XASX", TODAY)
    assert session is not None
    whole = list(market.bars(7, "CBA", Timeframe.MIN1, [session]))
    known = source.bars(number, Timeframe.MIN1, Kind.TRADES, True, TODAY, TODAY, noon)
    assert known == whole[:120]
    assert daily(source, number, TODAY, now=noon) == aggregate(known, session, Timeframe.DAY1) != daily(source, number, TODAY)
    (hour, second) = source.bars(number, Timeframe.HOUR1, Kind.TRADES, True, TODAY, TODAY, noon - timedelta(minutes=30))
    assert hour.volume == sum(each.volume or 0 for each in whole[:60]) and second.start == session.open + timedelta(hours=1)
    assert daily(source, number, TODAY, now=session.open) == []
    assert daily(source, number, TODAY, date(2030, 1, 1)) == daily(source, number, TODAY)


def test_every_kind_and_size_is_served(source: Simulated) -> None:
    number = con_id(source, "CBA")
    for timeframe in Timeframe:
        for kind in Kind:
            bars = source.bars(number, timeframe, kind, False, TODAY, TODAY, NOW)
            assert bars and (bars[0].volume is None) is (kind is not Kind.TRADES)


def test_its_last_session_is_yesterdays_or_the_one_before(source: Simulated) -> None:
    assert source.last_session() == date(2025, 1, 14)
    assert Simulated(7, master.Master(), StoppedClock(datetime(2025, 1, 27, 6, tzinfo=UTC))).last_session() == date(2025, 1, 24)
    assert source.last_session("XNYS") == date(2025, 1, 14)
