"""What another source says of the same days: the judge of alarms, and a finder of its own.

A second source may be adjusted for splits and dividends. Then its prices are ours times a factor that is constant for
months, so the factor of each day is the middle one of the days around it. A bar of it without volume, or flat at the
close before, is a filler and says nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from statistics import median

from scizor.market.bars import number_text
from scizor.market.quality.words import EVERYBODY, Defect, Market, day_of, is_positive, prices
from scizor.market.types import Bar

SLACK = 0.003  # of a price: adjusted ones were rounded, and some vendors print the auction otherwise
AROUND = 15  # bars on each side that give the factor
NEAR = 3  # sessions in which a misplaced bar is looked for
CODES_LEAST = 10
SHARE = 0.5


@dataclass(slots=True)
class Judgement:
    """agreed: (code, day) of which both sources have the same bar. differing: of which they have not. only_theirs: they have a
    real bar and we have none. seen: codes compared, and codes that agreed, by day."""

    agreed: set[tuple[str, date]] = field(default_factory=set)
    differing: set[tuple[str, date]] = field(default_factory=set)
    only_theirs: dict[tuple[str, date], Bar] = field(default_factory=dict)
    seen: dict[date, list[int]] = field(default_factory=dict)

    def counts(self, day: date) -> tuple[int, int]:
        """How many bars of a day both sources have, and with how many of them ours agree."""
        compared, agreed = self.seen.get(day, (0, 0))
        return compared, agreed

    def share(self, day: date) -> float | None:
        """The share of the second source's bars of a day with which ours agree; None without one."""
        compared, agreed = self.counts(day)
        return agreed / compared if compared else None

    def confirms(self, symbol: str, day: date) -> bool:
        """Whether the bar (of "*": the day) is as the second source has it."""
        if symbol == EVERYBODY:
            share = self.share(day)
            return share is not None and share > SHARE
        return (symbol, day) in self.agreed


def judge(ours: Market, theirs: Sequence[Market]) -> Judgement:
    """Compares what both have. theirs: each adjusted or not, in any number."""
    found = Judgement()
    for source in theirs:
        for code, bars in source.items():
            _compare(found, code, {day_of(each): each for each in ours.get(code, ())}, bars)
    for day in {day for _, day in found.agreed | found.differing}:
        found.seen[day] = [0, 0]
    for _, day in found.differing:
        found.seen[day][0] += 1
    for _, day in found.agreed:
        found.seen[day][0] += 1
        found.seen[day][1] += 1
    return found


def _compare(found: Judgement, code: str, mine: Mapping[date, Bar], bars: Sequence[Bar]) -> None:
    real = [each for place, each in enumerate(bars) if _is_real(each, bars[place - 1] if place else None)]
    pairs = [(mine[day_of(each)], each) for each in real if day_of(each) in mine and is_positive(each)]
    factors = [own.close / other.close for own, other in pairs]
    for place, (own, other) in enumerate(pairs):
        around = factors[max(0, place - AROUND) : place + AROUND + 1]
        key = (code, day_of(own))
        if any(_is_same(own, other, factor) for factor in _candidates(around)):
            found.agreed.add(key)
            found.differing.discard(key)
        elif key not in found.agreed:
            found.differing.add(key)
    lived = (min(mine), max(mine)) if mine else None
    for each in real:
        if lived and lived[0] <= day_of(each) <= lived[1] and day_of(each) not in mine:
            found.only_theirs.setdefault((code, day_of(each)), each)


def _candidates(around: Sequence[float]) -> tuple[float, ...]:
    """Factors that may hold: 1, and the middle ones of the days around, before and after a step."""
    half = len(around) // 2
    return 1.0, median(around), median(around[: half + 1]), median(around[half:])


def _is_same(own: Bar, other: Bar, factor: float) -> bool:
    """All four prices, times the factor; of bars that are in disorder themselves, nothing agrees."""
    return all(abs(b * factor - a) <= SLACK * a + 1e-9 for a, b in zip(own[1:5], other[1:5], strict=True)) and is_positive(own)


def _is_real(bar: Bar, before: Bar | None) -> bool:
    if not is_positive(bar) or not bar.volume:
        return False
    return not (before is not None and bar.open == bar.high == bar.low == bar.close == before.close)


