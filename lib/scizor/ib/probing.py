"""The terms of concurrency.py: how patient, how bold and how doubtful it is, each with its unit; and what it remembers of
an open request and of a probe. Chosen with the bench of a service that collapses above 4, 8, 16 or 32 (D4).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

PROBES_WHILE_SILENT = 2
LATE = 1.5  # times the usual latency, or LATE_SPREADS mean deviations above it: news of too much
LATE_SPREADS = 6.0
LATE_MOST = 4.0  # times the usual latency, however noisy
OVERDUE = 2.0  # times what is late: an open request of that age needs no answer to be news
SMOOTHING = 0.1  # of the usual latency and its deviation
GAP = 0.5  # between two starts, in parts of an even spread: denser than that, so that nothing is lost
GROWN = 1.4  # times the floor: beyond that, more would only wait
FLOOR_DRIFT = 0.05  # a round, towards what is usual now: a lucky round must not stop growth for good
HOLD = 4.0  # a failed probe is repeated after that many times what it took, then twice as many…
HOLD_MOST = 128.0
REFUSED_HOLD_SECONDS = 60.0
DIP_NEEDED = 0.85  # of the answers a second, at half the limit: then the half is better
ROUND_LEAST = 4  # answers that say something about a limit
IMPROVED = 0.6  # of the latency before backing off: above that, it was not our doing
GAIN_NEEDED = 0.25  # of what a larger limit promises
LOSS = 0.05  # of the answers a second that a step may seem to cost
PACE = 1.25  # times the usual latency may pass until as many answers as the limit have come
PACE_NEEDED = 0.5  # of the usual answers a second, while a probe is at its top
EXPOSURE = 0.4  # of the usual latency that a probe stays at its top: in a flow of bursts a touch would prove nothing
EXPOSURE_ANSWERS = 3  # and as long as it usually takes for so many
RELEASE = 0.8  # of an even spread lie between two extras that answers release: a burst of answers is one piece of news
RISE_MOST = 3.0  # usual latencies that a probe takes to reach its top; then what it reached is its top
RIPE = 0.75  # of the usual latency is the age of the oldest when an extra joins: a step too far is then short


class Failure(StrEnum):
    """How a request failed, as far as concurrency goes."""

    REFUSED = "refused"  # a pacing violation, or too many open
    UNANSWERED = "unanswered"  # its deadline passed
    OTHER = "other"  # an answer that says nothing about load


@dataclass(slots=True)
class Open:
    at: datetime
    is_full: bool  # the limit was used up: its latency says something about that limit


@dataclass(slots=True)
class Probe:
    """A rise beyond the limit, by one with each answer on time, up to `size`; there for EXPOSURE; then back to the limit.

    released: how many more may be open now. top_at: when it first reached its top; latencies: of answers since. has_peaked: it has
    been there long enough. most_open: the highest count, which is what it proves or refutes. open: what was started beyond
    the limit and has not come back.
    """

    size: int
    began_at: datetime
    released_at: datetime
    released: int = 1
    top_at: datetime | None = None
    has_peaked: bool = False
    most_open: int = 0
    latencies: list[float] = field(default_factory=list)
    open: set[object] = field(default_factory=set)
