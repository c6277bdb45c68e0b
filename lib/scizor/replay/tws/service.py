"""A history farm that takes its time: latency, collapse under too many at once, slowness and silence on demand.

Everything in service shares one rate. Up to `collapse_above` requests each advances at full speed; beyond that, all of them
together get 1/collapse_factor of what collapse_above would get: whoever pushes harder is served less, and whoever backs off
is served again at once. That is how users describe IB's soft limit; IB publishes no number.
"""

from __future__ import annotations

import asyncio
import math
from datetime import datetime, timedelta

from scizor.base.clock import Clock


class LostError(Exception):
    """The farm will never answer this request. Not an answer to the client: the silence itself."""


class _Job:
    __slots__ = ("is_lost", "seconds")

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds  # of work that are left
        self.is_lost = False


class Service:
    """seconds, bar_seconds: work in a request, and in each of its bars, in the clock's seconds."""

    def __init__(
        self, clock: Clock, seconds: float, bar_seconds: float, collapse_above: int | None, collapse_factor: float
    ) -> None:
        self._clock = clock
        self._seconds = seconds
        self._bar_seconds = bar_seconds
        self._above = collapse_above
        self._factor = collapse_factor
        self._jobs: set[_Job] = set()
        self._advanced_at = clock.now()
        self._changed = asyncio.Event()
        self._slow = 1.0
        self._slow_until: datetime | None = None
        self._stalled_until: datetime | None = None
        self._silent_until: datetime | None = None
        self.most = 0

    @property
    def count(self) -> int:
        """How many are in service now."""
        return len(self._jobs)

    def work(self, bars: int) -> float:
        return self._seconds + self._bar_seconds * bars

    def slow(self, factor: float, seconds: float) -> None:
        """Everything takes `factor` times as long, for so many seconds from now."""
        self._change()
        self._slow, self._slow_until = factor, self._clock.now() + timedelta(seconds=seconds)

    def stall(self, seconds: float) -> None:
        """Nothing advances for so long; then it goes on."""
        self._change()
        self._stalled_until = self._clock.now() + timedelta(seconds=seconds)

    def silence(self, seconds: float) -> None:
        """What is in service, and what comes in the next seconds, is never answered."""
        self._change()
        self._silent_until = self._clock.now() + timedelta(seconds=seconds)
        for job in self._jobs:
            job.is_lost = True

    async def serve(self, seconds: float) -> None:
        """Returns when so many seconds of work are done. LostError when it never will be."""
        if self._is(self._silent_until):
            raise LostError
        if seconds <= 0 and not self._is(self._stalled_until):
            await asyncio.sleep(0)
            return
        job = _Job(seconds)
        self._change()
        self._jobs.add(job)
        self.most = max(self.most, len(self._jobs))
        try:
            while job.seconds > 1e-6 or self._is(self._stalled_until):
                changed = self._changed
                try:
                    async with self._clock.timeout(self._wait(job)):
                        await changed.wait()
                except TimeoutError:
                    pass
                if job.is_lost:
                    raise LostError
                self._advance()
        finally:
            self._change()
            self._jobs.discard(job)

    def _is(self, until: datetime | None, at: datetime | None = None) -> bool:
        return until is not None and (at or self._clock.now()) < until

    def _rate(self, at: datetime) -> float:
        """Seconds of work that each job does in a second."""
        if self._is(self._stalled_until, at):
            return 0.0
        rate = 1.0 / self._slow if self._is(self._slow_until, at) else 1.0
        count = len(self._jobs)
        if self._above is not None and count > self._above:
            rate *= self._above / count / self._factor
        return rate

    def _turns(self, after: datetime) -> list[datetime]:
        """The instants at which the rate changes by itself."""
        return sorted(each for each in (self._slow_until, self._stalled_until) if each is not None and each > after)

    def _wait(self, job: _Job) -> float:
        """Until the job is done at the present rate, or the rate changes by itself."""
        now = self._clock.now()
        rate = self._rate(now)
        waits = [(each - now).total_seconds() for each in self._turns(now)]
        return max(0.0, min([job.seconds / rate if rate else math.inf, *waits]))

    def _advance(self) -> None:
        """Does the work of the time that has passed. Called before anything that changes the rate."""
        now = self._clock.now()
        done, at = 0.0, self._advanced_at
        for turn in (*(each for each in self._turns(at) if each < now), now):
            done += (turn - at).total_seconds() * self._rate(at)
            at = turn
        self._advanced_at = now
        for job in self._jobs:
            job.seconds -= done

    def _change(self) -> None:
        """Before a change: the work up to now is done at the old rate, and everybody looks at the clock again."""
        self._advance()
        self._changed.set()
        self._changed = asyncio.Event()
