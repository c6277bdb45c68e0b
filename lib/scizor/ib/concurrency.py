"""How many requests may be open at once, where nobody says: the soft regime. A pure object fed with events.

IB publishes no number for bars of a minute and more. Its service is fast up to some concurrency, then collapses: slower
by orders of magnitude, silent, or a refusal. A gradient of latency, as TCP Vegas and its descendants use it, sees a queue
that grows; here one request too many may slow down every one. So we never step over an edge with both feet:

- Probe before adopting (as BBR does): extra requests are sent once, not refilled, each released by an answer that came on
  time, and judged by their own latency and age. A wrong guess costs one of them. Steps of a half until one fails, then
  bisection. Starts are spread over one latency: in lock-step all answers, and so all news, would come at once.
- Back off when requests are overdue (by age, so it is seen before their answers): half, then look. Where the latency did
  not improve by it, we were not the cause, and it becomes the new usual.
- Silence (a deadline passed and nothing at all was answered meanwhile) leaves two probes open until somebody answers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from statistics import fmean

PROBES_WHILE_SILENT = 2
LATE = 1.5  # times the usual latency, or LATE_SPREADS mean deviations above it: news of too much
LATE_SPREADS = 6.0
OVERDUE = 2.0  # times what is late: an open request of that age needs no answer to be news
SMOOTHING = 0.1  # of the usual latency and its deviation
GAP = 0.4  # between two starts, in parts of an even spread: denser than that, so that nothing is lost
HOLD = 8.0  # a failed probe is repeated after that many times what it took, then twice as many…
HOLD_MOST = 128.0
REFUSED_HOLD_SECONDS = 60.0
IMPROVED = 0.6  # of the latency before backing off: above that, it was not our doing
GAIN_NEEDED = 0.25  # of what a larger limit promises
NOISE = 0.05


class Failure(StrEnum):
    """How a request failed, as far as concurrency goes."""

    REFUSED = "refused"  # a pacing violation, or too many open
    UNANSWERED = "unanswered"  # its deadline passed
    OTHER = "other"  # an answer that says nothing about load


@dataclass(slots=True)
class _Open:
    at: datetime
    is_full: bool  # the limit was used up: its latency says something about that limit


@dataclass(slots=True)
class _Probe:
    """A rise beyond the limit, by one with each answer on time, up to `size`; then, not refilled, back to the limit.

    released: how many more may be open now. has_peaked: the rise is over. most_open: the highest count, which is what it
    proves or refutes. open: what was started beyond the limit and has not come back.
    """

    size: int
    began_at: datetime
    released: int = 1
    has_peaked: bool = False
    most_open: int = 0
    open: set[object] = field(default_factory=set)


@dataclass(slots=True)
class Concurrency:
    """limit: how many may be open for good; most: IB's 50. Instants are the caller's, seconds his clock's, ids anything
    hashable. Feed it with started, answered and failed; ask may_start before each start."""

    limit: int
    most: int
    is_silent: bool = False
    usual: float | None = None  # seconds that an answer takes while all is well
    spread: float = 0.0  # its mean deviation
    open: dict[object, _Open] = field(default_factory=dict)
    answered_at: datetime | None = None
    _started_at: datetime | None = None
    _changed_at: datetime | None = None
    _probe: _Probe | None = None
    _ceiling: int | None = None  # the lowest count that was found too high
    _proven: int | None = None  # the limit to return to while the present one has not stood for a round
    _hold: float = HOLD
    _hold_until: datetime | None = None
    _round: list[float] = field(default_factory=list)
    _best: tuple[float, int] | None = None  # answers a second, at which limit
    _backing: tuple[list[float], int] | None = None  # latencies from before we backed off, and that limit
    _unanswered: int = 0

    @classmethod
    def fixed(cls, limit: int) -> Concurrency:
        """One that never changes: for the hard regime's benches, and to compare with."""
        return cls(limit=limit, most=limit)

    def may_start(self, now: datetime) -> datetime | None:
        """The instant at which one more may start, or None: not before something happens."""
        if self.is_silent:
            return now if len(self.open) < PROBES_WHILE_SILENT else None
        self._look_at_ages(now)
        extras = self._probe.released if self._probe and not self._probe.has_peaked else 0
        if len(self.open) >= min(self.limit + extras, self.most):
            return None
        if self.usual is None or self._started_at is None or self.most == self.limit:
            return now
        return max(now, self._started_at + timedelta(seconds=GAP * self.usual / (self.limit + extras)))

    def started(self, request: object, now: datetime) -> None:
        if self._probe and len(self.open) >= self.limit:
            self._probe.open.add(request)
            self._probe.most_open = max(self._probe.most_open, len(self.open) + 1)
            self._probe.has_peaked = self._probe.most_open >= self.limit + self._probe.size
        self.open[request] = _Open(now, is_full=len(self.open) + 1 >= self.limit)
        self._started_at = now

    def answered(self, request: object, now: datetime) -> None:
        """A representative answer: data, or the news that there is none."""
        one = self.open.pop(request, None)
        if one is None:
            return
        if self.is_silent:
            self._wake(now)
        self.answered_at = now
        self._unanswered = 0
        latency = (now - one.at).total_seconds()
        is_late = self.usual is not None and latency > self._late()
        if self._backing:
            self._judge_backing(one, latency, now)
        elif self._probe:
            self._judge_probe(request, is_late, now)
        elif self._changed_at is None or one.at >= self._changed_at:
            if one.is_full:
                self._round.append(latency)
            if len(self._round) >= max(self.limit, 8):
                self._judge_round(now)
            if not is_late and one.is_full and not self._probe:
                self._begin_probe(now)
        if not is_late:
            self._learn(latency)

    def failed(self, request: object, now: datetime, failure: Failure) -> None:
        one = self.open.pop(request, None)
        if one is None:
            return
        if self._probe and request in self._probe.open:
            self._probe.open.discard(request)
            if failure is not Failure.OTHER:
                self._fail_probe(now)
        if failure is Failure.UNANSWERED:
            if self.answered_at is None or self.answered_at < one.at:
                self.is_silent = True
                self._probe = self._backing = None
                return
            self._unanswered += 1
        else:
            self.answered_at = now
            if self.is_silent:
                self._wake(now)
        is_current = self._changed_at is None or one.at >= self._changed_at
        if is_current and (failure is Failure.REFUSED or self._unanswered >= 2):
            self._reduce(now)
            self._backing = None
            self._hold_until = now + timedelta(seconds=REFUSED_HOLD_SECONDS)

    def withdrawn(self, request: object) -> None:
        """It was never sent, or our side gave it up: no news."""
        self.open.pop(request, None)
        if self._probe:
            self._probe.open.discard(request)

    def _late(self) -> float:
        assert self.usual is not None
        return max(LATE * self.usual, self.usual + LATE_SPREADS * self.spread)

    def _learn(self, latency: float) -> None:
        if self.usual is None:
            self.usual, self.spread = latency, latency / 8
        else:
            self.spread += SMOOTHING * (abs(latency - self.usual) - self.spread)
            self.usual += SMOOTHING * (latency - self.usual)

    def _begin_probe(self, now: datetime) -> None:
        """A half more; halfway to a known ceiling; or that ceiling itself, once in a while."""
        if self._hold_until and now < self._hold_until:
            return
        size = self.limit // 2 if self._ceiling is None else (self._ceiling - self.limit) // 2
        size = min(max(1, size), self.most - self.limit)
        if size > 0:
            self._probe = _Probe(size, now)

    def _judge_probe(self, request: object, is_late: bool, now: datetime) -> None:
        """An answer while a probe is out: late ones end it, on-time ones release the next extra or prove one."""
        probe = self._probe
        assert probe is not None
        if is_late:
            self._fail_probe(now)
            return
        probe.open.discard(request)
        probe.released = min(probe.size, probe.released + 1)
        if probe.has_peaked and not probe.open:
            proven = self.limit
            if self._ceiling is not None and probe.most_open >= self._ceiling:
                self._ceiling = None
            self._change(now, max(self.limit, probe.most_open))
            self._proven, self._hold = proven, HOLD

    def _fail_probe(self, now: datetime) -> None:
        probe = self._probe
        assert probe is not None
        took = (now - probe.began_at).total_seconds()
        self._change(now, self.limit)
        self._ceiling = max(self.limit + 1, probe.most_open)
        if self._ceiling > self.limit + 1:
            self._hold_until = now + timedelta(seconds=took)
        else:
            self._hold_until = now + timedelta(seconds=took * self._hold)
            self._hold = min(2 * self._hold, HOLD_MOST)

    def _judge_round(self, now: datetime) -> None:
        """As many answers as the limit, at that limit: did the last step bring what it promised?"""
        rate = self.limit / fmean(self._round)
        self._round.clear()
        if self._best and self.limit > self._best[1]:
            promised = self.limit / self._best[1] - 1
            if rate < self._best[0] * (1 + GAIN_NEEDED * promised - NOISE):
                self._ceiling = self.limit
                self._change(now, self._best[1])
                self._hold_until = now + timedelta(seconds=self._hold * (self.usual or 0.0))
                return
        self._best = (rate, self.limit)
        self._proven = None

    def _look_at_ages(self, now: datetime) -> None:
        if self.usual is None:
            return
        oldest = now - timedelta(seconds=OVERDUE * self._late())
        if self._probe and any(self.open[each].at < oldest for each in self._probe.open):
            self._fail_probe(now)
        since = self._changed_at
        overdue = sum(each.at < oldest and (since is None or each.at >= since) for each in self.open.values())
        if not self._backing and overdue >= max(min(2, self.limit), self.limit // 4):
            before = self.limit
            self._reduce(now)
            self._backing = ([], before)

    def _judge_backing(self, one: _Open, latency: float, now: datetime) -> None:
        """Was it we? Compares answers to what was asked before we backed off with those after."""
        assert self._backing is not None and self._changed_at is not None
        before, limit = self._backing
        if one.at < self._changed_at:
            before.append(latency)
            return
        self._round.append(latency)
        if len(self._round) < max(2, self.limit // 2) and len(self._round) < self.limit:
            return
        after = fmean(self._round)
        self._round.clear()
        if after <= self._late():
            self._backing = None
            self._ceiling = limit
            self._hold_until = now + timedelta(seconds=after)
        elif not before or after >= IMPROVED * fmean(before):
            self._backing = None
            self.usual, self.spread = after, after / 8
            self._ceiling, self._hold_until = None, None
        else:
            self._reduce(now)
            self._backing = ([after], limit)

    def _reduce(self, now: datetime) -> None:
        self._ceiling = self.limit
        self._change(now, self._proven or max(1, self.limit // 2))
        self._best = None

    def _wake(self, now: datetime) -> None:
        """Somebody answers again: half of what was good before, and quickly up from there."""
        self.is_silent = False
        self._change(now, max(1, self.limit // 2))
        self._best, self._ceiling, self._hold_until = None, None, None

    def _change(self, now: datetime, limit: int) -> None:
        self.limit = limit
        self._changed_at = now
        self._probe = self._proven = None
        self._round.clear()
