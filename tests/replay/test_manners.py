"""What is not established of the real Gateway, each way: a client's test chooses, and sees the other answer."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from scizor.base.clock import StoppedClock
from scizor.market.types import Bar, Timeframe
from scizor.replay.sources import Pattern
from scizor.replay.sources.master import load
from scizor.replay.sources.simulated import Simulated
from scizor.replay.tws.history import Question, bars
from scizor.replay.tws.options import GatewayOptions

AFTER = datetime(2025, 1, 15, 8, 0, tzinfo=UTC)  # 19:00 in Sydney
DURING = datetime(2025, 1, 15, 2, 30, 20, tzinfo=UTC)
THIN = "WTC"  # of seed 1: minutes without a trade


def minutes(manners: GatewayOptions, *, now: datetime = AFTER, end: datetime | None = None, regular: bool = True, code: str = "CBA") -> list[Bar]:
    source = Simulated(1, load(), StoppedClock(now))
    [row] = source.contracts(Pattern(symbol=code, exchange="ASX", currency="AUD"), date(2025, 1, 15))
    question = Question("TRADES", Timeframe.MIN1, 1, "D", end, regular, 2)
    return bars(question, row, source, now, manners=manners)


@pytest.mark.parametrize(("is_regular", "regular", "count"), [(True, True, 361), (False, True, 360), (False, False, 361), (True, False, 361)])
def test_the_closing_auction_is_in_regular_hours_or_not(is_regular: bool, regular: bool, count: int) -> None:
    assert len(minutes(GatewayOptions(auction_is_regular=is_regular), regular=regular)) == count


def test_a_minute_without_a_trade_has_a_bar_or_none() -> None:
    with_them = minutes(GatewayOptions(), code=THIN)
    empty = [each for each in with_them if each.volume == 0]
    assert empty and all(each.trades == 0 for each in empty)
    without = minutes(replace(GatewayOptions(), zero_bars=False), code=THIN)
    assert without == [each for each in with_them if each.volume != 0]


def test_the_bar_that_is_being_made_is_sent_or_not() -> None:
    finished = minutes(GatewayOptions(), now=DURING)
    assert finished[-1].start == DURING.replace(second=0) - timedelta(minutes=1)
    also = minutes(GatewayOptions(unfinished_bar=True), now=DURING)
    assert also[:-1] == finished and also[-1].start == DURING.replace(second=0)
    assert minutes(GatewayOptions(unfinished_bar=True)) == minutes(GatewayOptions()), "nothing is being made at night"


def test_the_bar_at_the_end_is_sent_or_not() -> None:
    end = DURING.replace(second=0)
    assert minutes(GatewayOptions(), end=end)[-1].start == end - timedelta(minutes=1)
    assert minutes(GatewayOptions(end_is_inclusive=True), end=end)[-1].start == end
