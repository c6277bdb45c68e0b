"""Longer bars from shorter ones: the first's open, the highest high, the lowest low, the last's close, the volumes' sum.

A bar without a trade (volume 0) only repeats the last price, so it has no say where another bar of its group has traded.

IB begins an hour's bar on the exchange's full hour and the first of a session at its open (09:30, 10:00, 11:00 in New
York), so a longer bar is counted from the session's open, put back to the hour. That is stated once, here: whoever makes
or expects bars of a session asks `bar_start`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import groupby
from math import fsum

from scizor.market.types import Bar, Session, Timeframe


def bar_start(session: Session, timeframe: Timeframe, instant: datetime) -> datetime:
    """Start (UTC) of the intraday bar of this session that holds the instant; never before the session's open."""
    step = timedelta(seconds=timeframe.seconds)
    first = session.open - timedelta(seconds=session.open.timestamp() % min(timeframe.seconds, 3600))
    return max(first + (instant - first) // step * step, session.open)


def aggregate(bars: Iterable[Bar], session: Session, timeframe: Timeframe) -> list[Bar]:
    """One session's intraday bars, oldest first, made into bars of a longer timeframe (or its daily bar)."""
    if timeframe is Timeframe.DAY1:
        parts = list(bars)
        return [_merge(session.session_date, parts)] if parts else []

    def start(bar: Bar) -> datetime:
        assert isinstance(bar.start, datetime)
        return bar_start(session, timeframe, bar.start)

    return [_merge(at, list(parts)) for at, parts in groupby(bars, key=start)]


def _merge(start: object, group: list[Bar]) -> Bar:
    parts = [each for each in group if each.volume != 0] or group
    volumes = [each.volume for each in parts if each.volume is not None]
    volume = fsum(volumes) if volumes else None
    counts = [each.trades for each in parts if each.trades is not None]
    weighed = [(each.wap, each.volume) for each in parts if each.wap is not None and each.volume]
    wap = round(fsum(w * v for w, v in weighed) / fsum(v for _, v in weighed), 8) if weighed else None
    if wap is None and counts:
        wap = parts[-1].close
    return Bar(
        start,  # type: ignore[arg-type]
        parts[0].open,
        max(each.high for each in parts),
        min(each.low for each in parts),
        parts[-1].close,
        volume,
        wap,
        sum(counts) if counts else None,
    )
