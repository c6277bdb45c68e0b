"""Corporate actions, read off the overlap of stored and freshly fetched daily bars. Pure.

IB's history is split-adjusted as of the request, so the same session comes back with other prices once its share was split.
That is the one sure sign: every price before the ex-date is divided by the same n:m, and every volume multiplied by it.
An overnight gap alone proves nothing (bad news halves a price too), so it makes a suspicion and never a finding.

What the overlap can show, oldest to newest, is a few stretches of sessions of one factor each (new price / stored price),
the newest of factor 1 unless nothing newer is stored yet. Between two stretches lies a step:

- split: volumes went the other way by the same ratio; consolidations and bonus issues are splits;
- dividend: a small step, and volumes did not move (ADJUSTED_LAST, and vendors who adjust for dividends);
- unclear: prices step and volumes contradict, or there is too little to see; a wider overlap may tell.

Most sessions fit no factor: these are another company's bars, under a code that has a new owner. A share that moves by
itself cannot look like a split: four prices of each of several sessions, and their volumes, would have to agree on one ratio.
Prices were rounded, so a factor is an interval, and a ratio is the simplest fraction in what the intervals have in common.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from enum import StrEnum
from math import ceil, exp, floor, inf, log, sqrt
from typing import NamedTuple

from scizor.market.actions_overlap import DECIMALS_MOST, Pair, Stretch, Terms, shared, stretches
from scizor.market.bars import number_text
from scizor.market.types import Bar

SESSIONS_LEAST = 3  # of one factor, before anything is said
LATE_MOST = 0.05  # by how much late prints may change a volume that was fetched before
STEPS_MOST, STEPS_SESSIONS = 2, 250  # no share splits oftener than twice, and once a year of sessions more
RATIO_LEAST = 0.005  # a smaller change of all prices is a vendor's rounding, not 201:200
MOVED_LEAST = 2.0  # without volumes: prices must have moved by more than this many times what rounding hides
DIVIDEND_MOST = 1.35  # a dividend of more than a quarter of the price is a person's to judge
FRACTION_MOST = 10_000  # the largest denominator: 2.0651 is 20651:10000
USUAL_MOST = 100  # with larger terms a ratio was stated as a decimal: 0.8511, not 7002:8227
GAP_LEAST, GAP_TERMS_MOST, GAP_SLACK = 1.5, 20, 0.015  # a suspicion: 3:2 or more, n and m to 20, within 1.5 %
GAP_TICKS = 4  # and so many steps of the ladder: a share of a tenth of a cent doubles by one


class Verdict(StrEnum):
    SAME = "same"
    CORRECTED = "corrected"  # a few sessions differ, and by no common factor: the vendor mended them
    STEP = "step"
    FOREIGN = "foreign"  # another contract's bars
    UNCLEAR = "unclear"  # too little in common


class Type(StrEnum):
    """As corporate_actions.type has it; UNCLEAR is no row's."""

    SPLIT = "split"
    DIVIDEND = "dividend"
    CODE_CHANGE = "code-change"
    UNCLEAR = "unclear"


class Volumes(StrEnum):
    SCALED = "scaled"  # by the ratio
    SAME = "same"
    MIXED = "mixed"
    NONE = "none"


class Step(NamedTuple):
    """The price basis changes between two sessions.

    after: the last session known to lie before it; ex_date: the first that lies behind it, None when nothing newer was
    fetched. new, old: of the ratio, 3 and 1 for a 3:1 split. low, high: bounds of new / old. sessions: how many bear
    witness. volumes: what they did. amount: of a dividend, by share, as the step has it.
    """

    type: Type
    after: date
    ex_date: date | None
    new: int
    old: int
    low: float
    high: float
    sessions: int
    volumes: Volumes
    amount: float | None = None


class Finding(NamedTuple):
    """overlap: sessions in common. strange: those that fit no factor, corrected ones or somebody else's."""

    verdict: Verdict
    overlap: int
    steps: tuple[Step, ...] = ()
    strange: tuple[date, ...] = ()


class Suspicion(NamedTuple):
    """A session opened at about old / new of the close before, and traded about that much more."""

    day: date
    new: int
    old: int


