"""What was established about a Gateway decides when a session is whole, and whether an absent minute can be explained."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import pytest

from scizor.db import coverage, probes
from scizor.db.windows import store
from scizor.jobs.coverage import audited
from scizor.market import simulated
from scizor.market.completeness import Axis, Completeness
from scizor.market.coverage import expected
from scizor.market.expectations import AS_EVER, Expectations, auction_start
from scizor.market.types import Bar, Timeframe, Why
from tests.db.conftest import NOW, Connection, Market, ok, xasx

AUCTION = Expectations(auction_is_regular=True)
EMPTY = Expectations(empty_minutes_have_bars=True)
DAY = xasx()[-2]
MINUTE = timedelta(minutes=1)


def minutes() -> list[Bar]:
    """360 of continuous trading and the auction's."""
    return list(simulated.bars(1, "CBA", Timeframe.MIN1, [DAY]))


def put(connection: Connection, market: Market, bars: list[Bar], expectations: Expectations, hours: int = 0) -> None:
    """An answer for the day and the one before, which is whole: the history begins there."""
    before = xasx()[-3]
    window = market.window(timeframe=Timeframe.MIN1, first=before.session_date, last=DAY.session_date, start=before.open, end=DAY.last)
    at = NOW + timedelta(hours=hours)
    whole = simulated.bars(1, "CBA", Timeframe.MIN1, [before])
    store(connection, None, None, window, ok([*whole, *bars], at), at, sessions=market.sessions, expectations=expectations)


def audit(connection: Connection, market: Market, expectations: Mapping[str, Expectations]) -> Completeness:
    [(timeframe, origin, number)] = coverage.kinds(connection)
    cba = market.instruments["CBA"]
    known = coverage.load(connection, timeframe, origin, number, [cba.symbol_id])
    days = {"XASX": [DAY]}
    return audited(connection, timeframe, number, [cba], known, days, {"XASX": Axis.of([DAY])}, None, expectations)[cba.symbol_id]


def why(connection: Connection, market: Market) -> Why | None:
    [(timeframe, origin, number)] = coverage.kinds(connection)
    known = coverage.load(connection, timeframe, origin, number)[market.instruments["CBA"].symbol_id]
    return known.incomplete[0].why if known.incomplete else None


@pytest.mark.parametrize(
    ("timeframe", "usual", "with_auction"),
    [("1min", 360, 361), ("5min", 72, 73), ("15min", 24, 25), ("30min", 12, 13), ("1hour", 6, 7), ("4hour", 2, 2), ("1day", 1, 1), ("30sec", 720, 721)],
)
def test_an_auction_adds_a_bar_unless_the_last_one_of_continuous_trading_holds_it(timeframe: str, usual: int, with_auction: int) -> None:
    assert expected(DAY, Timeframe(timeframe)) == usual
    assert expected(DAY, Timeframe(timeframe), AUCTION) == with_auction
    assert auction_start(DAY, Timeframe(timeframe)) is None


def test_a_session_without_its_auction_is_whole_only_where_the_auction_is_not_expected(collector: Connection, market: Market) -> None:
    put(collector, market, minutes()[:-1], AS_EVER)
    assert why(collector, market) is None and audit(collector, market, {}).missing == 0
    lacking = audit(collector, market, {"ASX": AUCTION})
    assert (lacking.expected, lacking.stored, lacking.contradicted) == (361, 360, (DAY.session_date,))
    assert audit(collector, market, {"NASDAQ": AUCTION}).contradicted == ()
    stray = minutes()[-2]._replace(start=DAY.close)  # a print of the seconds after four is no auction
    put(collector, market, [*minutes()[:-1], stray], AUCTION, hours=1)
    assert audit(collector, market, {"ASX": AUCTION}).contradicted == (DAY.session_date,)
    put(collector, market, minutes(), AUCTION, hours=2)
    whole = audit(collector, market, {"ASX": AUCTION})
    assert (whole.stored, whole.missing, whole.contradicted) == (361, 0, ())


def test_an_auction_does_not_stand_for_an_absent_minute(collector: Connection, market: Market) -> None:
    bars = minutes()
    put(collector, market, [*bars[:100], *bars[101:]], AUCTION)
    assert why(collector, market) is Why.UNKNOWN
    found = audit(collector, market, {"ASX": AUCTION})
    assert (found.expected, found.stored, found.missing) == (361, 360, 1)


def test_a_second_answer_explains_an_absent_minute_only_where_an_empty_one_would_have_no_bar(collector: Connection, market: Market) -> None:
    bars = minutes()
    short = [*bars[:100], *bars[101:]]
    put(collector, market, short, EMPTY)
    put(collector, market, short, EMPTY, hours=13)
    assert why(collector, market) is Why.UNKNOWN
    put(collector, market, short, AS_EVER, hours=26)
    assert why(collector, market) is Why.NO_TRADE


def test_a_history_that_begins_with_a_part_of_a_session_was_listed_then(collector: Connection, market: Market) -> None:
    """Its missing minute is missing: not listed would explain it."""
    day = DAY.session_date
    window = market.window(timeframe=Timeframe.MIN1, first=day, last=day, start=DAY.open, end=DAY.last)
    store(collector, None, None, window, ok(minutes()[:200]), NOW, sessions=market.sessions)
    assert why(collector, market) is Why.UNKNOWN
    assert audit(collector, market, {}).missing == 160


def test_the_newest_answer_decides_and_one_that_was_not_had_changes_nothing(collector: Connection) -> None:
    def note(question: str, answer: dict[str, object] | None, measured: dict[str, object] | None = None, exchange: str = "ASX") -> None:
        probes.store(
            collector, None, NOW, 176, question=question, exchange=exchange, symbol="CBA", answer=answer, measured=measured or {},
            reason="" if answer is not None else "timeout, account U1234567", requests=[],
        )  # fmt: skip

    assert probes.expectations(collector).get("ASX", AS_EVER) == AS_EVER and probes.open_first(collector, 4) == 4
    note(probes.AUCTION, {"is_regular": True})
    note(probes.EMPTY_MINUTES, {"have_bars": True})
    note(probes.SLOW_DOWN, {}, {"kept": 8}, exchange="")
    note(probes.AUCTION, None)
    assert probes.expectations(collector)["ASX"] == Expectations(True, True) and probes.open_first(collector, 4) == 8
    assert "U1234567" not in next(each.reason for each in probes.load(collector) if each.answer is None)
    note(probes.AUCTION, {"is_regular": False})
    assert probes.expectations(collector)["ASX"] == Expectations(False, True)
    assert probes.expectations(collector).get("NASDAQ", AS_EVER) == AS_EVER
