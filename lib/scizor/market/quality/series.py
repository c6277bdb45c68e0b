"""Faults of one code's bars, each seen from the bars around it. `density` guards them: of a share that hardly trades, every
price is a surprise, and nothing is said."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from itertools import groupby, pairwise
from math import isfinite
from statistics import median

from scizor.market.bars import number_text
from scizor.market.quality.words import Defect, day_of, is_positive, is_telling, prices
from scizor.market.types import Bar

Tick = Callable[[float], float]

STEADY_BARS, STEADY_SPAN = 20, 23  # so many bars within so many sessions: it trades every day
TICKS_LEAST = 10  # what moves by fewer steps of the exchange's ladder is never far off, whatever the ratio
RANGE = 1.8  # a high or low beyond this, against everything around it
CALM = 0.1  # the day ended where it began: its close against the one before
RANGE_SURE = 4.0  # beyond this, on any day
FLAT_BARS = 30
VOLUME_RATIO, VOLUME_MEDIAN, VOLUME_MOST = 100.0, 1000.0, 1e12
FEEDS_BARS, FEEDS_RATIO, FEEDS_SWITCHES = 40, 8.0, 0.2


def faults(code: str, bars: Sequence[Bar], place_of: Callable[[date], int], tick: Tick) -> list[Defect]:
    """What a bar's neighbours say against it. bars: of one code, oldest first, one a day, without those of days that are wrong
    as a whole. place_of: the number of a session, so that distances are sessions. tick: the exchange's price step at a price."""
    good = [each for each in bars if is_positive(each)]
    found = repeated(code, bars, place_of) + ranges(code, good, place_of, tick)
    return found + volumes(code, good, place_of, tick) + feeds(code, good, place_of)


def singles(bars: Sequence[Bar]) -> list[Bar]:
    """The first bar of each day."""
    return [next(same) for _, same in groupby(bars, day_of)]


def conflicts(code: str, bars: Sequence[Bar]) -> list[Defect]:
    """Days that stand there twice with different values."""
    found = []
    for day, same in groupby(bars, day_of):
        values = list(dict.fromkeys(each[1:6] for each in same))
        if len(values) > 1:
            found.append(Defect(code, day, "dup_conflict", " against ".join("/".join(number_text(value or 0.0) for value in each) for each in values[:3])))
    return found


def rows(code: str, bars: Sequence[Bar]) -> list[Defect]:
    """What one row says against itself."""
    found = []
    for bar in bars:
        day, volume = day_of(bar), bar.volume
        if not is_positive(bar):
            found.append(Defect(code, day, "price_domain", f"open/high/low/close {prices(bar)}"))
        elif not bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high:
            found.append(Defect(code, day, "ohlc_order", f"open/high/low/close {prices(bar)}"))
        if volume is not None and not (isfinite(volume) and 0 <= volume < VOLUME_MOST):
            found.append(Defect(code, day, "volume_domain", f"volume {number_text(volume)}"))
        elif volume == 0 and bar.high > bar.low > 0:
            found.append(Defect(code, day, "zero_volume", f"no volume, and prices from {number_text(bar.low)} to {number_text(bar.high)}"))
    return found


def repeated(code: str, bars: Sequence[Bar], place_of: Callable[[date], int]) -> list[Defect]:
    """Bars that repeat the session before to the last share, and runs of one bar for weeks."""
    found = []
    run = 0
    for place, (old, bar) in enumerate(pairwise(bars), 1):
        day = day_of(bar)
        is_next = place_of(day) - place_of(day_of(old)) == 1
        # A bar of one price is left alone: parcels of 500 dollars are sold at 1.6 cents every other day.
        if is_next and old[1:6] == bar[1:6] and bar.high > bar.low and is_telling(bar):
            found.append(Defect(code, day, "copied_bar", f"the bar of {day_of(old)} again: {prices(bar)}, volume {number_text(bar.volume or 0)}"))
        run = run + 1 if old[1:5] == bar[1:5] and is_positive(bar) else 0
        if run == FLAT_BARS - 1 and _used_to_move(bars, place - run):
            found.append(Defect(code, day_of(bars[place - run]), "flat_run", f"{FLAT_BARS} bars and more of {prices(bar)} from here to {day} and on"))
    return found


def _used_to_move(bars: Sequence[Bar], start: int) -> bool:
    """Whether the 60 bars before had their usual day-to-day changes: four in five closed elsewhere than the day before."""
    before = bars[max(0, start - 60) : start]
    changes = [old.close != new.close for old, new in pairwise(before)]
    return len(changes) >= STEADY_BARS and sum(changes) >= 0.8 * len(changes)


def is_steady(bars: Sequence[Bar], place: int, place_of: Callable[[date], int]) -> bool:
    """Whether the code traded (nearly) every day up to this bar."""
    start = place - STEADY_BARS
    return start >= 0 and place_of(day_of(bars[place])) - place_of(day_of(bars[start])) <= STEADY_SPAN


