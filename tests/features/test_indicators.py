"""The indicators, against their definitions written out by hand in plain Python, on a seeded series."""

from __future__ import annotations

import math
import random
from statistics import fmean, pstdev

import numpy as np
import pytest

from scizor.features.indicators import NAMES, Columns, compute, stochastic, vwap

SEED = 20


def series(count: int = 400, per_session: int = 50) -> Columns:
    draw, price = random.Random(SEED), 100.0
    high, low, close, volume, wap = [], [], [], [], []
    for n in range(count):
        opened, price = price, max(1.0, price + draw.gauss(0, 0.5))
        high.append(max(opened, price) + draw.random())
        low.append(min(opened, price) - draw.random())
        close.append(price)
        volume.append(math.nan if n % 31 == 0 else 0.0 if n % 37 == 0 else float(draw.randint(1, 10_000)))
        wap.append(math.nan if n % 2 else (high[-1] + low[-1]) / 2)
    columns = [np.array(each) for each in (high, low, close, volume, wap)]
    return Columns(*columns, session=np.repeat(np.arange(count // per_session, dtype=np.int32) + 19_000, per_session))


BARS = series()
FOUND = compute(BARS)


def agree(name: str, expected: list[float], tolerance: float = 1e-9) -> None:
    found = FOUND[name]
    assert len(found) == len(expected) == len(BARS.close)
    blank = [math.isnan(each) for each in expected]
    assert list(np.isnan(found)) == blank, f"seed {SEED}: {name} begins elsewhere"
    assert max(abs(a - b) for a, b in zip(found, expected, strict=True) if not math.isnan(b)) < tolerance


def ema(values: list[float], period: int, start: int = 0) -> list[float]:
    """From the simple mean of the `period` values from `start` on."""
    found = [math.nan] * len(values)
    found[start + period - 1] = fmean(values[start : start + period])
    for n in range(start + period, len(values)):
        found[n] = found[n - 1] + (values[n] - found[n - 1]) * 2 / (period + 1)
    return found


def wilder(values: list[float], period: int) -> list[float]:
    """values[0] does not count: the first mean is of values[1 : period + 1]."""
    found = [math.nan] * len(values)
    found[period] = fmean(values[1 : period + 1])
    for n in range(period + 1, len(values)):
        found[n] = (found[n - 1] * (period - 1) + values[n]) / period
    return found


def test_all_that_was_promised_is_there_in_order_and_of_the_bars_length() -> None:
    assert tuple(FOUND) == NAMES
    assert {each.dtype for each in FOUND.values()} == {np.dtype(np.float64)}


@pytest.mark.parametrize("period", [10, 20, 50, 200])
def test_a_simple_mean_is_of_the_last_bars(period: int) -> None:
    close = list(BARS.close)
    agree(f"sma_{period}", [fmean(close[n - period + 1 : n + 1]) if n >= period - 1 else math.nan for n in range(len(close))])


@pytest.mark.parametrize("period", [12, 26])
def test_an_exponential_mean_starts_from_a_simple_one(period: int) -> None:
    agree(f"ema_{period}", ema(list(BARS.close), period))


def test_RSI_and_ATR_smooth_as_Wilder_did() -> None:
    close, steps = list(BARS.close), [0.0, *np.diff(BARS.close)]
    up, down = wilder([max(each, 0.0) for each in steps], 14), wilder([max(-each, 0.0) for each in steps], 14)
    agree("rsi_14", [100 * a / (a + b) for a, b in zip(up, down, strict=True)])
    ranges = [
        max(BARS.high[n] - BARS.low[n], abs(BARS.high[n] - close[n - 1]), abs(BARS.low[n] - close[n - 1])) if n else 0.0 for n in range(len(close))
    ]
    agree("atr_14", wilder(ranges, 14))


def test_MACD_s_two_means_start_together_and_its_signal_after_nine() -> None:
    close = list(BARS.close)
    fast, slow = ema(close, 12, start=14), ema(close, 26)
    macd = [a - b for a, b in zip(fast, slow, strict=True)]
    signal = ema(macd, 9, start=25)
    agree("macd", [a if not math.isnan(b) else math.nan for a, b in zip(macd, signal, strict=True)])
    agree("macd_signal", signal)
    agree("macd_histogram", [a - b for a, b in zip(macd, signal, strict=True)])


def test_the_bands_stand_two_deviations_of_the_population_off_the_mean() -> None:
    close = list(BARS.close)
    for name, sign in (("upper", 2), ("middle", 0), ("lower", -2)):
        expected = [fmean(w) + sign * pstdev(w) if len(w := close[max(0, n - 19) : n + 1]) == 20 else math.nan for n in range(len(close))]
        agree(f"bollinger_{name}", expected, 1e-6)


def test_the_stochastic_RSI_is_smoothed_twice() -> None:
    rsi = list(FOUND["rsi_14"])
    raw = [math.nan] * len(rsi)
    for n in range(14 + 13, len(rsi)):
        window = rsi[n - 13 : n + 1]
        raw[n] = 100 * (rsi[n] - min(window)) / (max(window) - min(window))
    k = [fmean(raw[n - 2 : n + 1]) if n >= 29 else math.nan for n in range(len(raw))]
    d = [fmean(k[n - 2 : n + 1]) if n >= 31 else math.nan for n in range(len(k))]
    agree("stochrsi_d", d, 1e-6)
    agree("stochrsi_k", [a if n >= 31 else math.nan for n, a in enumerate(k)], 1e-6)  # both begin where %D does
    flat, _ = stochastic(np.full(60, 50.0))
    assert set(flat[31:]) == {0.0}


@pytest.mark.parametrize("lengths", [[50] * 8, [400], [1, 1, 1, 97, 50, 50, 30, 170], [33, 60, 60, 60, 60, 60, 60, 7]])
def test_VWAP_begins_anew_with_each_session_and_a_bar_without_volume_has_no_weight(lengths: list[int]) -> None:
    expected, money, shares = [], 0.0, 0.0
    days = np.repeat(np.arange(len(lengths), dtype=np.int32) * 3, lengths)
    for n in range(len(BARS.close)):
        if n == 0 or days[n] != days[n - 1]:
            money = shares = 0.0
        price = BARS.wap[n] if not math.isnan(BARS.wap[n]) else (BARS.high[n] + BARS.low[n] + BARS.close[n]) / 3
        volume = 0.0 if math.isnan(BARS.volume[n]) else BARS.volume[n]
        money, shares = money + price * volume, shares + volume
        expected.append(money / shares if shares else price)
    assert np.abs(vwap(BARS._replace(session=days)) - expected).max() < 1e-9


def test_a_daily_bar_s_VWAP_is_its_own_average() -> None:
    daily = BARS._replace(session=np.arange(len(BARS.close), dtype=np.int32))
    own = np.where(np.isnan(BARS.wap), (BARS.high + BARS.low + BARS.close) / 3, BARS.wap)
    assert np.allclose(vwap(daily), own, rtol=1e-15)


def test_VWAP_keeps_its_digits_after_a_year_of_minutes() -> None:
    count = 91_080
    long = Columns(*(np.full(count, 33.37) for _ in range(3)), volume=np.full(count, 123_456.78), wap=np.full(count, 33.37),
                   session=np.repeat(np.arange(253, dtype=np.int32), 360))  # fmt: skip
    assert np.abs(vwap(long) - 33.37).max() < 1e-12


@pytest.mark.parametrize("count", [0, 1, 2, 13, 14, 15, 27, 33, 34, 199, 200])
def test_short_series_give_what_they_can_and_nothing_else(count: int) -> None:
    few = Columns(*(each[:count] for each in BARS))
    found = compute(few)
    for name in NAMES:
        assert len(found[name]) == count
        assert np.array_equal(found[name], FOUND[name][:count], equal_nan=True) or name.startswith(("bollinger", "vwap"))
        assert np.allclose(found[name], FOUND[name][:count], equal_nan=True)
