"""H9: the promised indicators in batch, 309 symbols × 1 year daily + 18 × 1 year of one-minute bars, against TA-Lib alone.

The series are seeded walks in cents: how long an indicator takes does not depend on the prices. TA-Lib alone: its functions on
the same arrays, without VWAP, which it has not. Ours: everything that bin/indicators computes, VWAP too. Beside it, without a
bar: the same from exact Parquet files to Parquet files, reading and writing.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import talib

from scizor.features.indicators import Columns, compute

SERIES = [(309, 252, 1), (18, 253 * 360, 360)]  # symbols, bars, bars a session
TIMES = 15


def figures(report: Callable[[str], None], series: list[tuple[int, int, int]] = SERIES, times: int = TIMES) -> list[dict[str, Any]]:
    found = list(make(series))
    bars = sum(len(each.close) for each in found)
    ours, alone = [], []
    for turn in range(times + 1):
        first, second = (_seconds(found, compute), _seconds(found, talib_alone))
        if turn:  # the first one warms up
            ours.append(first)
            alone.append(second)
    ratio = statistics.median(ours) / statistics.median(alone)
    report(f"{len(found)} series, {bars:,} bars: ours {statistics.median(ours):.3f} s ({min(ours):.3f} to {max(ours):.3f}), "
           f"TA-Lib alone {statistics.median(alone):.3f} s ({min(alone):.3f} to {max(alone):.3f}), "
           f"{bars / statistics.median(ours) / 1e6:.1f} million bars a second")  # fmt: skip
    thrown = statistics.median(_seconds(found, talib_thrown_away) for _ in range(times))
    report(f"TA-Lib alone, each result thrown away before the next: {thrown:.3f} s; the difference is fresh memory")
    whole = from_files(found)
    report(f"from Parquet to Parquet: {whole:.2f} s, {bars / whole / 1e6:.2f} million bars a second, {whole / statistics.median(alone):.1f} x TA-Lib alone")
    return [{
        "id": "H9", "name": "indicators in batch", "value": round(ratio, 3), "unit": "x", "op": "<=", "bar": 1.5, "n": bars,
        "min": round(min(ours) / min(alone), 3), "median": round(ratio, 3), "rival": "TA-Lib alone, without VWAP",
    }]  # fmt: skip


def make(series: list[tuple[int, int, int]]) -> list[Columns]:
    """Seeded walks in cents, with volumes."""
    draw, found = np.random.default_rng(9), []
    for symbols, bars, per_session in series:
        for _ in range(symbols):
            close = np.round(np.maximum(50 + np.cumsum(draw.normal(0, 0.03, bars)), 1.0), 2)
            spread = np.round(draw.uniform(0, 0.05, bars), 2)
            session = (np.arange(bars) // per_session).astype(np.int32)
            found.append(Columns(close + spread, close - spread, close, draw.integers(0, 5000, bars).astype(float), close.copy(), session))
    return found


def talib_alone(bars: Columns) -> list[Any]:
    """The rival: what TA-Lib has of it, called once each, and kept, as whoever computes them wants them."""
    close = bars.close
    found: list[Any] = [talib.SMA(close, timeperiod=period) for period in (10, 20, 50, 200)]
    found += [talib.EMA(close, timeperiod=period) for period in (12, 26)]
    found.append(rsi := talib.RSI(close, timeperiod=14))
    found.append(talib.MACD(close, fastperiod=12, slowperiod=26, signalperiod=9))
    found.append(talib.BBANDS(close, timeperiod=20, nbdevup=2.0, nbdevdn=2.0, matype=talib.MA_Type.SMA))
    found.append(talib.ATR(bars.high, bars.low, close, timeperiod=14))
    found.append(talib.STOCH(rsi, rsi, rsi, fastk_period=14, slowk_period=3, slowd_period=3))
    return found


def talib_thrown_away(bars: Columns) -> None:
    """The same, with nothing kept."""
    close = bars.close
    for period in (10, 20, 50, 200):
        talib.SMA(close, timeperiod=period)
    for period in (12, 26):
        talib.EMA(close, timeperiod=period)
    rsi = talib.RSI(close, timeperiod=14)
    talib.MACD(close, fastperiod=12, slowperiod=26, signalperiod=9)
    talib.BBANDS(close, timeperiod=20, nbdevup=2.0, nbdevdn=2.0, matype=talib.MA_Type.SMA)
    talib.ATR(bars.high, bars.low, close, timeperiod=14)
    talib.STOCH(rsi, rsi, rsi, fastk_period=14, slowk_period=3, slowd_period=3)


def from_files(found: list[Columns]) -> float:
    """Seconds from exact bars in files to indicators in files, as bin/indicators --export goes after the database."""
    from datetime import UTC, datetime, timedelta

    import pyarrow as pa

    from scizor.archive import files, table, values
    from scizor.market.pieces import Piece, year_of
    from scizor.market.types import Origin, Timeframe

    piece = Piece("X", Timeframe.MIN1, Origin(), 2024, *year_of(2024))
    start = datetime(2024, 1, 1, tzinfo=UTC)
    with tempfile.TemporaryDirectory() as place:
        for number, each in enumerate(found):
            count = len(each.close)
            price = pa.array(np.round(each.close, 2)).cast(pa.decimal128(18, 8), safe=False)
            high, low = (pa.array(np.round(values_, 2)).cast(pa.decimal128(18, 8), safe=False) for values_ in (each.high, each.low))
            given: dict[str, Any] = {
                "timestamp": pa.array([start + timedelta(minutes=n) for n in range(count)], pa.timestamp("us", tz="UTC")),
                "session_date": pa.array(each.session, pa.int32()).cast(pa.date32()), "open": price, "high": high, "low": low, "close": price,
                "volume": pa.array(each.volume).cast(pa.decimal128(23, 8), safe=False), "wap": price,
                "trades": pa.repeat(3, count).cast(pa.int32()), "flags": pa.repeat(0, count).cast(pa.int16()),
                "revision": pa.repeat(0, count).cast(pa.int16()), "request_id": pa.repeat(1, count).cast(pa.int64()),
                "known_from": pa.repeat(pa.scalar(start, pa.timestamp("us", tz="UTC")), count),
            }  # fmt: skip
            files.write(table.with_constants(pa.table(given), piece), Path(place) / f"{number}.parquet")
        began = time.perf_counter()
        for number in range(len(found)):
            bars = files.read(Path(place) / f"{number}.parquet", piece)
            values.write(values.beside(bars, compute(Columns(**values.arrays(bars)))), Path(place) / f"{number}.out.parquet")
        return time.perf_counter() - began


def _seconds(found: list[Columns], work: Callable[[Columns], Any]) -> float:
    """Of this process's own time: one thread each, and other processes of a shared machine do not count."""
    began = time.process_time()
    for each in found:
        work(each)
    return time.process_time() - began


if __name__ == "__main__":
    for figure in figures(print):
        print(figure)
