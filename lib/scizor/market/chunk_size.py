"""How many sessions one request of shorter bars asks for. Pure: how past requests were answered comes in, a size goes out.

Under IB's hard rule a request costs ten seconds of the budget whatever it holds, so few large ones win. Under the soft rule IB
publishes nothing: an answer costs something by itself and something a bar, and beyond a size that nobody knows each bar
costs more (users have seen 1.5 ms a bar in a day of minutes and 4.3 ms in five days of them; tws-api reports of 2020). So the
size follows the answers: the neighbours of the best are tried once, what is late or costs more a session is left again, and
where it makes no difference the usual size holds. What was seen is forgotten after a fortnight, so that a size which was once
too large is tried again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from statistics import median
from typing import NamedTuple

from scizor.market.types import Timeframe

#: Sessions of a request of the usual size, about two thousand bars. 5sec: IB gives a day at most. 1min: a week; 5min: a month.
SESSIONS = {
    Timeframe.SEC5: 1, Timeframe.SEC30: 1, Timeframe.MIN1: 5, Timeframe.MIN5: 22, Timeframe.MIN15: 65, Timeframe.MIN30: 130,
    Timeframe.HOUR1: 250, Timeframe.HOUR4: 250, Timeframe.DAY1: 20 * 250,
}  # fmt: skip

STEPS = (0.2, 0.5, 1.0, 2.0, 4.0)  # times the usual size; the last about eight thousand bars, "a few thousand" at IB
USUAL, LARGEST = 2, 4  # places in STEPS
SESSIONS_MOST = 250  # a year: IB's 365 D
ANSWERS_LEAST = 6  # say something about a size
FAVOUR = 0.1  # of its cost is added to a size for each step that it is away from the usual: noise must not decide
CHANGE_AT = 0.95  # of the present size's cost: a better one must be that good, for a change costs a new connection
LATE_SHARE = 0.2  # of answers that did not come in time: too large
PATIENCE = 0.5  # of the time that an answer may take: a size that would need more is not tried
MEMORY = timedelta(days=14)


class Answered(NamedTuple):
    """A past request of shorter bars: how many sessions it asked for, the seconds until its answer, and whether that came at
    all."""

    timeframe: Timeframe
    sessions: int
    seconds: float
    is_late: bool = False


def sessions_at(timeframe: Timeframe, step: int) -> int:
    """Sessions of a request of that step. Bars of half a minute and less: always one, IB gives a day at most."""
    usual = SESSIONS[timeframe]
    if timeframe.seconds <= 30 or timeframe is Timeframe.DAY1:
        return usual
    return max(1, min(round(usual * STEPS[step]), SESSIONS_MOST))


def sizes(step: int, most: int | None = None) -> Callable[[Timeframe], int]:
    """The same as a function of the bar size. most: what a person asked for, which no size exceeds."""
    return lambda timeframe: min(sessions_at(timeframe, step), most or SESSIONS[Timeframe.DAY1])


def step_after(answers: Sequence[Answered], timeout_seconds: float) -> int:
    """The step to go on with. answers: the newest first. timeout_seconds: that an answer may take."""
    seen = [(_step_of(each), each) for each in answers]
    costs = {step: cost for step in range(len(STEPS)) if (cost := _cost([each for at, each in seen if at == step]))}
    current = next((step for step, _ in seen), USUAL)
    if current not in costs:  # too few answers of the newest size: stay until there are enough
        return current
    good = {step: cost.seconds * (1 + FAVOUR * abs(step - USUAL)) for step, cost in costs.items() if not cost.is_late}
    if not good:
        return max(min(costs) - 1, 0)
    best = min(good, key=good.__getitem__)
    if current in good and good[best] > CHANGE_AT * good[current]:
        best = current
    above, below = best + 1, best - 1
    if above <= LARGEST and above not in costs and costs[best].seconds * STEPS[above] <= PATIENCE * timeout_seconds:
        return above
    return below if below >= 0 and below not in costs else best


class _Cost(NamedTuple):
    """seconds: the median that a usual request's worth of sessions took."""

    seconds: float
    is_late: bool


def _cost(answers: Sequence[Answered]) -> _Cost | None:
    """None: too few to say."""
    if len(answers) < ANSWERS_LEAST:
        return None
    late = sum(each.is_late for each in answers)
    return _Cost(median(each.seconds * SESSIONS[each.timeframe] / each.sessions for each in answers), late > LATE_SHARE * len(answers))


def _step_of(answer: Answered) -> int:
    """The largest step that the request filled; the rest of a plan is smaller than its size."""
    return max((step for step in range(len(STEPS)) if sessions_at(answer.timeframe, step) <= answer.sessions), default=0)
