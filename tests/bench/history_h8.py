"""H8: 500 planted splits and 5,000 overnight gaps without one, over recorded ASX prices: recall; false confirmations.

Each case is what the collector sees: stored bars as they were traded, and an answer that has the newest five sessions
again. The vendor rounds (to ticks, to cents, to four or six decimals), sends fractional volumes, whole ones, or none, has
holes, and has mended one session or two meanwhile. A finding that is unclear is asked again over thirty sessions, as a job
does. A split counts as found when its ratio (to a thousandth) and its ex-date are right. False is any gap that is taken for
one; the planted counter believes the gap alone, as the first of the two rules would.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

from scizor.base.paths import recordings_directory
from scizor.market import actions
from scizor.market.actions import Type, Verdict
from scizor.market.ladder import ladder
from scizor.market.types import Bar
from tests.market.asx_recorded import eighteen, others

SEED = 20071018
RATIOS = (
    (2, 1), (3, 1), (4, 1), (5, 1), (7, 1), (10, 1), (20, 1), (50, 1), (3, 2), (5, 4), (6, 5), (11, 10), (21, 20),
    (20651, 10000), (1, 2), (1, 5), (1, 10), (1, 20), (1, 23), (1, 40), (1, 100), (2, 3), (43, 50), (8511, 10000),
)  # fmt: skip
NARROW, WIDE = 5, 30
STEPS = ladder("XASX")


class Case(NamedTuple):
    """new, old: the planted ratio; 1:1 for none. answers: the fetched bars, narrow and wide. asked: the session after
    which the vendor was asked before."""

    code: str
    stored: Sequence[Bar]
    answers: tuple[Sequence[Bar], Sequence[Bar]]
    ex_date: date
    asked: date
    new: int = 1
    old: int = 1


def figures(report: Callable[[str], None], splits: int = 500, gaps: int = 5000) -> list[dict[str, Any]]:
    folder = recordings_directory()
    if folder is None:
        raise SystemExit("H8 needs recordings: no ../shared/data and no SCIZOR_RECORDINGS")
    report(f"seed {SEED}")
    history = {**eighteen(folder), **others(folder)}
    draw = random.Random(SEED)
    found, false, believed, outcomes = 0, 0, 0, Counter[str]()
    for _ in range(splits):
        case = planted(history, draw)
        seen = judge(case)
        found += seen == "right"
        outcomes[f"split: {seen}"] += 1
    for _ in range(gaps):
        case = gap(history, draw)
        seen = judge(case)
        false += seen in ("right", "wrong")
        outcomes[f"gap: {seen}"] += 1
        believed += actions.suspect(case.stored[-20:], case.answers[0][-1], STEPS.tick_size) is not None
    report(", ".join(f"{each} {count}" for each, count in sorted(outcomes.items())))
    return [
        {"id": "H8", "name": "recall of planted splits", "value": found / splits, "unit": "", "op": ">=", "bar": 0.99,
         "n": splits, "rival": "the plan of what was planted"},
        {"id": "H8", "name": "gaps confirmed as splits", "value": false, "unit": "", "op": "==", "bar": 0, "n": gaps,
         "planted": believed, "rival": "planted: the overnight rule alone"},
    ]  # fmt: skip


def judge(case: Case) -> str:
    """right, wrong (another split than was planted), or what else was found."""
    for answer in case.answers:
        finding = actions.compare(case.stored, answer, STEPS.tick_size, asked=case.asked)
        said = [each for each in finding.steps if each.type is Type.SPLIT]
        if said:
            ratio = said[-1].new / said[-1].old
            is_right = len(said) == 1 and abs(ratio * case.old / case.new - 1) < 1e-3 and said[0].ex_date == case.ex_date
            return "right" if is_right and case.new != case.old else "wrong"
        if not (finding.verdict is Verdict.UNCLEAR or finding.steps):
            break
    return str(finding.verdict)


def planted(history: Mapping[str, Sequence[Bar]], draw: random.Random) -> Case:
    code, past, coming = _somewhere(history, draw)
    new, old = draw.choice(RATIOS)
    while not 0.002 <= past[-1].close * old / new < 5000:
        new, old = draw.choice(RATIOS)
    price, volume = _price_rounding(draw, past[-1].close * old / new), _volume_rounding(draw)
    if draw.random() < 0.3:  # what is stored was adjusted already, for an older split
        past = [_scaled(each, 2, 1, lambda value: round(value, 4), lambda value: round(value, 2)) for each in past]
    traded = _scaled(coming, new, old, _tick, volume)
    answers = tuple(
        [*_disturbed([_scaled(each, new, old, price, volume) for each in past[-count:]], draw), traded] for count in (NARROW, WIDE)
    )
    return Case(code, _holes(past, draw), (answers[0], answers[1]), coming.start, past[-1].start, new, old)


def gap(history: Mapping[str, Sequence[Bar]], draw: random.Random) -> Case:
    """Half of them by a ratio that a split could have, volumes multiplied as its would be; some answers are dividend-adjusted,
    or another company's."""
    code, past, coming = _somewhere(history, draw)
    new, old = draw.choice(RATIOS) if draw.random() < 0.5 else (draw.randint(101, 400), 200)
    while not 0.002 <= past[-1].close * old / new < 5000:
        new, old = draw.choice(RATIOS)
    fallen = _scaled(coming, new, old, _tick, lambda value: round(value * draw.uniform(0.5, 5)))
    kind = draw.random()
    price = _price_rounding(draw, past[-1].close)
    answers = []
    other = _somewhere(history, draw)[1]
    for count in (NARROW, WIDE):
        bars = list(past[-count:])
        if kind < 0.1:
            paid = 1000 - max(1, int(kind * 1000))
            bars = [_scaled(each, 1000, paid, price, float)._replace(volume=each.volume) for each in bars]
        elif kind < 0.2:
            bars = [each._replace(start=mine.start) for each, mine in zip(other[-count:], bars, strict=False)]
        answers.append([*_disturbed(bars, draw), fallen])
    return Case(code, _holes(past, draw), (answers[0], answers[1]), coming.start, past[-1].start)


