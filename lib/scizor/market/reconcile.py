"""Two sources of the same sessions: where they differ, and which of them is wrong, as far as the bars themselves tell. Pure.

Nobody is right by rank. A side is wrong when its bar cannot be (no order among its prices), is another session's (the one
before it, or the other side's of another day), is off by a unit (cents for dollars), has a price that nothing beside it
saw, or is not there. Both are right where they mean different things: an auction that minutes leave out, trades that one
vendor counts and the other does not, another price basis. What is left is unknown, and a person must look.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from math import exp, log
from statistics import median
from typing import Literal, NamedTuple

from scizor.market.bars import number_text
from scizor.market.types import Bar

Wrong = Literal["ours", "theirs", "neither", "unknown"]
Tick = Callable[[float], float]

BESIDE = 5  # sessions on each side by which a price basis is judged
NOISE, NEAR = 1e-6, 0.0006  # relative: of a float; of a price that was divided by a factor that is itself a median
VOLUME_NEAR, VOLUME_COUNTED = 0.005, 0.25  # the same volume; one that may have been counted by other rules
FAR, CLOSE_BY = 0.2, 0.07  # from its neighbours: a price that is off, and one that is not
UNITS = (100.0, 1000.0, 10.0)
DAY_LEAST, DAY_SHARE = 5, 0.5  # symbols that differ on one day, of those that both have: the day is wrong, not they
FIELDS = ("open", "high", "low", "close")


class Difference(NamedTuple):
    """start: a session date, or a shorter bar's start. field: open, high, low, close, volume, bar (one side has none) or day
    (the whole bar is another's)."""

    start: date | datetime
    field: str
    ours: float | None
    theirs: float | None
    wrong: Wrong
    reason: str


class Session(NamedTuple):
    """A session's shorter bars as one. held: how many lie in continuous trading, of as many as expected. has_auction: one of the
    closing auction is among them."""

    bar: Bar
    held: int
    expected: int
    has_auction: bool


class _Side(dict[date, Bar]):
    """The bars of a source by start; starts: ascending."""

    def __init__(self, bars: Sequence[Bar]) -> None:
        super().__init__((each.start, each) for each in bars)
        self.starts = sorted(self)


def compare(ours: Sequence[Bar], theirs: Sequence[Bar], tick_size: Tick) -> list[Difference]:
    """Bars of one size of two sources, without doubles. Only the stretch that both reach is compared; what lies beside it
    helps to judge, so more of ours is better."""
    mine, other = _Side(ours), _Side(theirs)
    if not mine or not other:
        return []
    first, last = max(mine.starts[0], other.starts[0]), min(mine.starts[-1], other.starts[-1])
    starts = [each for each in sorted({*mine, *other}) if first <= each <= last]
    shared = [each for each in starts if each in mine and each in other]
    factors = _factors(shared, mine, other)
    place = {each: at for at, each in enumerate(shared)}
    found: list[Difference] = []
    for start in starts:
        if start not in mine:
            found.append(Difference(start, "bar", None, other[start].close, "ours", f"no bar; the other source traded {_text(other[start].volume)}"))
        elif start not in other:
            found.append(Difference(start, "bar", mine[start].close, None, "theirs", f"no bar; ours traded {_text(mine[start].volume)}"))
        else:
            found += _pair(place[start], shared, mine, other, factors[place[start]], tick_size)
    return found


def whole_days(found: Mapping[str, Sequence[Difference]], common: Counter[date]) -> dict[str, list[Difference]]:
    """The same where most symbols differ on one day: then the day is wrong, on the side on which most of them are. common:
    how many symbols both sides have, by day."""
    differing = Counter(day for each in found.values() for day in {one.start for one in each if one.field not in ("volume", "bar")})
    days = {day for day, count in differing.items() if count >= DAY_LEAST and count > DAY_SHARE * common[day]}
    votes: dict[date, Counter[str]] = {day: Counter() for day in days}
    for each in found.values():
        for day in days:
            votes[day].update({one.wrong for one in each if one.start == day and one.wrong in ("ours", "theirs")})
    result = {}
    for symbol, each in found.items():
        result[symbol] = [
            _of_day(one, votes[one.start], differing[one.start], common[one.start])
            if one.start in days and one.field != "volume" else one
            for one in each
        ]  # fmt: skip
    return result


def against_shorter(daily: Bar, parts: Session, before: Bar | None, tick_size: Tick) -> list[Difference]:
    """A daily bar against the same session's shorter bars as one. before: the daily bar of the session before.

    ours is the daily bar, theirs the shorter ones. A spike is told from a range that the daily bar lacks by looking at the
    bars (spike).
    """
    whole, missing = parts.bar, parts.expected - parts.held
    gap = f"{missing} of {parts.expected} bars are missing" if missing > 0 else ""
    auction = "" if parts.has_auction else "the shorter bars have no closing auction"
    if before is not None and daily[1:5] == before[1:5] and sum(_differs(x, y, tick_size) for x, y in zip(daily[1:5], whole[1:5], strict=True)) >= 3:
        return [Difference(daily.start, "day", daily.close, whole.close, "ours", "the daily bar is that of the session before")]
    if (factor := _common_factor(daily, whole)) is not None:
        return [Difference(daily.start, "day", daily.close, whole.close, "neither", f"another price basis, by {factor:.6g}: bin/actions")]
    found = []
    for name, mine, other in zip(FIELDS, daily[1:5], whole[1:5], strict=True):
        if not _differs(mine, other, tick_size):
            continue
        wrong: Wrong = "unknown"
        reason = "the shorter bars are complete, and differ"
        if (name == "high" and other > mine) or (name == "low" and other < mine):
            reason = f"a shorter bar goes beyond the daily {name}"
        elif gap:
            wrong, reason = "theirs", gap
        elif auction and (name == "close" or (name in ("high", "low") and mine == daily.close)):
            wrong, reason = "neither", auction
        elif name in ("high", "low") and _is_lonely(mine, (whole.high, whole.low, daily.open, daily.close)):
            wrong, reason = "ours", f"a {name} that no shorter bar saw"
        found.append(Difference(daily.start, name, mine, other, wrong, reason))
    return found + _volumes(daily, whole, gap, auction)


def spike(bars: Sequence[Bar], field: str, limit: float) -> tuple[Wrong, str]:
    """Whose fault it is that shorter bars go beyond the daily high or low `limit`: one bar alone is a spike of theirs, and a
    range that several bars traded in is missing in the daily bar."""
    sign = 1 if field == "high" else -1
    values = [each.high if field == "high" else each.low for each in bars]
    beyond = [at for at, value in enumerate(values) if (value - limit) * sign > 0]
    if len(beyond) >= 2:
        return "ours", f"{len(beyond)} bars go beyond it, the first at {_clock(bars[beyond[0]])}"
    if not beyond:
        return "unknown", "no bar goes beyond it any more"
    at = beyond[0]
    body = (max(bars[at].open, bars[at].close) if sign > 0 else min(bars[at].open, bars[at].close)) - limit
    if body * sign > 0 and (bars[at].volume or 0) > 0:
        return "ours", f"the bar of {_clock(bars[at])} opened or closed beyond it"
    return "theirs", f"one print at {_clock(bars[at])}, away from the bars beside it"


def _pair(at: int, shared: Sequence[date], mine: _Side, other: _Side, factors: Sequence[float], tick: Tick) -> list[Difference]:
    start = shared[at]
    a, b = mine[start], other[start]
    if any(all(not _differs(x, y, tick, factor) for x, y in zip(a[1:5], b[1:5], strict=True)) for factor in factors):
        return _volumes(a, b, "", "")
    wrong, reason = _judged(at, shared, mine, other, factors, tick)
    if wrong != "unknown" and reason.startswith("the whole"):
        return [Difference(start, "day", a.close, b.close, wrong, reason)]
    factor = factors[0]
    return [
        Difference(start, name, x, y, *((wrong, reason) if wrong != "unknown" else _field(name, a, b, factor)))
        for name, x, y in zip(FIELDS, a[1:5], b[1:5], strict=True) if _differs(x, y, tick, factor)
    ]  # fmt: skip


def _judged(at: int, shared: Sequence[date], mine: _Side, other: _Side, factors: Sequence[float], tick: Tick) -> tuple[Wrong, str]:
    """What can be said of the whole bar. Neighbours are each source's own: a file of one day has none, and we have."""
    start = shared[at]
    a, b = mine[start], other[start]
    flaws = _flaw(a), _flaw(b)
    if bool(flaws[0]) != bool(flaws[1]):
        return ("ours", flaws[0]) if flaws[0] else ("theirs", flaws[1])
    copied = [each for each in _beside(start, mine) if a[1:5] == mine[each][1:5] and a.high > a.low]
    copying = [each for each in _beside(start, other) if b[1:5] == other[each][1:5] and b.high > b.low]
    if bool(copied) != bool(copying):
        return ("ours" if copied else "theirs"), f"the whole bar is that of {(copied or copying)[0]}"
    moved = [each for each in _beside(start, other) if _alike(a, other[each], factors[0], tick)]
    moving = [each for each in _beside(start, mine) if _alike(mine[each], b, factors[0], tick)]
    if bool(moved) != bool(moving):
        return ("ours" if moved else "theirs"), f"the whole bar is the other source's of {(moved or moving)[0]}"
    beside = _beside(start, mine)
    closes = [mine[each].close for each in beside]
    middle = exp(sum(map(log, closes)) / len(closes)) if closes and min(closes) > 0 else 0.0
    if middle:
        off = abs(log(a.close / middle)), abs(log(b.close / factors[0] / middle))
        for unit in UNITS:
            for side, value in (("ours", a.close / middle), ("theirs", b.close / factors[0] / middle)):
                if abs(abs(log(value)) - log(unit)) < CLOSE_BY and min(off) < FAR:
                    return side, f"off by {unit:g}: another unit"  # type: ignore[return-value]
        if max(off) > FAR and min(off) < CLOSE_BY:
            return "ours" if off[0] > off[1] else "theirs", f"{max(off):.0%} away from the sessions beside it, the other {min(off):.0%}"
    return "unknown", ""


def _beside(start: date, bars: _Side) -> list[date]:
    """The bars before it and after it."""
    place = bisect_left(bars.starts, start)
    return [bars.starts[each] for each in (place - 1, place + 1) if 0 <= each < len(bars.starts)]


def _field(name: str, a: Bar, b: Bar, factor: float) -> tuple[Wrong, str]:
    """What can be said of one price."""
    x, y = float(getattr(a, name)), float(getattr(b, name)) / factor
    if name in ("high", "low"):
        rest = [value for each in (a, b) for value in (each.open, each.close)]
        lonely = _is_lonely(x, [*rest, y]), _is_lonely(y, [*rest, x])
        if lonely[0] != lonely[1]:
            return "ours" if lonely[0] else "theirs", f"a {name} far from every other price of that day"
    if abs(x / y - 1) < CLOSE_BY / 3:
        return "neither", "a trade that one source counts and the other does not"
    return "unknown", "nothing tells which"


def _volumes(a: Bar, b: Bar, gap: str, auction: str) -> list[Difference]:
    x, y = a.volume, b.volume
    if x is None or y is None or x < 0 or y < 0 or abs(x - y) <= VOLUME_NEAR * max(x, y):
        return []
    wrong: Wrong = "unknown"
    reason = "nothing tells which"
    if not x or not y:
        wrong, reason = ("ours" if not x else "theirs"), "no volume, where the other source has some"
    elif gap and y < x:
        wrong, reason = "theirs", gap
    elif auction and y < x:
        wrong, reason = "neither", auction
    elif any(abs(log(x / y)) - log(unit) < 0.01 and abs(log(x / y)) > log(unit) - 0.01 for unit in UNITS):
        wrong, reason = "neither", "shares against lots"
    elif abs(x - y) <= VOLUME_COUNTED * max(x, y):
        wrong, reason = "neither", "trades that one source counts and the other does not"
    return [Difference(a.start, "volume", x, y, wrong, reason)]


def _factors(shared: Sequence[date], mine: _Side, other: _Side) -> list[tuple[float, ...]]:
    """Their price basis over ours around each session: that of all beside it, of those before it, and of those behind it, which
    differ where one of the two was adjusted; or none at all."""
    ratios = [other[each].close / mine[each].close if mine[each].close > 0 and other[each].close > 0 else 1.0 for each in shared]
    found = []
    for at in range(len(ratios)):
        low, high = max(0, at - BESIDE), at + 1 + BESIDE
        whole = [ratios[low:high]] if high - low > 2 and len(ratios) > 2 else []  # of two, one cannot judge the other
        sides = [*whole, ratios[low:at], ratios[at + 1 : high]]
        found.append((*(median(each) for each in sides if each), 1.0))
    return found


def _common_factor(daily: Bar, whole: Bar) -> float | None:
    """The factor between all four prices, where it is plainly not 1."""
    ratios = [b / a for a, b in zip(daily[1:5], whole[1:5], strict=True)]
    return median(ratios) if max(ratios) / min(ratios) - 1 < 0.002 and abs(median(ratios) - 1) > 0.02 else None


def _of_day(one: Difference, votes: Counter[str], count: int, of: int) -> Difference:
    (winner, most), *rest = (*votes.most_common(2), ("", 0))[:2] if votes else [("", 0)]
    text = f"{count} of {of} symbols differ on this day"
    if not most or (rest and rest[0][1] * 2 > most):
        return one._replace(reason=f"{text}; {one.reason}"[:1000])
    whose = "our" if winner == "ours" else "the other source's"
    reason = f"{text}, and {most} of them are plainly {whose} fault; {one.reason}"
    return one._replace(wrong="ours" if winner == "ours" else "theirs", reason=reason[:1000])


def _differs(ours: float, theirs: float, tick_size: Tick, factor: float = 1.0) -> bool:
    """factor: theirs over ours. On one basis prices are equal to a float's noise; on two they were rounded, to a step."""
    if abs(factor - 1) < NOISE:
        return abs(ours - theirs) > NOISE * max(ours, theirs)
    other = theirs / factor
    return abs(ours - other) > NEAR * max(ours, other) + 0.51 * max(tick_size(ours), tick_size(theirs) / factor)


def _alike(a: Bar, b: Bar, factor: float, tick_size: Tick) -> bool:
    return a.high > a.low and all(not _differs(x, y, tick_size, factor) for x, y in zip(a[1:5], b[1:5], strict=True))


def _flaw(bar: Bar) -> str:
    if not min(bar[1:5]) > 0:
        return "a price that is none"
    return "" if bar.low <= min(bar.open, bar.close) and max(bar.open, bar.close) <= bar.high else "no order among its prices"


def _is_lonely(value: float, rest: Sequence[float]) -> bool:
    return value > (1 + CLOSE_BY) * max(rest) or value < min(rest) / (1 + CLOSE_BY)


def _text(value: float | None) -> str:
    return "an unknown volume" if value is None or value < 0 else number_text(value)


def _clock(bar: Bar) -> str:
    return f"{bar.start:%H:%M} UTC"
