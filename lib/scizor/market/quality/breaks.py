"""Where a series does not continue: another unit, another price basis, another owner of the code.

A fall of 60 % is news; a split is none. What tells them apart is the money: at a split the shares in trade multiply as the
price divides, so the turnover stays what it was, while news makes it ten times as much. Neither is told of a share that
hardly trades, nor of steps that are few rungs of the ladder (0.001 to 0.002 doubles, every other day).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from math import log
from statistics import median
from typing import NamedTuple

from scizor.market.bars import number_text
from scizor.market.quality.series import STEADY_BARS, STEADY_SPAN, TICKS_LEAST, Tick
from scizor.market.quality.words import Defect, day_of, is_positive
from scizor.market.types import Bar

STEP = 1.6  # a lasting step of the price, either way
LASTING = 10  # bars after it that must stay there
TURNOVER = 4.0  # money in trade before and after a split, at most this ratio, in either direction
FIRST_TURNOVER = 5.0  # and on the day itself
DEFERRED = 30  # sessions without the code: a reconstruction trades under a deferred-settlement code for about ten
ISLAND = 60  # sessions that prices may stand in another unit
BACK = 1.35  # and then come back to within this
UNITS = (10.0, 100.0, 1000.0)
UNIT_SLACK = 1.15
SPIKE, SPIKE_BARS = 2.5, 5
SILENCE = 250  # sessions, a year: then another company has the code, if its price is another
SILENCE_SURE = 500  # whatever the price
SILENCE_RECORDED = 40  # where a delisting or a change of name is on record in between


class Record(NamedTuple):
    """A code left, or its company changed name or code. new: the code it went on under, "" for a delisting."""

    day: date
    old: str
    new: str
    words: str


def faults(
    code: str, bars: Sequence[Bar], place_of: Callable[[date], int], tick: Tick, records: Sequence[Record] = ()
) -> list[Defect]:
    """bars: of one code, one a day, oldest first. records: of this code."""
    good = [each for each in bars if is_positive(each)]
    places = [place_of(day_of(each)) for each in good]
    found = owners(code, good, places, records)
    broken = {each.day for each in found}
    islands, covered = _islands(code, good, places, tick)
    steps = _steps(code, good, places, tick, broken, covered)
    return found + islands + steps


def owners(code: str, bars: Sequence[Bar], places: Sequence[int], records: Sequence[Record]) -> list[Defect]:
    """Long silences after which the code belongs to somebody else."""
    found = []
    for place in range(1, len(bars)):
        silence = places[place] - places[place - 1] - 1
        if silence < SILENCE_RECORDED:
            continue
        usual = max((b - a for a, b in zip(places[max(0, place - 20) : place], places[max(0, place - 20) + 1 : place], strict=False)), default=1)
        if silence < 4 * usual:  # it was as silent before
            continue
        old, new = bars[place - 1], bars[place]
        ratio = new.open / old.close
        said = next((each.words for each in records if day_of(old) < each.day <= day_of(new)), "")
        moved = not 1 / 2 < ratio < 2
        if silence >= SILENCE_SURE or (silence >= SILENCE and moved) or (said and moved):
            text = f"silent for {silence} sessions after {day_of(old)}, closed at {number_text(old.close)}, came back at {number_text(new.open)}"
            found.append(Defect(code, day_of(new), "identity_break", f"{text}; {said}" if said else text))
    return found


def _islands(code: str, bars: Sequence[Bar], places: Sequence[int], tick: Tick) -> tuple[list[Defect], set[int]]:
    """Bars that stand in another unit, or far off, and come back. Also the places of their edges, which are no splits."""
    found: list[Defect] = []
    covered: set[int] = set()
    place = 1
    while place < len(bars):
        before, bar = bars[place - 1], bars[place]
        ratio = bar.close / before.close
        if 1 / SPIKE < ratio < SPIKE or abs(bar.close - before.close) <= TICKS_LEAST * tick(min(bar.close, before.close)):
            place += 1
            continue
        end = next((
            each for each in range(place + 1, min(place + ISLAND, len(bars)))
            if 1 / BACK < bars[each].close / before.close < BACK and places[each] - places[place - 1] <= ISLAND + 5
        ), None)  # fmt: skip
        if end is None and len(bars) - place <= SPIKE_BARS and places[place] - places[place - 1] == 1 and _is_steady(places, place):
            found += _fresh(code, before, bars[place:])
        if end is None or any(1 / 1.5 < each.close / before.close < 1.5 for each in bars[place:end]):
            place += 1
            continue
        unit = _unit(median(each.close for each in bars[place:end]) / before.close)
        whole = f"{number_text(before.close)} before, {number_text(bars[end].close)} after"
        is_far = all(not 1 / SPIKE < each.close / before.close < SPIKE for each in bars[place:end])
        is_short = end - place <= SPIKE_BARS and is_far and _is_steady(places, place)
        if unit or is_short:
            for each in bars[place:end]:
                kind = "price_unit" if unit else "spike"
                why = f"close {number_text(each.close)}, {whole}" + (f": in another unit, {unit}" if unit else f": off by {each.close / before.close:.3g} times and back")
                found.append(Defect(code, day_of(each), kind, why))
            covered |= {place, end}
            place = end
        place += 1
    return found, covered


def _fresh(code: str, before: Bar, bars: Sequence[Bar]) -> list[Defect]:
    """The newest bars, where they stand a hundred or a thousand times off: nobody has seen them come back yet. A tenth may be a split."""
    units = [_unit(each.close / before.close) for each in bars]
    if not all(units) or any(each in ("10 times", "a 10th") for each in units):
        return []
    return [
        Defect(code, day_of(each), "price_unit", f"close {number_text(each.close)}, {number_text(before.close)} before, and the newest: in another unit, {unit}")
        for each, unit in zip(bars, units, strict=True)
    ]


def _unit(ratio: float) -> str:
    """"a 100th" or "100 times", where a ratio is that of two units; "" otherwise."""
    for unit in UNITS:
        if unit / UNIT_SLACK < ratio < unit * UNIT_SLACK:
            return f"{unit:.0f} times"
        if 1 / unit / UNIT_SLACK < ratio < UNIT_SLACK / unit:
            return f"a {unit:.0f}th"
    return ""


def _steps(
    code: str, bars: Sequence[Bar], places: Sequence[int], tick: Tick, broken: set[date], covered: set[int]
) -> list[Defect]:
    """Lasting steps of the price with the money in trade as before: splits, bonus issues, consolidations."""
    found = []
    for place in range(STEADY_BARS, len(bars) - LASTING + 1):
        before, bar = bars[place - 1], bars[place]
        ratio = bar.open / before.close
        if 1 / STEP < ratio < STEP or place in covered or day_of(bar) in broken:
            continue
        if abs(bar.open - before.close) <= 2 * TICKS_LEAST * tick(min(bar.open, before.close)):
            continue
        if places[place] - places[place - 1] > DEFERRED or not _is_steady(places, place - 1):
            continue
        olds, news = bars[place - STEADY_BARS : place], bars[place : place + LASTING]
        level = median(each.close for each in news) / median(each.close for each in olds[-5:])
        if abs(log(level / ratio)) > log(1.25) or abs(log(bar.close / bar.open)) > log(1.12):
            continue
        if max(each.high for each in news) / min(each.low for each in news) > STEP or _is_rough(olds[-LASTING:]):
            continue
        money = median(_money(each) for each in news) / max(median(_money(each) for each in olds), 1e-9)
        first = _money(bar) / max(median(_money(each) for each in olds), 1e-9)
        if 1 / TURNOVER < money < TURNOVER and first < FIRST_TURNOVER:
            text = f"{number_text(before.close)} to {number_text(bar.open)}, {_words(ratio)}; the money in trade is {money:.2g} times what it was"
            gap = places[place] - places[place - 1] - 1
            found.append(Defect(code, day_of(bar), "split", text + (f"; {gap} sessions without the code before" if gap else "")))
    return found


def _is_rough(bars: Sequence[Bar]) -> bool:
    """Whether the price was already running about: then a step is nothing special."""
    return max(each.close for each in bars) / min(each.close for each in bars) > STEP


def _is_steady(places: Sequence[int], place: int) -> bool:
    start = place - STEADY_BARS + 1
    return start >= 0 and places[place - (1 if start else 0)] - places[max(start - 1, 0)] <= STEADY_SPAN


def _money(bar: Bar) -> float:
    return bar.close * (bar.volume or 0.0)


def _words(ratio: float) -> str:
    """The ratio as shares for shares where a small fraction fits within 3 %, else as a number."""
    factor, verb = (1 / ratio, "new for") if ratio < 1 else (ratio, "old for")
    for few in (1, 2):
        many = round(factor * few)
        if many > few and abs(many / few / factor - 1) < 0.03:
            return f"about {many} {verb} {few}"
    return f"{ratio:.4g} times"


def code_changes(market: Mapping[str, Sequence[Bar]], records: Sequence[Record], place_of: Callable[[date], int]) -> list[Defect]:
    """Records of a change of code whose two ends are both in the data: the old code ends where the new one begins, within 15
    sessions. A code that somebody else took later has bars after its end too: only the silence counts."""
    days = {code: [day_of(each) for each in bars] for code, bars in market.items() if bars}
    found = []
    for each in records:
        if each.new and each.new != each.old and each.old in days and each.new in days:
            last = max((day for day in days[each.old] if day <= each.day), default=None)
            first = min((day for day in days[each.new] if day >= each.day), default=None)
            if last is None or first is None:
                continue
            if abs(place_of(first) - place_of(each.day)) <= 15 and abs(place_of(each.day) - place_of(last)) <= 15:
                found.append(Defect(each.old, first, "code_change", f"{each.words}; last bar {last}, goes on as {each.new} from {first}"))
    return found