def _somewhere(history: Mapping[str, Sequence[Bar]], draw: random.Random) -> tuple[str, list[Bar], Bar]:
    """A code, its last bars up to a day, and that day's."""
    while True:
        code = draw.choice(sorted(history))
        bars = history[code]
        if len(bars) < WIDE + 20:
            continue
        at = draw.randrange(WIDE + 10, len(bars))
        past = bars[at - WIDE - 5 : at]
        if all(min(each[1:5]) > 0 and min(each[1:5]) == each.low and max(each[1:5]) == each.high for each in [*past, bars[at]]):
            return code, list(past), bars[at]


def _scaled(bar: Bar, new: int, old: int, price: Callable[[float], float], volume: Callable[[float], float]) -> Bar:
    prices = [price(each * old / new) for each in bar[1:5]]
    return Bar(bar.start, *prices, None if bar.volume is None else volume(bar.volume * new / old))


def _tick(value: float) -> float:
    return STEPS.price(max(1, STEPS.position(value)))


def _price_rounding(draw: random.Random, near: float) -> Callable[[float], float]:
    decimals = draw.choice((0, 2, 4, 4, 6, 15))
    return _tick if decimals == 0 else lambda value: round(value, decimals if near >= 2 else max(decimals, 4))


def _volume_rounding(draw: random.Random) -> Callable[[float], float]:
    kind = draw.choice((*["whole"] * 8, *["cents"] * 8, "none"))
    if kind == "none":
        return lambda _: -1.0
    return lambda value: float(round(value)) if kind == "whole" else round(value, 2)


def _disturbed(bars: list[Bar], draw: random.Random) -> list[Bar]:
    """The vendor mended one session, has late prints of another, and has lost one."""
    bars = list(bars)
    if draw.random() < 0.15:
        at = draw.randrange(len(bars))
        high = round(bars[at].high * draw.uniform(1.01, 1.2), 3)
        bars[at] = bars[at]._replace(high=high, close=round(draw.uniform(bars[at].low, high), 3))
    if draw.random() < 0.3:
        at = draw.randrange(len(bars))
        bars[at] = bars[at]._replace(volume=round((bars[at].volume or 0) * draw.uniform(1.0, 1.05)))
    if draw.random() < 0.15:
        del bars[draw.randrange(len(bars))]
    return bars


def _holes(bars: Sequence[Bar], draw: random.Random) -> list[Bar]:
    return [each for each in bars if draw.random() > 0.05]


if __name__ == "__main__":
    for each in figures(print):
        print(each)