def ranges(code: str, bars: Sequence[Bar], place_of: Callable[[date], int], tick: Tick) -> list[Defect]:
    """A high or a low far from everything around it: nearly twice as far on a day that ended where it began, four times on any."""
    found = []
    for place in range(1, len(bars) - 1):
        before, bar, after = bars[place - 1 : place + 2]
        if bar.high <= RANGE * bar.close and bar.low * RANGE >= bar.close:
            continue
        if not is_steady(bars, place, place_of):
            continue
        limit = RANGE if abs(bar.close / before.close - 1) <= CALM else RANGE_SURE
        around = (before.close, bar.open, bar.close, after.open, after.close)
        top, bottom = max(around), min(around)
        if bar.high > limit * top and bar.high - top > TICKS_LEAST * tick(top):
            found.append(Defect(code, day_of(bar), "high_outlier", f"high {number_text(bar.high)}, and everything around it at most {number_text(top)}"))
        if bar.low * limit < bottom and bottom - bar.low > TICKS_LEAST * tick(bar.low):
            found.append(Defect(code, day_of(bar), "low_outlier", f"low {number_text(bar.low)}, and everything around it at least {number_text(bottom)}"))
    return found


def volumes(code: str, bars: Sequence[Bar], place_of: Callable[[date], int], tick: Tick) -> list[Defect]:
    """A volume a hundred times the largest of the year around it, and the price hardly moved: nobody buys so much for nothing."""
    found = []
    sizes = [each.volume or 0.0 for each in bars]
    for place in range(STEADY_BARS, len(bars)):
        if sizes[place] >= VOLUME_MOST or sizes[place] <= VOLUME_RATIO * max(sizes[place - STEADY_BARS : place]):
            continue
        around = sizes[max(0, place - 120) : place] + sizes[place + 1 : place + 121]
        middle = median(around)
        is_calm = abs(bars[place].close - bars[place - 1].close) <= max(tick(bars[place].close), 0.02 * bars[place].close)
        if sizes[place] > VOLUME_RATIO * max(around) and sizes[place] > VOLUME_MEDIAN * middle > 0 and is_calm and is_steady(bars, place, place_of):
            text = f"volume {number_text(sizes[place])}, the largest of the year around it {number_text(max(around))}, the middle one {number_text(middle)}"
            found.append(Defect(code, day_of(bars[place]), "volume_outlier", text))
    return found


def feeds(code: str, bars: Sequence[Bar], place_of: Callable[[date], int]) -> list[Defect]:
    """Whether two feeds are mixed in this series: volumes on two scales, eight-fold apart with nothing between, and the bars go
    from one to the other again and again. Told once, of the first bar of the stretch of 40 in which it begins. A share that does
    not trade every day has its odd lots, and is left alone."""
    for start in range(0, len(bars) - FEEDS_BARS + 1, FEEDS_BARS):
        part = bars[start : start + FEEDS_BARS]
        is_daily = place_of(day_of(part[-1])) - place_of(day_of(part[0])) <= FEEDS_BARS
        if is_daily and (text := two_scales([each.volume or 0.0 for each in part])) is not None:
            return [Defect(code, day_of(part[0]), "two_feeds", f"{text}, in the {FEEDS_BARS} bars from here")]
    return []


def two_scales(volumes: Sequence[float]) -> str | None:
    """Words for two scales among these volumes, or None.

    The widest ratio between neighbours in size must be 8, with a fifth of the bars at least on each side, and the bars must
    change sides at least half as often as a coin would: a share that fell asleep changes once.
    """
    ordered = sorted(each for each in volumes if each > 0)
    if len(ordered) < 0.9 * len(volumes) or len(ordered) < FEEDS_BARS // 2:
        return None
    low, high = int(len(ordered) * FEEDS_SWITCHES), int(len(ordered) * (1 - FEEDS_SWITCHES))
    ratio, cut = max(((new / old, place) for place, (old, new) in enumerate(pairwise(ordered), 1) if low <= place <= high), default=(1.0, 0))
    if ratio < FEEDS_RATIO:
        return None
    sides = [each >= ordered[cut] for each in volumes if each > 0]
    share = sum(sides) / len(sides)
    switches = sum(old != new for old, new in pairwise(sides))
    if switches < share * (1 - share) * (len(sides) - 1):
        return None
    small, large = median(ordered[:cut]), median(ordered[cut:])
    return f"volumes on two scales, {number_text(round(small, 2))} and {number_text(round(large, 2))} in the middle, and {switches} changes between them"


def feed_changes(sessions: Sequence[tuple[date, Sequence[float]]]) -> list[tuple[date, str]]:
    """(session date, words) where the volumes of a session's bars leave the scale of the session before: nine bars in ten above (or
    below) nine in ten of it, and the middle one eight-fold. News lifts a session's volume, not that of every one of its minutes."""
    found = []
    for (_, old), (day, new) in pairwise(sessions):
        if min(len(old), len(new)) < FEEDS_BARS:
            continue
        low, high = sorted((sorted(old), sorted(new)), key=median)
        is_apart = high[len(high) // 10] > low[len(low) * 9 // 10]
        if is_apart and median(high) >= FEEDS_RATIO * max(median(low), 1e-9):
            found.append((day, f"the middle volume of a bar goes from {number_text(median(old))} to {number_text(median(new))}, with hardly a bar between"))
    return found
