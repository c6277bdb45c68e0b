"""Longer bars from shorter ones."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from scizor.market.aggregate import aggregate, bar_start
from scizor.market.types import Bar, Session, Timeframe

NEW_YORK = Session(
    "XNYS", date(2026, 1, 22), datetime(2026, 1, 22, 14, 30, tzinfo=UTC), datetime(2026, 1, 22, 21, tzinfo=UTC),
    datetime(2026, 1, 22, 21, tzinfo=UTC),
)  # fmt: skip


def minute(number: int, price: float, volume: float = 10, trades: int = 1) -> Bar:
    start = NEW_YORK.open + timedelta(minutes=number)
    return Bar(start, price, price + 0.02, price - 0.02, price + 0.01, volume, price, trades)


def test_the_first_hour_of_new_york_is_half_an_hour_long() -> None:
    bars = aggregate([minute(each, 10.0) for each in range(390)], NEW_YORK, Timeframe.HOUR1)
    assert [f"{each.start:%H:%M}" for each in bars] == ["14:30", "15:00", "16:00", "17:00", "18:00", "19:00", "20:00"]
    assert [each.volume for each in bars] == [300] + [600] * 6


def test_a_longer_bar_has_the_first_open_the_extremes_the_last_close_and_the_sums() -> None:
    (bar,) = aggregate([minute(0, 10.0, 10, 2), minute(1, 12.0, 30, 3), minute(2, 11.0, 10, 4)], NEW_YORK, Timeframe.DAY1)
    assert bar == Bar(NEW_YORK.session_date, 10.0, 12.02, 9.98, 11.01, 50, 11.4, 9)


def test_a_minute_without_a_trade_has_no_say_where_another_has_traded() -> None:
    stale = minute(0, 99.0, volume=0, trades=0)
    (bar,) = aggregate([stale, minute(1, 10.0)], NEW_YORK, Timeframe.MIN5)
    assert bar[:6] == (NEW_YORK.open, 10.0, 10.02, 9.98, 10.01, 10)
    (alone,) = aggregate([stale], NEW_YORK, Timeframe.MIN5)
    assert (alone.open, alone.volume) == (99.0, 0)


def test_a_bar_never_starts_before_its_session() -> None:
    assert bar_start(NEW_YORK, Timeframe.HOUR4, NEW_YORK.open) == NEW_YORK.open
    assert bar_start(NEW_YORK, Timeframe.MIN5, NEW_YORK.open + timedelta(minutes=9)) == NEW_YORK.open + timedelta(minutes=5)


def test_nothing_makes_nothing() -> None:
    assert aggregate([], NEW_YORK, Timeframe.DAY1) == aggregate([], NEW_YORK, Timeframe.HOUR1) == []
