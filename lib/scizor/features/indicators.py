"""The classical indicators that were promised, over one series of bars, by TA-Lib; VWAP by hand, since TA-Lib has none.

    SMA 10/20/50/200 · EMA 12/26 · RSI 14 · MACD 12/26/9 · Bollinger 20/2 · ATR 14 · stochastic RSI 14/3/3 · VWAP

All are float64 of the bars' length; NaN while there are too few bars (SMA 200: the first 199). What is recursive (EMA, RSI,
MACD, ATR) begins at the series' first bar and forgets it slowly: compute over the whole series and cut afterwards. TA-Lib's
conventions hold: an EMA starts from the simple mean of its first period; RSI and ATR smooth as Wilder did; MACD's two EMAs
start together; Bollinger takes the population's standard deviation.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

#: In the order of the table `indicators` and of exported files.
NAMES = (
    "sma_10", "sma_20", "sma_50", "sma_200", "ema_12", "ema_26", "rsi_14", "macd", "macd_signal", "macd_histogram",
    "bollinger_upper", "bollinger_middle", "bollinger_lower", "atr_14", "stochrsi_k", "stochrsi_d", "vwap",
)  # fmt: skip


class Columns(NamedTuple):
    """One series, oldest first, all of one length. Prices in the symbol's currency, volume in shares.

    volume, wap: NaN where the vendor has none. session: int32, a number that is the same for the bars of one exchange day
    (days since 1970).
    """

    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    wap: Floats
    session: NDArray[np.int32]


def compute(bars: Columns) -> dict[str, Floats]:
    """Every indicator of NAMES, each float64 of the bars' length. No bars: empty arrays."""
    import numpy as np
    import talib

    close = bars.close
    if len(close) == 0:
        return {name: np.empty(0) for name in NAMES}
    found = {f"sma_{period}": talib.SMA(close, timeperiod=period) for period in (10, 20, 50, 200)}
    found |= {f"ema_{period}": talib.EMA(close, timeperiod=period) for period in (12, 26)}
    rsi = found["rsi_14"] = talib.RSI(close, timeperiod=14)
    found["macd"], found["macd_signal"], found["macd_histogram"] = talib.MACD(close, fastperiod=12, slowperiod=26, signalperiod=9)
    found["bollinger_upper"], found["bollinger_middle"], found["bollinger_lower"] = talib.BBANDS(
        close, timeperiod=20, nbdevup=2.0, nbdevdn=2.0, matype=talib.MA_Type.SMA
    )
    found["atr_14"] = talib.ATR(bars.high, bars.low, close, timeperiod=14)
    found["stochrsi_k"], found["stochrsi_d"] = stochastic(rsi)
    found["vwap"] = vwap(bars)
    return found


def stochastic(rsi: Floats) -> tuple[Floats, Floats]:
    """Stochastic RSI 14/3/3 (Chande and Kroll 1994): where RSI 14 stands within its last 14 values, in percent, smoothed over
    3 bars (%K), and that over 3 more (%D). 0 where the 14 values are all equal.

    talib.STOCHRSI leaves out the first smoothing; its STOCH over RSI as high, low and close has both.
    """
    import talib

    k, d = talib.STOCH(rsi, rsi, rsi, fastk_period=14, slowk_period=3, slowk_matype=talib.MA_Type.SMA, slowd_period=3, slowd_matype=talib.MA_Type.SMA)
    return k, d


def vwap(bars: Columns) -> Floats:
    """Volume-weighted average price since the session's first bar, by bar.

    A bar's price is the vendor's own average (wap) where it has one, else (high + low + close) / 3. A bar without volume has
    no weight; until the session's first trade it is that bar's price. A daily bar is a session of its own.
    """
    import numpy as np

    price, weight = bars.wap, bars.volume
    if np.isnan(price.sum()):  # one NaN is enough; cheaper than to look at each
        price = np.where(np.isnan(price), (bars.high + bars.low + bars.close) / 3.0, price)
    if np.isnan(weight.sum()):
        weight = np.nan_to_num(weight, nan=0.0)
    starts = np.flatnonzero(bars.session[1:] != bars.session[:-1]) + 1
    if len(starts) == len(price) - 1:  # one bar a session: its own average
        return price.copy()
    # Session by session: a running sum over the whole series, less what it was at the session's start, would lose digits with
    # every year. Neighbours of one length are summed at once.
    sums = np.empty((2, len(price)))  # money, shares
    np.multiply(price, weight, out=sums[0])
    sums[1] = weight
    first = 0
    for length, alike in groupby(np.diff(starts, prepend=0, append=len(price)).tolist()):
        end = first + length * sum(1 for _ in alike)
        part = sums[:, first:end].reshape(2, -1, length)  # a view
        np.add.accumulate(part, axis=2, out=part)
        first = end
    if sums[1].min() > 0:
        found: Floats = np.divide(sums[0], sums[1])
    else:
        found = np.divide(sums[0], sums[1], out=price.copy(), where=sums[1] > 0)
    return found
