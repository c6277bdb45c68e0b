"""The search for a concurrency that nobody states, without I/O: events in, a limit out."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

import pytest

from scizor.ib.concurrency import Concurrency
from scizor.ib.probing import PROBES_WHILE_SILENT, REFUSED_HOLD_SECONDS, Failure
from tests.conftest import EPOCH


def at(seconds: float) -> datetime:
    return EPOCH + timedelta(seconds=seconds)


class Shared:
    """A service whose work is shared: above `collapse` at once, together they get a tenth. Virtual seconds."""

    def __init__(self, collapse: int, *, noise: float = 0.0, seed: int = 1) -> None:
        self.collapse, self.noise, self.draw = collapse, noise, random.Random(seed)
        self.left: dict[int, float] = {}
        self.now = 0.0

    def rate(self) -> float:
        return 1.0 if len(self.left) <= self.collapse else self.collapse / len(self.left) / 10

    def advance(self, to: float) -> None:
        done = (to - self.now) * self.rate()
        self.left = {each: work - done for each, work in self.left.items()}
        self.now = to

    def run(self, concurrency: Concurrency, count: int) -> float:
        """Seconds until so many are answered."""
        sent, answered = 0, 0
        while answered < count:
            starts = concurrency.may_start(at(self.now)) if sent < count else None
            if starts is not None and starts <= at(self.now):
                concurrency.started(sent, at(self.now))
                self.left[sent] = 0.5 * (self.draw.lognormvariate(0, self.noise) if self.noise else 1)
                sent += 1
                self.advance(self.now + 0.001)
                continue
            ends = self.now + 0.1
            if self.left:
                next_one = min(self.left, key=lambda each: self.left[each])
                ends = self.now + max(0.0, self.left[next_one]) / self.rate()
            wake = min([ends, self.now + 0.1, *([(starts - EPOCH).total_seconds()] if starts else [])])
            self.advance(max(wake, self.now + 1e-6))
            for each in [each for each, work in self.left.items() if work <= 1e-6]:
                del self.left[each]
                answered += 1
                concurrency.answered(each, at(self.now))
        return self.now


@pytest.mark.parametrize("noise", [0.0, 0.2])
@pytest.mark.parametrize("collapse", [4, 6, 8, 12, 16, 24, 32, 48])
def test_the_collapse_is_found_and_kept_away_from(collapse: int, noise: float) -> None:
    count = 120 * collapse
    best = Shared(collapse, noise=noise).run(Concurrency.fixed(collapse), count)
    over = Shared(collapse, noise=noise).run(Concurrency.fixed(collapse + 2), count // 10) * 10
    ours = Shared(collapse, noise=noise).run(Concurrency.adaptive(4, 50), count)
    assert best / ours >= 0.7
    assert best / over < 0.3, "the planted collapse does not collapse"


@pytest.mark.parametrize(("collapse", "first"), [(1, 2), (2, 4), (3, 4), (5, 10)])
def test_a_service_that_bears_less_than_the_first_limit_is_not_pushed(collapse: int, first: int) -> None:
    """It must bear half of the first limit: nobody can see a collapse who has never seen anything else."""
    concurrency = Concurrency.adaptive(first, 50)
    Shared(collapse).run(concurrency, 200)
    assert concurrency.limit <= collapse + 1


def served(concurrency: Concurrency, seconds: float, *, until: float, latency: float = 0.5) -> float:
    """Answers everything after `latency`, with as many open as are allowed; returns the time."""
    open_: list[tuple[float, object]] = []
    now = seconds
    while now < until:
        starts = concurrency.may_start(at(now))
        if starts is not None and starts <= at(now):
            request = object()
            concurrency.started(request, at(now))
            open_.append((now + latency, request))
            continue
        now += 0.01
        for ends, request in [each for each in open_ if each[0] <= now]:
            open_.remove((ends, request))
            concurrency.answered(request, at(now))
    for _, request in open_:
        concurrency.withdrawn(request)
    return now


def test_a_service_without_an_edge_is_used_up_to_ibs_fifty() -> None:
    concurrency = Concurrency.adaptive(4, 50)
    served(concurrency, 0, until=60)
    assert concurrency.limit == 50


def test_silence_leaves_two_open_and_an_answer_ends_it() -> None:
    concurrency = Concurrency.adaptive(4, 50)
    now = served(concurrency, 0, until=5)
    for each in range(8):
        concurrency.started(each, at(now))
    for each in range(8):
        concurrency.failed(each, at(now + 30), Failure.UNANSWERED)
    assert concurrency.is_silent
    for probe in range(PROBES_WHILE_SILENT):
        assert concurrency.may_start(at(now + 31)) == at(now + 31)
        concurrency.started(f"probe {probe}", at(now + 31))
    assert concurrency.may_start(at(now + 31)) is None
    concurrency.answered("probe 0", at(now + 32))
    again = concurrency.may_start(at(now + 40))
    assert again is not None and not concurrency.is_silent


def test_one_lost_answer_among_many_is_not_silence() -> None:
    concurrency = Concurrency.adaptive(4, 50)
    concurrency.started("lost", at(0))
    now = served(concurrency, 0, until=30)
    limit = concurrency.limit
    concurrency.failed("lost", at(now), Failure.UNANSWERED)
    assert not concurrency.is_silent and concurrency.limit == limit


def test_a_refusal_halves_the_limit_once_and_nothing_is_tried_for_a_minute() -> None:
    concurrency = Concurrency.adaptive(4, 50)
    now = served(concurrency, 0, until=20)
    limit = concurrency.limit
    for each in range(6):
        concurrency.started(each, at(now))
    for each in range(6):
        concurrency.failed(each, at(now + 0.1), Failure.REFUSED)
    assert concurrency.limit == limit // 2
    served(concurrency, now + 0.1, until=now + REFUSED_HOLD_SECONDS - 1)
    assert concurrency.limit == limit // 2
    served(concurrency, now + REFUSED_HOLD_SECONDS, until=now + 2 * REFUSED_HOLD_SECONDS)
    assert concurrency.limit > limit // 2


def test_a_fixed_one_never_changes() -> None:
    concurrency = Concurrency.fixed(7)
    for each in range(7):
        concurrency.started(each, at(0))
    assert concurrency.may_start(at(1)) is None
    for each in range(7):
        concurrency.failed(each, at(60), Failure.UNANSWERED)
    assert concurrency.limit == 7 and concurrency.may_start(at(60)) == at(60)


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_it_stays_within_its_bounds_and_goes_on(seed: int) -> None:
    print(f"seed {seed}")
    draw = random.Random(seed)
    concurrency = Concurrency.adaptive(draw.randint(1, 10), 50)
    open_: list[int] = []
    now, number = 0.0, 0
    for _ in range(3000):
        now += draw.expovariate(10)
        starts = concurrency.may_start(at(now))
        if starts is not None and starts <= at(now):
            number += 1
            concurrency.started(number, at(now))
            open_.append(number)
        elif open_ and draw.random() < 0.7:
            ended = open_.pop(draw.randrange(len(open_)))
            if draw.random() < 0.8:
                concurrency.answered(ended, at(now))
            else:
                concurrency.failed(ended, at(now), draw.choice(list(Failure)))
        assert 1 <= concurrency.limit <= 50 and len(concurrency.open) == len(open_) <= 50
        if not open_:
            again = concurrency.may_start(at(now))
            assert again is not None and again <= at(now + 60), "nothing is open and nothing may start"