def faults(
    ours: Market, theirs: Sequence[Market], judgement: Judgement, sessions: Sequence[date], have: Callable[[date], bool]
) -> list[Defect]:
    """Days that the second source has otherwise, or that only it has. have: whether our source has any bar of this day."""
    known = set(sessions)
    found: list[Defect] = []
    whole: set[date] = set()
    pairs = _differing(ours, theirs, judgement)
    for day, (compared, agreed) in judgement.seen.items():
        if compared >= CODES_LEAST and agreed < SHARE * compared and day in known:
            text = f"{agreed} of {compared} codes are as the second source has them"
            whole.add(day)
            if _is_inside([(other, own) for own, other in pairs[day]]):
                continue  # the second source stopped early on that day: ours goes on where it ends
            if _is_inside(pairs[day]):
                found.append(Defect(EVERYBODY, day, "partial_session", f"{text}, which go on where these end"))
            else:
                found.append(Defect(EVERYBODY, day, "wrong_day", text))
    shifted = _shifted(ours, theirs, judgement, [each for each in sessions if have(each)])
    for day in {each for _, each in shifted}:
        codes = sorted(code for code, each in shifted if each == day)
        compared, agreed = judgement.seen.get(day, (0, 0))
        if day in whole:
            continue
        if agreed == 0:  # everyone whom the second source knows on that day: the fault is the day's
            text = f"{len(codes)} of the {compared} codes that a second source has: {codes[0]} {shifted[codes[0], day]}"
            found.append(Defect(EVERYBODY, day, "wrong_day", text))
        found += [Defect(code, day, "wrong_day", shifted[code, day]) for code in codes]
    for (code, day), bar in judgement.only_theirs.items():
        if day in known and have(day):
            found.append(Defect(code, day, "missing_bar", f"the second source has {prices(bar)}, volume {number_text(bar.volume or 0)}"))
    return found


def _differing(ours: Market, theirs: Sequence[Market], judgement: Judgement) -> dict[date, list[tuple[Bar, Bar]]]:
    """(our bar, their bar) where the two differ, by day."""
    wanted: dict[str, set[date]] = defaultdict(set)
    for code, day in judgement.differing:
        wanted[code].add(day)
    found: dict[date, list[tuple[Bar, Bar]]] = defaultdict(list)
    for code, days in wanted.items():
        mine = {day_of(each): each for each in ours[code]}
        for source in theirs:
            for bar in source.get(code, ()):
                if day_of(bar) in days:
                    found[day_of(bar)].append((mine[day_of(bar)], bar))
    return found


def _is_inside(pairs: Sequence[tuple[Bar, Bar]]) -> bool:
    """Whether nearly all of the first are the beginning of the second: less volume, and no wider a range, whatever the factor."""
    inside = [part.volume < whole.volume and part.high / part.low <= whole.high / whole.low * (1 + SLACK)
              for part, whole in pairs if part.volume and whole.volume and is_positive(part) and is_positive(whole)]  # fmt: skip
    return bool(inside) and sum(inside) >= 0.9 * len(inside)


def _shifted(
    ours: Market, theirs: Sequence[Market], judgement: Judgement, sessions: Sequence[date]
) -> dict[tuple[str, date], str]:
    """Bars of ours that the second source has under another date, to the cent and nearly to the share, while its bar of this
    date is nowhere in ours: a day was lost and the next one stands in its place."""
    place_of = {each: place for place, each in enumerate(sessions)}
    found = {}
    wanted = {code for code, _ in judgement.differing}
    our = {code: {day_of(each): each for each in ours[code]} for code in wanted}
    others = [{code: {day_of(each): each for each in source[code]} for code in wanted & source.keys()} for source in theirs]
    for code, day in sorted(judgement.differing):
        mine = our[code]
        if day not in place_of:
            continue
        near = sessions[max(0, place_of[day] - NEAR) : place_of[day] + NEAR + 1]
        for bars in others:
            their = bars.get(code, {})
            twins = [each for each in near if each != day and each in their and _is_twin(mine[day], their[each])]
            lost = day in their and not any(each in mine and _is_twin(mine[each], their[day]) for each in near)
            if twins and lost:
                found[code, day] = f"has the bar that the second source has on {twins[0]}; that of {day} is nowhere here"
    return found


def _is_twin(own: Bar, other: Bar) -> bool:
    """Both bars of one session, whatever the date: prices alike, volumes within 5 %."""
    sizes = sorted((own.volume or 0.0, other.volume or 0.0))
    return own.high > own.low and _is_same(own, other, 1.0) and sizes[0] > 0.95 * sizes[1] > 0


def false_alarms(defects: Iterable[Defect], judgement: Judgement) -> list[Defect]:
    """Alarms on bars and days that the second source has just so. A split is none: the bar is right, and the series steps."""
    return [each for each in defects if each.kind not in ("split", "identity_break", "code_change") and judgement.confirms(each.symbol, each.day)]
