"""The size of a request: it follows what the answers cost, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from scizor.market.chunk_size import (
    ANSWERS_LEAST,
    LARGEST,
    SESSIONS,
    STEPS,
    USUAL,
    Answered,
    sessions_at,
    sizes,
    step_after,
)
from scizor.market.types import Timeframe

MIN1 = Timeframe.MIN1


def answers(step: int, seconds: float, count: int = ANSWERS_LEAST, late: int = 0) -> list[Answered]:
    return [Answered(MIN1, sessions_at(MIN1, step), seconds, place < late) for place in range(count)]


def settled(cost: Callable[[int], float], timeout_seconds: float = 30.0) -> int:
    """Where a long run comes to rest with a service that takes so many seconds for so many sessions of minutes."""
    seen: list[Answered] = []
    step = USUAL
    for _ in range(20):
        sessions = sessions_at(MIN1, step)
        seen = [Answered(MIN1, sessions, min(cost(sessions), timeout_seconds), cost(sessions) > timeout_seconds)] * ANSWERS_LEAST + seen
        step = step_after(seen, timeout_seconds)
    return step


def test_a_size_that_proved_worse_is_left_at_once_and_a_hair_of_difference_changes_nothing() -> None:
    known = answers(1, 2.0) + answers(USUAL, 2.0) + answers(4, 99.0, late=ANSWERS_LEAST)
    assert step_after(answers(3, 8.0) + known, 60.0) == USUAL
    assert step_after(answers(3, 3.9) + known, 60.0) == USUAL
    assert step_after(answers(USUAL, 2.0) + answers(3, 3.5) + known, 60.0) == USUAL


def test_where_an_answer_costs_the_same_whatever_it_holds_the_largest_wins() -> None:
    assert settled(lambda sessions: 2.0) == LARGEST


def test_where_only_bars_cost_the_usual_size_stays() -> None:
    assert settled(lambda sessions: 0.3 * sessions) == USUAL


def test_where_each_bar_costs_more_in_a_large_answer_the_size_rests_below_the_knee() -> None:
    """Two days of minutes at 1.5 ms a bar, beyond that 4.3 ms: the numbers that users saw in 2020."""
    assert sessions_at(MIN1, settled(lambda sessions: 0.3 + 390 * sessions * (0.0015 if sessions <= 2 else 0.0043))) == 2


def test_a_size_whose_answers_come_too_late_is_left_and_not_taken_again() -> None:
    assert sessions_at(MIN1, settled(lambda sessions: 1.0 if sessions <= 5 else 99.0)) == 5
    assert sessions_at(MIN1, settled(lambda sessions: 1.0 if sessions <= 1 else 99.0)) == 1


def test_a_size_that_would_take_half_the_patience_is_not_even_tried() -> None:
    smaller = answers(USUAL - 1, 9.0)
    assert step_after(answers(USUAL, 9.0) + smaller, 30.0) == USUAL
    assert step_after(answers(USUAL, 7.0) + smaller, 30.0) == USUAL + 1


@pytest.mark.parametrize("seen", [[], answers(USUAL, 1.0, count=ANSWERS_LEAST - 1)])
def test_too_few_answers_say_nothing(seen: Sequence[Answered]) -> None:
    assert step_after(seen, 30.0) == USUAL


def test_bars_of_every_size_speak_of_the_same_step() -> None:
    mixed = [Answered(each, sessions_at(each, 3), 4.0) for each in (MIN1, Timeframe.MIN5, Timeframe.MIN15)] * 2
    assert step_after(mixed, 60.0) == 4


@pytest.mark.parametrize("timeframe", list(Timeframe))
def test_no_size_exceeds_what_ib_allows_or_a_person_asked_for(timeframe: Timeframe) -> None:
    for step in range(len(STEPS)):
        assert 1 <= sessions_at(timeframe, step) <= max(250, SESSIONS[timeframe])
        assert sizes(step, 3)(timeframe) <= 3
        if timeframe.seconds <= 30:
            assert sessions_at(timeframe, step) == 1
