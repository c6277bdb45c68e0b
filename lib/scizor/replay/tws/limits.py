"""IB's limits, counted where IB counts them: at the socket, on the gateway's clock, refused requests included.

The sources of the numbers stand beside them; IB's pages speak of "any ten minute period", read here as a sliding window,
over the whole login. Where IB's words leave a doubt the strictest reading is taken. This file is written from IB's words
alone: a client's scheduler must not be able to share a mistake with it.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from datetime import datetime

WINDOW_SECONDS = 600.0
WINDOW_MOST = 60  # more than 60 in any ten minutes
BURST_SECONDS = 2.0
BURST_COUNT = 6  # six or more for the same contract, exchange and tick type within two seconds
IDENTICAL_SECONDS = 15.0
SMALL_BAR_SECONDS = 30  # the title of IB's page limits the rule to bars of 30 seconds and less
STRIKES = 3  # the third breach of the message rate ends the session


@dataclass(frozen=True, slots=True)
class Ask:
    """A historical request, as limits see it. key: what makes two identical. bar_seconds: None for a head timestamp, which
    IB counts like a small bar whatever its size."""

    at: datetime
    key: str
    contract_key: str
    weight: int
    bar_seconds: int | None


class _Counted:
    """One set of counters: what came in, and which rules the newest breaks."""

    def __init__(self) -> None:
        self._window: deque[tuple[datetime, int]] = deque()
        self._in_window = 0
        self._bursts: dict[str, deque[datetime]] = {}
        self._last: dict[str, datetime] = {}

    def count(self, ask: Ask) -> tuple[str, ...]:
        broken = []
        self._window.append((ask.at, ask.weight))
        self._in_window += ask.weight
        while (ask.at - self._window[0][0]).total_seconds() >= WINDOW_SECONDS:
            self._in_window -= self._window.popleft()[1]
        if self._in_window > WINDOW_MOST:
            broken.append("window")
        burst = self._bursts.setdefault(ask.contract_key, deque(maxlen=BURST_COUNT))
        burst.append(ask.at)
        if len(burst) == BURST_COUNT and (ask.at - burst[0]).total_seconds() < BURST_SECONDS:
            broken.append("burst")
        before = self._last.get(ask.key)
        if before is not None and (ask.at - before).total_seconds() < IDENTICAL_SECONDS:
            broken.append("identical")
        self._last[ask.key] = ask.at
        if len(self._last) > 4096:
            self._forget(ask.at)
        return tuple(broken)

    def _forget(self, now: datetime) -> None:
        """Keeps only what can still matter."""
        recent = {key: at for key, at in self._last.items() if (now - at).total_seconds() < IDENTICAL_SECONDS}
        self._last = recent
        self._bursts = {
            key: burst for key, burst in self._bursts.items() if (now - burst[-1]).total_seconds() < BURST_SECONDS
        }


class Limits:
    """The login's counters. `violations`: rules that were broken where they hold. `observed`: rules that would be broken
    if they held for every historical request, the hard ones included; information, nothing is refused for them."""

    def __init__(self, regime: str) -> None:
        self._is_strict = regime == "strict"
        self._governed = _Counted()
        self._all = _Counted()
        self.violations: Counter[str] = Counter()
        self.observed: Counter[str] = Counter()

    def governs(self, ask: Ask) -> bool:
        """Whether IB's published rule holds for it."""
        return self._is_strict or ask.bar_seconds is None or ask.bar_seconds <= SMALL_BAR_SECONDS

    def count(self, ask: Ask) -> tuple[str, ...]:
        """The rules that it breaks; it counts in any case."""
        self.observed.update(self._all.count(ask))
        if not self.governs(ask):
            return ()
        broken = self._governed.count(ask)
        self.violations.update(broken)
        return broken


class MessageRate:
    """One connection's messages, in buckets of a second of the gateway's clock (a sliding window would accuse a client
    that sends 45 and waits a second)."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._second: datetime | None = None
        self._count = 0
        self.strikes = 0

    def count(self, at: datetime) -> int:
        """0, or how many this second has seen: beyond the limit. A breach empties the bucket and is a strike."""
        second = at.replace(microsecond=0)
        if second != self._second:
            self._second, self._count = second, 0
        self._count += 1
        if self._count <= self._most:
            return 0
        exceeded, self._count = self._count, 0
        self.strikes += 1
        return exceeded
