"""I37: retention never removes the last verified backups, whatever the history: failures, gaps, a clock that jumps.

The model says it the other way round: day by day, week by week, who is the newest, asked of each backup by itself.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from scizor.base.generations import COMPLETE, CORRUPT, PERIODS, VERIFIED, Kept, Made, surplus

START = datetime(2025, 1, 15, 6, 0, tzinfo=UTC)
USUAL = Kept(daily=7, weekly=5, monthly=12, yearly=3, last=3)
HISTORIES = 150


def history(random_: random.Random) -> list[Made]:
    """Some years, mostly one a day; at times several, none, a failure, or a clock that was wrong."""
    found, at = [], START
    for number in range(random_.randrange(0, 120)):
        at += random_.choice((timedelta(days=1),) * 6 + (timedelta(hours=3), timedelta(days=40), timedelta(days=400)))
        jumped = at + random_.choice((timedelta(0),) * 20 + (timedelta(days=-800), timedelta(days=3000)))
        found.append(Made(number, jumped, random_.choice((VERIFIED,) * 6 + (COMPLETE, CORRUPT))))
    return found


def model(made: Sequence[Made], kept: Kept, each: Made) -> bool:
    """Whether this one must stay."""
    if max(made, key=lambda other: other.number).state != VERIFIED:
        return True
    verified = [other for other in made if other.state == VERIFIED]
    if each.state != VERIFIED:
        return len([other for other in verified if other.number > each.number]) < kept.last
    if len([other for other in verified if other.number > each.number]) < kept.last:
        return True
    if len([other for other in verified if (other.at, other.number) > (each.at, each.number)]) < kept.last:
        return True
    for name, period in PERIODS.items():
        mine = [other for other in verified if period(other.at) == period(each.at)]
        later = {period(other.at) for other in verified if other.at > each.at and period(other.at) != period(each.at)}
        if each == max(mine, key=lambda other: (other.at, other.number)) and len(later) < getattr(kept, name):
            return True
    return False


def broken(made: Sequence[Made], kept: Kept, gone: Sequence[Made]) -> list[str]:
    """The promises, each looked at by itself."""
    left = [each for each in made if each not in gone]
    verified = [each for each in made if each.state == VERIFIED]
    found = [f"{each} was one of the last {kept.last}" for each in sorted(verified, key=lambda each: each.number)[-kept.last :] if each not in left]
    if gone and max(made, key=lambda each: each.number).state != VERIFIED:
        found.append("acted although the newest is not verified")
    found += [f"{each}: {'kept' if each in left else 'removed'}" for each in made if (each in left) != model(made, kept, each)]
    return found


def check(seed: int, count: int) -> None:
    random_ = random.Random(seed)
    for _ in range(count):
        made = history(random_)
        kept = Kept(random_.randint(1, 9), random_.randint(0, 6), random_.randint(0, 13), random_.randint(0, 3), random_.randint(1, 4))
        assert not broken(made, kept, surplus(made, kept)), f"seed {seed}"


def test_I37_the_last_verified_stay_over_random_histories() -> None:
    check(37, HISTORIES)


@pytest.mark.exhaustive
def test_I37_the_last_verified_stay_over_a_hundred_thousand_histories() -> None:
    check(20250115, 100_000)


def test_the_promises_see_a_planted_breach() -> None:
    made = [Made(number, START + timedelta(days=number), VERIFIED) for number in range(30)]
    assert broken(made, USUAL, [made[-1]])
    assert broken([*made, Made(30, START + timedelta(days=30), CORRUPT)], USUAL, [made[0]])


def test_three_years_of_daily_backups_leave_one_a_period() -> None:
    made = [Made(number, START + timedelta(days=number), VERIFIED) for number in range(3 * 365)]
    left = [each for each in made if each not in surplus(made, USUAL)]
    # of the 5 weeks one newest is a day's, of the 12 months and of the 3 years one newest each is younger
    assert 7 + 4 + 11 <= len(left) <= 7 + 5 + 12 + 3
    assert made[-7:] == left[-7:]


def test_nothing_goes_while_the_newest_is_not_verified() -> None:
    made = [Made(number, START + timedelta(days=number), VERIFIED) for number in range(40)]
    assert surplus(made, USUAL)
    for state in (COMPLETE, CORRUPT):
        assert surplus([*made, Made(40, START + timedelta(days=40), state)], USUAL) == []