def compare(
    stored: Iterable[Bar], fetched: Iterable[Bar], tick_size: Callable[[float], float], *,
    asked: date | None = None, pays_dividends: bool = False,
) -> Finding:  # fmt: skip
    """What the sessions that both have say about the price basis. tick_size: of the exchange's ladder, by price.

    Daily bars, in any order; the newest version of each. The answer's bars beyond the overlap give the ex-date. asked: the
    newest session that was over when the vendor was last asked: the newest basis began after it, though a hole may hide
    that. pays_dividends: the vendor adjusts for dividends as well (ADJUSTED_LAST), so without volumes a small step is one.
    """
    known = {each.start: each for each in stored if _is_priced(each)}
    answer = sorted((each for each in fetched if _is_priced(each)), key=_day)
    pairs = [Pair(_day(each), known[each.start], each) for each in answer if each.start in known]
    if all(each.stored[1:6] == each.fetched[1:6] for each in pairs):
        return Finding(Verdict.SAME if pairs else Verdict.UNCLEAR, len(pairs))
    days = [_day(each) for each in answer]
    # First as if what is stored had never been rounded: true of prices as traded. Then as if it had been adjusted before.
    terms = Terms(tick_size, days, asked, pays_dividends)
    exact = _read(pairs, terms)
    if exact.verdict in (Verdict.SAME, Verdict.CORRECTED) or (_is_clear(exact) and len(exact.steps) == 1 and not exact.strange):
        return exact
    return min(exact, _read(pairs, terms._replace(was_rounded=True)), key=_doubt)


