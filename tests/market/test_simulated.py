"""The seeded simulated market."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from random import Random
from statistics import stdev

import pytest

from scizor.base.paths import ROOT
from scizor.market import simulated
from scizor.market.aggregate import aggregate
from scizor.market.ladder import ladder
from scizor.market.types import Bar, Kind, Session, Timeframe

SEED = 20250115


def sessions(first: date, count: int, calendar: str = "XASX", half: bool = False) -> list[Session]:
    """Weekdays; enough of a calendar for a market that never asks one."""
    found: list[Session] = []
    while len(found) < count:
        if first.weekday() < 5:
            opened = datetime(first.year, first.month, first.day, 0 if calendar == "XASX" else 14, tzinfo=UTC)
            close = opened + timedelta(hours=4 if half else 6)
            last = close + timedelta(minutes=12) if calendar == "XASX" else close
            found.append(Session(calendar, first, opened, close, last, half))
        first += timedelta(days=1)
    return found


def daily(symbol: str, wanted: list[Session], seed: int = SEED) -> list[Bar]:
    return list(simulated.bars(seed, symbol, Timeframe.DAY1, wanted))


def differences(part: list[Bar], day: Bar, session: Session) -> list[str]:
    """Where the aggregate of the parts is not the day."""
    (made,) = aggregate(part, session, Timeframe.DAY1)
    return [name for name in Bar._fields if name != "wap" and getattr(made, name) != getattr(day, name)]


def test_the_same_seed_symbol_and_session_give_the_same_bar_whatever_else_is_asked_for() -> None:
    everything = sessions(date(2004, 1, 1), 5200)
    bars = daily("BHP", everything)
    for at in (0, 1, 1234, 5199):
        assert daily("BHP", [everything[at]]) == [bars[at]]
    assert daily("BHP", everything[::-1]) == bars[::-1]
    assert daily("BHP", everything[:50], SEED + 1) != bars[:50]
    assert [each.close for each in daily("CBA", everything[:50])] != [each.close for each in bars[:50]]


def test_another_process_makes_the_same_bars() -> None:
    (session,) = sessions(date(2024, 5, 31), 1)
    code = (
        "from datetime import *; from scizor.market.types import *; from scizor.market import simulated\n"
        f"o = datetime({session.open.year}, {session.open.month}, {session.open.day}, tzinfo=UTC)\n"
        f"s = Session('XASX', o.date(), o, o + timedelta(hours=6), o + timedelta(hours=6, minutes=12))\n"
        f"print(list(simulated.bars({SEED}, 'BHP', Timeframe.MIN30, [s])))"
    )
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT / "lib", capture_output=True, text=True, check=True, timeout=60)
    assert said.stdout.strip() == str(list(simulated.bars(SEED, "BHP", Timeframe.MIN30, [session])))


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("timeframe", [each for each in Timeframe if each is not Timeframe.DAY1])
def test_bars_of_every_length_aggregate_exactly_to_the_daily_bar(timeframe: Timeframe, kind: Kind) -> None:
    for symbol in ("BHP", "ILLIQ", "PENNY"):
        for session in [*sessions(date(2025, 1, 15), 3), *sessions(date(2024, 12, 24), 1, half=True)]:
            (day,) = simulated.bars(SEED, symbol, Timeframe.DAY1, [session], kind)
            part = list(simulated.bars(SEED, symbol, timeframe, [session], kind))
            assert not differences(part, day, session)
            assert all(before.start < after.start for before, after in pairwise(part))  # type: ignore[operator]
    assert differences([each for each in part if each.high < day.high], day, session), "a planted hole must be seen"


def test_five_seconds_aggregate_to_minutes_and_minutes_to_hours() -> None:
    (session,) = sessions(date(2025, 1, 15), 1)
    for short, long in ((Timeframe.SEC5, Timeframe.MIN1), (Timeframe.SEC30, Timeframe.MIN1), (Timeframe.MIN5, Timeframe.HOUR1)):
        made = aggregate(simulated.bars(SEED, "ILLIQ", short, [session]), session, long)
        wanted = list(simulated.bars(SEED, "ILLIQ", long, [session]))
        assert [each._replace(wap=None) for each in made] == [each._replace(wap=None) for each in wanted]


def test_prices_stand_on_the_ladder_and_bars_are_possible() -> None:
    for calendar in ("XASX", "XNYS"):
        rungs = ladder(calendar)
        for number in range(12):
            wanted = sessions(date(2015, 3, 2), 250, calendar)
            bars = daily(f"S{number}", wanted) + list(simulated.bars(SEED, f"S{number}", Timeframe.MIN1, wanted[:1]))
            for bar in bars:
                assert all(rungs.price(rungs.position(each)) == each for each in bar[1:5])
                assert 0 < bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high
                assert bar.wap is not None and bar.low <= bar.wap <= bar.high
                assert bar.volume is not None and bar.trades is not None and bar.volume >= bar.trades >= 0
                assert bar.trades > 1 or bar.high == bar.low


def test_a_quiet_share_has_minutes_without_a_trade_that_repeat_the_last_price() -> None:
    found = 0
    for number in range(30):
        part = list(simulated.bars(SEED, f"Q{number}", Timeframe.MIN1, sessions(date(2025, 1, 15), 1)))
        for before, bar in pairwise(part):
            if not bar.volume:
                found += 1
                assert bar.open == bar.high == bar.low == bar.close == before.close and bar.trades == 0
    assert found > 100


def test_bid_is_below_midpoint_and_ask_above_and_the_trade_lies_between() -> None:
    wanted = sessions(date(2025, 1, 15), 2)
    made = {kind: list(simulated.bars(SEED, "BHP", Timeframe.MIN5, wanted, kind)) for kind in Kind}
    for trade, bid, middle, ask in zip(*(made[each] for each in (Kind.TRADES, Kind.BID, Kind.MIDPOINT, Kind.ASK)), strict=True):
        assert bid.start == middle.start == ask.start == trade.start
        assert bid.close < middle.close < ask.close and bid.high < trade.high < ask.high and bid.low < trade.low < ask.low
        assert bid.volume is bid.wap is bid.trades is None


def test_the_closing_auction_is_a_minute_of_one_price_ten_minutes_after_the_close() -> None:
    (session,) = sessions(date(2025, 1, 15), 1)
    part = list(simulated.bars(SEED, "BHP", Timeframe.MIN1, [session]))
    assert len(part) == 361 and part[-1].start == session.close + timedelta(minutes=10)
    assert part[-1].high == part[-1].low and (part[-1].volume or 0) > 20 * (part[-2].volume or 0) / 5
    assert len(list(simulated.bars(SEED, "AAPL", Timeframe.MIN1, sessions(date(2025, 1, 15), 1, "XNYS")))) == 360


def test_the_walk_is_plausible_for_twenty_years() -> None:
    for number in range(10):
        closes = [each.close for each in daily(f"W{number}", sessions(date(2005, 1, 3), 5200)) if each.close > 0.5]
        if len(closes) < 1000:
            continue
        moves = [after / before - 1 for before, after in pairwise(closes)]
        assert 0.004 < stdev(moves) < 0.05
        assert max(map(abs, moves)) < 0.4
        assert len(set(closes)) > 50


def test_it_says_that_it_is_simulated() -> None:
    assert simulated.label(7) == "simulated, seed 7"


def test_twenty_years_of_daily_bars_cost_little_more_than_their_random_numbers_and_need_no_numpy() -> None:
    wanted = sessions(date(2005, 1, 3), 5200)
    spent, floor = [], []
    for number in range(5):
        began = time.process_time()
        daily(f"T{number}", wanted)
        spent.append(time.process_time() - began)
        began = time.process_time()
        random = Random(number)
        for _ in wanted:
            random.gauss(0.0, 1.0)
        floor.append(time.process_time() - began)
    assert min(spent) < 40 * min(floor)  # about 18
    code = "import sys, scizor.market.simulated; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
