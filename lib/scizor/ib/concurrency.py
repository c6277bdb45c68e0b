"""How many requests may be open at once, where nobody says: the soft regime. A pure object fed with events.

IB publishes no number for bars of a minute and more. Its service is fast up to some concurrency, then collapses: slower
by orders of magnitude, silent, or a refusal. A gradient of latency, as TCP Vegas and its descendants use it, sees a queue
that grows; here one request too many may slow down every one. So we never step over an edge with both feet:

- Probe before adopting (as BBR does): rise beyond the limit by one with each answer that is on time, stay for a part of a
  latency, fall back, and adopt only when everything came back on time and as many a second as before. A wrong guess costs
  one latency. Steps of a half until one fails, then bisection; a known ceiling again after ever longer pauses. Starts
  are spread over one latency: in lock-step all answers, and so all news, would come at once.
- A larger limit must serve more a second, or it is given up; the latency may grow by GROWN of the lowest seen.
- Back off when requests are overdue (by age, so it is seen before their answers): half, then look. Where the latency did
  not improve by it, we were not the cause, and it becomes the new usual.
- It begins with half of the configured first limit for one round, so that it would see if less were more.
- Silence (a deadline passed, and nothing at all was answered in its second half) leaves two probes open until somebody answers.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import fmean

from scizor.ib.probing import (
    DIP_NEEDED,
    EXPOSURE,
    EXPOSURE_ANSWERS,
    FLOOR_DRIFT,
    GAIN_NEEDED,
    GAP,
    GROWN,
    HOLD,
    HOLD_MOST,
    IMPROVED,
    LATE,
    LATE_MOST,
    LATE_SPREADS,
    LOSS,
    OVERDUE,
    PACE,
    PACE_NEEDED,
    PROBES_WHILE_SILENT,
    REFUSED_HOLD_SECONDS,
    RELEASE,
    RIPE,
    RISE_MOST,
    ROUND_LEAST,
    SMOOTHING,
    Failure,
    Open,
    Probe,
)


@dataclass(slots=True)
class Concurrency:
    """limit: how many may be open for good; most: IB's 50. Instants are the caller's, seconds his clock's, ids anything
    hashable. Feed it with started, answered and failed; ask may_start before each start."""

    limit: int
    most: int
    first: int = 1
    is_fixed: bool = False
    is_silent: bool = False
    usual: float | None = None  # seconds that an answer takes while all is well
    spread: float = 0.0  # its mean deviation
    floor: float = 1e9  # seconds: the lowest mean of a round since the service last changed
    open: dict[object, Open] = field(default_factory=dict)
    answered_at: datetime | None = None
    _started_at: datetime | None = None
    _changed_at: datetime | None = None
    _probe: Probe | None = None
    _ceiling: int | None = None  # the lowest count that was found too high
    _stride: int | None = (
        None  # the size of a probe where no ceiling is known; None while none ever was: half the limit
    )
    _proven: int | None = None  # the limit to return to while the present one has not stood for a round
    _hold: float = HOLD
    _hold_until: datetime | None = None
    _round: list[float] = field(default_factory=list)
    _best: tuple[float, int] | None = None  # answers a second, at which limit
    _backing: tuple[list[float], int] | None = None  # latencies from before we backed off, and that limit
    _dip: tuple[float, int] | None = None  # what was best before the limit was halved to see whether less is more
    _is_sure: bool = False  # a smaller limit is known to be worse
    _unanswered: int = 0
    _instants: deque[datetime] = field(default_factory=lambda: deque(maxlen=64))  # of answers while the limit was full

    @classmethod
    def adaptive(cls, first: int, most: int) -> Concurrency:
        """One that looks for the best limit. It begins with half of `first`, so that it knows whether `first` is better."""
        return cls(limit=max(1, min(first, most) // 2), most=most, first=min(first, most))

    @classmethod
    def fixed(cls, limit: int) -> Concurrency:
        """One that never changes, to compare with."""
        return cls(limit=limit, most=limit, is_fixed=True)

    def may_start(self, now: datetime) -> datetime | None:
        """The instant at which one more may start, or None: not before something happens."""
        if self.is_fixed:
            return now if len(self.open) < self.limit else None
        if self.is_silent:
            return now if len(self.open) < PROBES_WHILE_SILENT else None
        self._look_at_ages(now)
        extras = self._probe.released if self._probe and not self._probe.has_peaked else 0
        if len(self.open) >= min(self.limit + extras, self.most):
            return None
        if self.usual is None or self._started_at is None:
            return now
        at = max(now, self._started_at + self._gap())
        if len(self.open) < self.limit:
            return at
        return max(at, min(each.at for each in self.open.values()) + timedelta(seconds=RIPE * self.usual))

    def started(self, request: object, now: datetime) -> None:
        if self._probe and len(self.open) >= self.limit:
            self._probe.open.add(request)
            self._probe.most_open = max(self._probe.most_open, len(self.open) + 1)
            if len(self.open) + 1 >= self.limit + self._probe.size:
                self._probe.top_at = self._probe.top_at or now
        if len(self.open) + 1 < 0.75 * self.limit:
            self._instants.clear()
        self.open[request] = Open(now, is_full=len(self.open) + 1 >= self.limit)
        # as if on time when only a little late: a coarse timer must not thin out the flow
        nominal = self._started_at + self._gap() if self._started_at else now
        self._started_at = min(now, max(nominal, now - 2 * self._gap()))

    def answered(self, request: object, now: datetime) -> None:
        """A representative answer: data, or the news that there is none."""
        one = self.open.pop(request, None)
        if one is None or self.is_fixed:
            return
        if self.is_silent:
            self._wake(now)
        self.answered_at = now
        self._unanswered = 0
        self._instants.append(now)
        latency = (now - one.at).total_seconds()
        is_late = self.usual is not None and latency > self._late()
        if self._backing:
            self._judge_backing(one, latency, now)
        elif self._probe:
            self._judge_probe(request, latency, is_late, now)
        elif self._changed_at is None or one.at >= self._changed_at:
            if one.is_full:
                self._round.append(latency)
            if len(self._round) >= (max(self.limit, ROUND_LEAST) if self._best else self.limit):
                self._judge_round(now)
            if not is_late and one.is_full and self._best and not self._probe:
                self._begin_probe(now)
        else:
            is_late = True  # it began under another limit, and says nothing about this one
        if self.usual is None or not (is_late or self._probe or self._proven):
            self._learn(latency)

    def failed(self, request: object, now: datetime, failure: Failure) -> None:
        one = self.open.pop(request, None)
        if one is None or self.is_fixed:
            return
        is_current = self._changed_at is None or one.at >= self._changed_at
        is_extra = self._probe is not None and request in self._probe.open
        if self._probe and is_extra:
            self._probe.open.discard(request)
        if failure is Failure.UNANSWERED:
            if self.answered_at is None or self.answered_at < one.at + (now - one.at) / 2:
                self.is_silent = True
                self._probe = self._backing = None
                return
            self._unanswered += 1
        else:
            self.answered_at = now
            if self.is_silent:
                self._wake(now)
        if is_extra and failure is not Failure.OTHER:
            self._fail_probe(now)
        elif is_current and (failure is Failure.REFUSED or self._unanswered >= 2):
            self._reduce(now)
            self._backing = None
        else:
            return
        if failure is Failure.REFUSED:
            self._hold_until = now + timedelta(seconds=REFUSED_HOLD_SECONDS)

    def withdrawn(self, request: object) -> None:
        """It was never sent, or our side gave it up: no news."""
        self.open.pop(request, None)
        if self._probe:
            self._probe.open.discard(request)

    def _gap(self) -> timedelta:
        """Between two starts."""
        extras = self._probe.released if self._probe else 0
        return timedelta(seconds=GAP * (self.usual or 0.0) / (self.limit + extras))

    def _late(self) -> float:
        assert self.usual is not None
        return min(max(LATE * self.usual, self.usual + LATE_SPREADS * self.spread), LATE_MOST * self.usual)

    def _is_behind(self, now: datetime) -> bool:
        """Whether the last answers, as many as the limit, took longer than they should: a sign of too much that is
        seen before any single latency is out of the ordinary. Only while the limit was used up all along."""
        if self.usual is None or len(self._instants) <= self.limit:
            return False
        return (now - self._instants[-1 - self.limit]).total_seconds() > (PACE + self._noise(self.limit)) * self.usual

    def _noise(self, answers: int) -> float:
        """By how much the mean of so many latencies may be off by chance (two deviations), in parts of the usual one."""
        return 2 * self.spread / self.usual / answers**0.5 if self.usual else 0.0

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
        size = self._stride or self.limit // 2
        if self._ceiling is not None:
            size = (self._ceiling - self.limit) // 2
        size = min(max(1, size), max(1, self.limit // 2), self.most - self.limit)
        if size > 0 and (self.usual is None or self.usual <= GROWN * self.floor):
            self._probe = Probe(size, now, now)

    def _judge_probe(self, request: object, latency: float, is_late: bool, now: datetime) -> None:
        """An answer while a probe is out: late ones end it, on-time ones release the next extra or prove one."""
        probe = self._probe
        assert probe is not None
        if is_late or self._is_behind(now):
            self._fail_probe(now)
            return
        probe.open.discard(request)
        assert self.usual is not None
        if now - probe.released_at >= timedelta(seconds=RELEASE * self.usual / self.limit):
            probe.released, probe.released_at = min(probe.size, probe.released + 1), now
        if probe.top_at is None:
            if now - probe.began_at > timedelta(seconds=RISE_MOST * self.usual):
                if probe.most_open <= self.limit:
                    self._probe = None  # there was not enough to ask for
                else:
                    probe.size, probe.top_at = probe.most_open - self.limit, now  # this is as far as we get
            return
        probe.latencies.append(latency)
        if not probe.has_peaked:
            exposed = (now - probe.top_at).total_seconds()
            if exposed < max(EXPOSURE, EXPOSURE_ANSWERS / self.limit) * self.usual:
                return
            if len(probe.latencies) * self.usual < PACE_NEEDED * self.limit * exposed:
                self._fail_probe(now)
                return
            probe.has_peaked = True
        due = now - timedelta(seconds=self.usual)
        if probe.top_at > due or any(self.open[each].at < due for each in probe.open):
            return
        proven, rate = self.limit, self.limit / self.usual
        if not self._is_worth(proven, rate, probe.most_open, probe.latencies):
            self._fail_probe(now)
            return
        if self._best is None or self._best[1] != proven:
            self._best = (rate, proven)
        if self._ceiling is not None and probe.most_open >= self._ceiling:
            self._ceiling, self._stride = None, 1
        elif self._stride:
            self._stride *= 2
        self._change(now, max(self.limit, probe.most_open))
        self._proven = proven
        if self._ceiling is None and self._stride is None:
            self._begin_probe(now)

    def _is_worth(self, limit: int, rate: float, larger: int, latencies: list[float]) -> bool:
        """Whether a larger limit with these latencies serves enough more than `rate` at `limit` (answers a second)."""
        needed = 1 + GAIN_NEEDED * (larger / limit - 1) - LOSS - self._noise(len(latencies))
        return larger / fmean(latencies) >= rate * needed

    def _fail_probe(self, now: datetime) -> None:
        probe = self._probe
        if probe is None:
            return
        took, proven = (now - probe.began_at).total_seconds(), self._proven
        self._change(now, self.limit)
        self._proven = proven
        self._found_too_high(max(self.limit + 1, probe.most_open), now, took)

    def _found_too_high(self, count: int, now: datetime, cost: float) -> None:
        """Below it one may go on looking; at it not for a while, and each time longer."""
        self._ceiling, self._stride = count, self._stride or 1
        if count > self.limit + 1:
            self._hold_until = now + timedelta(seconds=cost)
        else:
            self._hold_until = now + timedelta(seconds=cost * self._hold)
            self._hold = min(2 * self._hold, HOLD_MOST)
            self._dip_unless_sure(now)

    def _dip_unless_sure(self, now: datetime) -> None:
        """Where nothing larger was ever better, less may be more."""
        if self._best and self._best[1] == self.limit > 1 and not self._is_sure and not self._dip:
            self._dip = self._best
            self._change(now, self.limit // 2)

    def _judge_round(self, now: datetime) -> None:
        """As many answers as the limit, at that limit: did the last step bring what it promised?"""
        latencies = self._round.copy()
        usual = fmean(latencies)
        rate = self.limit / usual
        self.floor = min(self.floor + FLOOR_DRIFT * max(0.0, usual - self.floor), usual)
        self._round.clear()
        if self._dip:
            self._judge_dip(rate, usual, now)
            return
        if self._best and self.limit > self._best[1]:
            if not self._is_worth(self._best[1], self._best[0], self.limit, latencies):
                too_high = self.limit
                self._change(now, self._best[1])
                self._found_too_high(too_high, now, usual)
                self._dip_unless_sure(now)
                return
            self._hold = HOLD
            self._is_sure = True
        self._best = (rate, self.limit)
        self._proven = None
        if self.limit < self.first and self._ceiling is None:
            begun = self.limit
            self._change(now, self.first)
            self._proven = begun

    def _judge_dip(self, rate: float, usual: float, now: datetime) -> None:
        """Half the limit, for a round: where that serves as many, what seemed usual was already too much."""
        assert self._dip is not None
        before, limit = self._dip
        self._dip = None
        if rate < DIP_NEEDED * before:
            self._is_sure = True
            self._change(now, limit)
            return
        self._best, self._ceiling, self._hold, self._hold_until = (rate, self.limit), limit, HOLD, None
        self.usual, self.spread, self.floor = usual, usual / 4, usual

    def _look_at_ages(self, now: datetime) -> None:
        if self.usual is None:
            return
        oldest = now - timedelta(seconds=OVERDUE * self._late())
        since = self._changed_at
        overdue = sum(each.at < oldest and (since is None or each.at >= since) for each in self.open.values())
        if self._probe:
            if overdue:
                self._fail_probe(now)
            return
        if not self._backing and overdue >= max(min(2, self.limit), self.limit // 4):
            before = self.limit
            self._reduce(now)
            self._backing = ([], before)

    def _judge_backing(self, one: Open, latency: float, now: datetime) -> None:
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
            self._found_too_high(limit, now, after)
        elif not before or after >= IMPROVED * fmean(before):
            self._backing = None
            self.usual, self.spread, self.floor = after, after / 4, after
            self._ceiling, self._stride, self._hold_until = None, None, None
        else:
            self._reduce(now)
            self._backing = ([after], limit)

    def _reduce(self, now: datetime) -> None:
        self._ceiling, self._stride = self.limit, self._stride or 1
        self._change(now, self._proven or max(1, self.limit // 2))
        self._best = self._dip = None

    def _wake(self, now: datetime) -> None:
        """Somebody answers again: half of what was good before, and quickly up from there."""
        self.is_silent = False
        self._change(now, max(1, self.limit // 2))
        self._best, self._ceiling, self._stride, self._hold_until, self._dip = None, None, None, None, None

    def _change(self, now: datetime, limit: int) -> None:
        self.limit = limit
        self._changed_at = now
        self._probe = self._proven = None
        self._round.clear()
        self._instants.clear()