def suspect(before: Sequence[Bar], opening: Bar, tick_size: Callable[[float], float]) -> Suspicion | None:
    """Whether a session looks like the first after a split, by its own price and volume: a question, not an answer.

    before: the sessions up to it, oldest first, on the basis on which they were traded.
    """
    if not before or not _is_priced(opening) or not _is_priced(before[-1]):
        return None
    ratio = before[-1].close / opening.open
    least = min(before[-1].close, opening.open)
    if max(ratio, 1 / ratio) < GAP_LEAST or abs(before[-1].close - opening.open) < GAP_TICKS * tick_size(least):
        return None
    new, old = fraction(ratio * (1 - GAP_SLACK), ratio * (1 + GAP_SLACK), GAP_TERMS_MOST)
    if not new or max(new, old) > GAP_TERMS_MOST:
        return None
    volumes = sorted(each.volume for each in before if each.volume and each.volume > 0)
    if not volumes or not opening.volume or opening.volume < 0:
        return None
    moved = log(opening.volume / volumes[len(volumes) // 2]) / log(ratio)
    return Suspicion(_day(opening), new, old) if moved > 0.5 else None


def fraction(low: float, high: float, most: int = FRACTION_MOST) -> tuple[int, int]:
    """The fraction in [low, high] with the smallest terms, the nearest to its middle of those; a decimal of up to four
    places instead of terms that nobody would announce. (0, 0) when there is none."""
    if not 0 < low <= high < inf:
        return 0, 0
    if high < 1:
        new, old = fraction(1 / high, 1 / low, most)
        return old, new
    middle = sqrt(low * high)
    for old in range(1, most + 1):
        first, last = ceil(low * old - 1e-12), floor(high * old + 1e-12)
        if first <= last:
            new = min(max(round(middle * old), first), last)
            return (new, old) if max(new, old) <= USUAL_MOST else _decimal(low, high) or (new, old)
    return 0, 0


def _decimal(low: float, high: float) -> tuple[int, int] | None:
    """The shortest decimal in [low, high], or that of its inverse for a consolidation stated so."""
    for old in (10, 100, 1000, 10_000):
        if (new := round(sqrt(low * high) * old)) and low <= new / old <= high:
            return new, old
        if (new := round(old / sqrt(low * high))) and low <= old / new <= high:
            return old, new
    return None


def _read(pairs: list[Pair], terms: Terms) -> Finding:
    found, strange = stretches(pairs, terms)
    if len(pairs) >= SESSIONS_LEAST and 2 * len(strange) > len(pairs):
        return Finding(Verdict.FOREIGN, len(pairs), (), tuple(strange))
    if not found:
        return Finding(Verdict.UNCLEAR, len(pairs), (), tuple(strange))
    factors = [_factor(each) for each in found]
    steps = []
    for place, (stretch, factor) in enumerate(zip(found, factors, strict=True)):
        newer = factors[place + 1] if place + 1 < len(factors) else (1.0, 1.0, Volumes.SAME)
        if factor[0] > newer[1] or newer[0] > factor[1]:  # else as the sessions behind it: nothing happened between them
            steps.append(_step(stretch, factor, newer, terms, is_newest=place + 1 == len(factors) or newer[0] == newer[1] == 1.0))
    if not steps:
        return Finding(Verdict.CORRECTED if strange else Verdict.SAME, len(pairs), (), tuple(strange))
    if len(steps) > STEPS_MOST + len(pairs) // STEPS_SESSIONS:
        return Finding(Verdict.FOREIGN, len(pairs), (), tuple(strange))
    if all(each.sessions < 2 for each in steps):
        return Finding(Verdict.UNCLEAR, len(pairs), tuple(steps), tuple(strange))
    return Finding(Verdict.STEP, len(pairs), tuple(steps), tuple(strange))


def _is_clear(finding: Finding) -> bool:
    return finding.verdict is Verdict.STEP and all(each.type is not Type.UNCLEAR for each in finding.steps)


def _doubt(finding: Finding) -> tuple[bool, bool, int]:
    """Of two readings, that with less to explain is right."""
    return finding.verdict is Verdict.UNCLEAR, not _is_clear(finding), 2 * len(finding.steps) + len(finding.strange)


def _factor(stretch: Stretch) -> tuple[float, float, Volumes]:
    """Bounds of a stretch's factor, with what its volumes say of it."""
    volumes = [(each.stored.volume, each.fetched.volume) for each in stretch.pairs]
    moves = [(old, new) for old, new in volumes if old is not None and new is not None and old > 0 and new > 0]
    low, high = stretch.low, stretch.high
    if stretch.is_unchanged and all(new == old for old, new in moves):
        return 1.0, 1.0, Volumes.SAME
    if not moves:
        return low, high, Volumes.NONE
    agreed = _agreed(moves, stretch)
    if low <= 1 <= high:  # by its prices it may be anything: a share of a few ticks
        if agreed is None or agreed[0] <= 1 <= agreed[1]:
            return 1.0, 1.0, Volumes.SAME
        return (*agreed, Volumes.SCALED)
    wanted = log(stretch.centre)
    moved = [log(new / old) for old, new in moves]
    reach = min(abs(wanted) / 4, LATE_MOST + log(high / low) / 2)
    scaled = sum(abs(each + wanted) < reach for each in moved)
    same = sum(abs(each) < reach for each in moved)
    if 2 * scaled > len(moves):
        return (*(agreed or (low, high)), Volumes.SCALED)
    return low, high, Volumes.SAME if 2 * same > len(moves) else Volumes.MIXED


def _agreed(moves: list[tuple[float, float]], stretch: Stretch) -> tuple[float, float] | None:
    """The bounds of the factor that most volumes agree on: they are long numbers, so these are narrow.

    A vendor adds late prints to a volume, so one that stands alone is not believed; nor are all, away from the prices.
    """
    slack = _volume_unit([new for _, new in moves]) / 2
    slack_stored = 0.0 if slack < 0.25 else _volume_unit([old for old, _ in moves]) / 2
    spans = [
        ((old - slack_stored) / (new + slack), (old + slack_stored) / (new - slack)) for old, new in moves if new > slack
    ]
    count, low, high = shared(spans) if spans else (0, 0.0, 0.0)
    is_near = low * (1 - LATE_MOST) <= stretch.high and high * (1 + LATE_MOST) >= stretch.low
    return (low, high) if count >= 2 and 2 * count > len(moves) and is_near else None


def _step(
    stretch: Stretch, factor: tuple[float, float, Volumes], newer: tuple[float, float, Volumes], terms: Terms, *, is_newest: bool
) -> Step:
    low, high = newer[0] / factor[1], newer[1] / factor[0]
    new, old = fraction(low, high)
    after = max(each.day for each in stretch.pairs)
    if is_newest and terms.asked is not None:  # the vendor was on the former basis then, whatever is missing since
        after = max(after, min(terms.asked, terms.days[-1]) if terms.asked < terms.days[-1] else after)
    ex_date = next((each for each in terms.days if each > after), None)
    step = Step(Type.UNCLEAR, after, ex_date, new, old, low, high, len(stretch.pairs), factor[2])
    ratio = exp((log(low) + log(high)) / 2)
    enough = step.sessions >= SESSIONS_LEAST
    is_small = 1 < ratio <= DIVIDEND_MOST
    if abs(log(ratio)) < RATIO_LEAST or not new:
        return step
    if factor[2] is Volumes.SCALED and (enough or (step.sessions == 2 and max(new, old) <= USUAL_MOST)):
        return step._replace(type=Type.SPLIT)
    if enough and is_small and (factor[2] is Volumes.SAME or (factor[2] is Volumes.NONE and terms.pays_dividends)):
        last = max(stretch.pairs, key=lambda each: each.day).stored.close
        return step._replace(type=Type.DIVIDEND, amount=round(last * (1 - 1 / ratio), 4))
    if enough and factor[2] is Volumes.NONE and _have_moved(stretch, high / low):
        return step._replace(type=Type.SPLIT)
    return step


def _have_moved(stretch: Stretch, width: float) -> bool:
    """Whether the prices moved so much that another share's could not fit by chance."""
    range_ = max(each.stored.high for each in stretch.pairs) / min(each.stored.low for each in stretch.pairs)
    return range_ - 1 > MOVED_LEAST * (width - 1)


def _volume_unit(volumes: Sequence[float]) -> float:
    """0.01 for fractional volumes as IB's, else 1."""
    decimals = max(len(number_text(each).partition(".")[2]) for each in volumes)
    return 10.0 ** -min(decimals, DECIMALS_MOST)


def _is_priced(bar: Bar) -> bool:
    return all(0 < each < 1e9 for each in bar[1:5])


def _day(bar: Bar) -> date:
    return bar.start
