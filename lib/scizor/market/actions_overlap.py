"""Which stored and freshly fetched sessions have one factor in common: the arithmetic below market/actions.py. Pure.

A factor is fetched price / stored price. Prices were rounded, so each session allows an interval of factors; a stretch is a
run of sessions whose intervals have a point in common. A session that the vendor mended fits no factor, or a wrong one, so
a stretch goes by what most of its sessions share and not by what all do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from math import inf, sqrt
from typing import NamedTuple

from scizor.market.bars import number_text
from scizor.market.types import Bar

DECIMALS_LEAST, DECIMALS_MOST = 2, 6  # of a price, when its rounding is judged: beyond that a float's noise begins
FLOAT_NOISE = 2e-7  # of single-precision prices, as some vendors send them


class Pair(NamedTuple):
    day: date
    stored: Bar
    fetched: Bar


class Terms(NamedTuple):
    """What a reading goes by. days: of the answer, ascending. was_rounded: the stored prices had been adjusted before."""

    tick_size: Callable[[float], float]
    days: list[date]
    asked: date | None
    pays_dividends: bool
    was_rounded: bool = False


class Stretch:
    """Sessions of one factor; low, high: the bounds of fetched / stored that most of them share."""

    def __init__(self, low: float, high: float, pair: Pair) -> None:
        self.low, self.high, self.pairs, self.bounds = low, high, [pair], [(low, high)]

    def holds(self, low: float, high: float) -> bool:
        """Whether a session is one of these. A mended one may have narrowed the bounds wrongly, so the others are asked too."""
        if max(low, self.low) <= min(high, self.high):
            return True
        return len(self.bounds) > 1 and 2 * sum(max(low, each[0]) <= min(high, each[1]) for each in self.bounds) > len(self.bounds)

    def add(self, low: float, high: float, pair: Pair) -> None:
        self.pairs.append(pair)
        self.bounds.append((low, high))
        if max(low, self.low) <= min(high, self.high):
            self.low, self.high = max(low, self.low), min(high, self.high)
        else:
            self.low, self.high = shared(self.bounds)[1:]

    def outsiders(self) -> list[date]:
        """Sessions that the bounds leave out after all."""
        return [
            pair.day for pair, (low, high) in zip(self.pairs, self.bounds, strict=True) if low > self.high or high < self.low
        ]

    @property
    def is_unchanged(self) -> bool:
        return all(each.stored[1:5] == each.fetched[1:5] for each in self.pairs)

    @property
    def centre(self) -> float:
        return 1.0 if self.is_unchanged else sqrt(self.low * self.high)


def shared(spans: Sequence[tuple[float, float]]) -> tuple[int, float, float]:
    """What most of the spans have in common: how many they are, and its bounds."""
    ends = sorted([(low, 0, high) for low, high in spans] + [(high, 1, high) for _, high in spans])
    best, count, found = 0, 0, (0.0, 0.0)
    for place, (at, is_end, _) in enumerate(ends):
        count += -1 if is_end else 1
        if not is_end and count > best:
            best, found = count, (at, next(each[0] for each in ends[place + 1 :] if each[1]))
    return best, *found


def stretches(pairs: list[Pair], terms: Terms) -> tuple[list[Stretch], list[date]]:
    """Runs of one factor, oldest first, and the sessions that belong to none. Read backwards: the newest is surest.

    A session that fits neither its run nor the one before it was corrected; two in a row that agree begin a run.
    """
    found: list[Stretch] = []
    strange: list[date] = []
    waiting: Stretch | None = None  # one session that does not fit
    for pair in reversed(pairs):
        low, high = _bounds(pair, terms)
        if low > high:
            strange.append(pair.day)
        elif found and found[-1].holds(low, high) and _agrees(found[-1], pair):
            found[-1].add(low, high, pair)
            if waiting is not None:
                strange.append(waiting.pairs[0].day)
                waiting = None
        elif waiting is not None and waiting.holds(low, high):
            waiting.add(low, high, pair)
            found.append(waiting)
            waiting = None
        else:
            if waiting is not None:
                strange.append(waiting.pairs[0].day)
            waiting = Stretch(low, high, pair)
            if not found and waiting.is_unchanged:
                found.append(waiting)
                waiting = None
    if waiting is not None:
        strange.append(waiting.pairs[0].day)
    for each in found:
        strange += each.outsiders()
    return _without_doubles(found[::-1]), sorted(strange)


def _agrees(stretch: Stretch, pair: Pair) -> bool:
    """Where prices are a few ticks and fit every factor, whether they are the very same still tells."""
    is_same = pair.stored[1:6] == pair.fetched[1:6]
    return is_same == all(each.stored[1:6] == each.fetched[1:6] for each in stretch.pairs[:1]) or not stretch.is_unchanged


def _without_doubles(stretches: list[Stretch]) -> list[Stretch]:
    """Neighbours that turn out to have a factor in common are one, where neither is simply unchanged."""
    merged: list[Stretch] = []
    for each in stretches:
        last = merged[-1] if merged else None
        if last is not None and last.holds(each.low, each.high) and not each.is_unchanged and not last.is_unchanged:
            for pair, bounds in zip(each.pairs, each.bounds, strict=True):
                last.add(*bounds, pair)
        else:
            merged.append(each)
    return merged


def _bounds(pair: Pair, terms: Terms) -> tuple[float, float]:
    """Every factor that explains the four prices of a session; low > high when none does."""
    unit = _unit(pair.fetched, terms.tick_size)
    unit_stored = _unit(pair.stored, terms.tick_size) if terms.was_rounded else None
    is_same = pair.stored[1:5] == pair.fetched[1:5]
    low, high = 0.0, inf
    for old, new in zip(pair.stored[1:5], pair.fetched[1:5], strict=True):
        slack = unit(new) / 2 + FLOAT_NOISE * new
        slack_stored = 0.0 if is_same else FLOAT_NOISE * old + (unit_stored(old) / 2 if unit_stored else 0.0)
        low = max(low, (new - slack) / (old + slack_stored))
        high = min(high, (new + slack) / (old - slack_stored) if old > slack_stored else inf)
    return low, high


def _unit(bar: Bar, tick_size: Callable[[float], float]) -> Callable[[float], float]:
    """The rounding of a session's prices: the exchange's step where all lie on it, and at least their last decimal (cents,
    where the step is half of one). By session, for a vendor who mends one may write it with other decimals."""
    decimals = max(len(number_text(price).partition(".")[2]) for price in bar[1:5])
    unit = 10.0 ** -min(DECIMALS_MOST, max(DECIMALS_LEAST, decimals))
    if all(abs(price / tick_size(price) - round(price / tick_size(price))) < 1e-6 for price in bar[1:5]):
        return lambda price: max(unit, tick_size(price))
    return lambda _: unit
