"""When may this request be sent? A pure answer from the history of the login, the request and now.

Why it is shaped like this:
- IB publishes a rule only for bars of 30 s and less, head timestamps and real-time bars; for longer bars it slows down
  or goes silent. So there are two rules, hard and soft, and `strict` puts everything under the hard one.
- It is not established whether IB's ten minutes slide, whether refused requests count, or whether the scope is the
  session or the user. This is the strictest reading: sliding, everything counts, one budget for the login.
- What counts is the instant at which the Gateway reads a request. Nobody sees it; it lies between our sending and the
  first frame that answers. The latter is therefore the instant that counts, and until it is known, now.
- No clock, no storage, no vendor's library: db.ledger hands in the history under its lock, run.paced the rest.

Source of each number: IBKR campus, "Historical Market Data" (small bars); the legacy "Historical Data Limitations".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from operator import itemgetter
from typing import NamedTuple

from scizor.base.config import PacingConfig
from scizor.base.errors import ConfigurationError
from scizor.base.protocols import PacingClass, PacingRequest, PacingRule
from scizor.market.types import Timeframe, Window

#: The key of the row that says "IB has just refused us": every process sees it in the shared history and keeps still.
COOL_DOWN = "cool-down"
SHARE_KEPT = 0.8  # of the budget at most, for classes that go first
YIELDING_OPEN = 2  # open requests that a class keeps while one that goes first has any
OPEN_RECHECK_SECONDS = 1.0  # nobody can know when an open request will end
INCIDENT_SECONDS = 15.0  # refusals closer than this are one incident
_RANK = {each: rank for rank, each in enumerate(PacingClass)}


class Asked(StrEnum):
    """Requests that are not for historical bars and yet stand under the hard rule."""

    HEAD_TIMESTAMP = "head-timestamp"
    REALTIME_BARS = "real-time-bars"


class Cause(StrEnum):
    """What a request waits for. The first two concern it alone: another one may go meanwhile."""

    IDENTICAL = "identical"
    CONTRACT = "contract"
    WINDOW = "window"
    MESSAGES = "messages"
    OPEN = "open"
    COOL_DOWN = "cool-down"
    NONE = "none"

    @property
    def is_own(self) -> bool:
        return self in (Cause.IDENTICAL, Cause.CONTRACT)


@dataclass(frozen=True, slots=True)
class Limits:
    """IB's numbers and our share of them. Durations are seconds of the clock that is handed in."""

    regime: str = "published"
    requests_max: int = 60
    window_seconds: float = 600.0
    daemon_share: int = 0
    open_max: int = 50
    soft_open_first: int = 4
    contract_max: int = 5  # "six or more within two seconds" violate
    contract_seconds: float = 2.0
    identical_seconds: float = 15.0
    messages_max: int = 45  # of 50: the Gateway counts cancels and everything else too
    message_seconds: float = 1.0
    soft_cool_down_seconds: float = 15.0  # the first; four times that for each further incident within a window

    def __post_init__(self) -> None:
        if not 0 <= self.daemon_share < self.requests_max:
            raise ConfigurationError(
                f"pacing.daemon_share {self.daemon_share} leaves nothing of pacing.requests_max {self.requests_max}",
                hint="make daemon_share smaller than requests_max",
            )

    @classmethod
    def of(cls, config: PacingConfig) -> Limits:
        return cls(
            regime=config.regime,
            requests_max=config.requests_max,
            window_seconds=config.window_seconds,
            daemon_share=config.daemon_share,
            open_max=config.open_max,
            soft_open_first=config.soft_open_first,
        )

    def share(self, pacing_class: PacingClass) -> int:
        """Requests in one window that this class may draw on: the daemon's share and the jobs' never mix."""
        if self.daemon_share and pacing_class is PacingClass.LIVE:
            return self.daemon_share
        return self.requests_max - self.daemon_share

    @property
    def history_seconds(self) -> float:
        """How far back a history must reach: hard and cool-down rows; soft ones count for identical_seconds only."""
        return max(self.window_seconds, self.identical_seconds)


class Decision(NamedTuple):
    """at: the earliest instant. cause: what forbids an earlier one."""

    at: datetime
    cause: Cause


class Utilisation(NamedTuple):
    """Parts of each limit in use, 0 to 1. Aim below 0.8; above 0.9 somebody should hear of it."""

    window: float
    open: float
    messages: float


def rule_for(what: Timeframe | Asked, regime: str) -> PacingRule:
    """hard for bars of 30 s and less, every head timestamp, new real-time bars, and everything when `strict`."""
    if regime == "strict" or isinstance(what, Asked) or what.seconds <= 30:
        return PacingRule.HARD
    return PacingRule.SOFT


def weight_of(what_to_show: str) -> int:
    """IB counts a BID_ASK request twice."""
    return 2 if what_to_show == "BID_ASK" else 1


def request_for(window: Window, limits: Limits, pacing_class: PacingClass = PacingClass.DAILY) -> PacingRequest:
    """A window as pacing sees it. Identical means the same range as well: a contract alone would wait for nothing."""
    instrument, origin = window.instrument, window.origin
    contract = f"{instrument.con_id or instrument.symbol}@{instrument.exchange}/{origin.kind}"
    first, last = (window.start or window.first).isoformat(), (window.end or window.last).isoformat()
    return PacingRequest(
        key=f"{contract}/{window.timeframe}/{'rth' if origin.regular_hours else 'all'}/{first}..{last}",
        contract_key=contract,
        rule=rule_for(window.timeframe, limits.regime),
        weight=weight_of(origin.kind),
        pacing_class=pacing_class,
    )


def cool_down(rule: PacingRule) -> PacingRequest:
    """The row to reserve (unconditionally) when IB has refused for pacing: it stops this rule in every process."""
    return PacingRequest(key=COOL_DOWN, contract_key=f"{COOL_DOWN}/{rule}", rule=rule)


def next_allowed(history: Sequence[PacingRequest], request: PacingRequest, now: datetime, limits: Limits) -> datetime:
    """The earliest instant at which the request may be sent; `now` when that is at once."""
    return decide(history, request, now, limits).at


def decide(history: Sequence[PacingRequest], request: PacingRequest, now: datetime, limits: Limits) -> Decision:
    """next_allowed with its cause. Each rule by itself only relaxes as time passes, so the latest of them is exact.

    Raises ConfigurationError for a request that is heavier than the whole share of its class.
    """
    share = limits.share(request.pacing_class)
    hard = request.rule is PacingRule.HARD
    if hard and request.weight > share:
        raise ConfigurationError(
            f"a request of weight {request.weight} never fits a share of {share} requests",
            hint="lower pacing.daemon_share or raise pacing.requests_max",
        )
    sent = [each for each in history if each.key != COOL_DOWN]
    found = [
        Decision(_cooled(history, request.rule, now, limits), Cause.COOL_DOWN),
        Decision(_identical(sent, request, now, limits), Cause.IDENTICAL),
        Decision(_messages(sent, now, limits), Cause.MESSAGES),
        Decision(_open(sent, request, now, limits), Cause.OPEN),
    ]
    if hard:
        found.append(Decision(_window(sent, request, now, limits), Cause.WINDOW))
        found.append(Decision(_contract(sent, request, now, limits), Cause.CONTRACT))
    last = max(found, key=itemgetter(0))
    return last if last.at > now else Decision(now, Cause.NONE)


def utilisation(history: Sequence[PacingRequest], now: datetime, limits: Limits) -> Utilisation:
    """How full each limit is at this instant (the hard window without the daemon's share)."""
    sent = [each for each in history if each.key != COOL_DOWN]
    jobs = PacingClass.DAILY
    used = sum(weight for _, _, weight in counted(sent, jobs, now, limits))
    since = now - timedelta(seconds=limits.message_seconds)
    recent = sum(each.reserved_at is not None and each.reserved_at > since for each in sent)
    return Utilisation(
        used / limits.share(jobs), sum(each.is_open for each in sent) / limits.open_max, recent / limits.messages_max
    )


def counted(
    sent: Iterable[PacingRequest], pacing_class: PacingClass, now: datetime, limits: Limits
) -> list[tuple[datetime, int, int]]:
    """(instant, rank of its class, weight) of what the share of this class has used in the window, oldest first."""
    since = now - timedelta(seconds=limits.window_seconds)
    apart = bool(limits.daemon_share)
    is_live = pacing_class is PacingClass.LIVE
    return sorted(
        (each.counted_at or now, _RANK[each.pacing_class], each.weight)
        for each in sent
        if each.rule is PacingRule.HARD
        and (each.counted_at is None or each.counted_at > since)
        and not (apart and (each.pacing_class is PacingClass.LIVE) != is_live)
    )


def _window(sent: Sequence[PacingRequest], request: PacingRequest, now: datetime, limits: Limits) -> datetime:
    """60 (weighted) in any ten minutes, less what classes that go first are about to need.

    A lower class may use the whole budget while nobody above it works: an unused slot helps no one. As soon as one does,
    room is left for it to double what it used in the last window, up to SHARE_KEPT of the budget: it is at full speed
    after one window, whatever it finds. It never owns the rest, so the lower class goes on, slowly.
    """
    share = limits.share(request.pacing_class)
    entries = counted(sent, request.pacing_class, now, limits)
    rank = _RANK[request.pacing_class]
    kept = int(share * SHARE_KEPT)
    above = sum(weight for _, other, weight in entries if other < rank)
    below = sum(weight for _, other, weight in entries if other >= rank)

    def is_free() -> bool:
        return below + max(above, min(kept, 2 * above, share - request.weight)) + request.weight <= share

    at = now
    for instant, other, weight in entries:
        if is_free():
            break
        at = instant + timedelta(seconds=limits.window_seconds)
        if other < rank:
            above -= weight
        else:
            below -= weight
    return at


def _sliding(entries: list[tuple[datetime, int]], weight: int, most: int, seconds: float, now: datetime) -> datetime:
    """The earliest instant at which `weight` fits beside the entries under `most` in any `seconds`."""
    used = sum(each for _, each in entries)
    at = now
    for instant, each in sorted(entries):
        if used + weight <= most:
            break
        at = instant + timedelta(seconds=seconds)
        used -= each
    return at


def _contract(sent: Sequence[PacingRequest], request: PacingRequest, now: datetime, limits: Limits) -> datetime:
    """At most five within two seconds for one contract, exchange and tick type."""
    since = now - timedelta(seconds=limits.contract_seconds)
    entries = [
        (each.counted_at or now, each.weight)
        for each in sent
        if each.contract_key == request.contract_key
        and each.rule is PacingRule.HARD
        and (each.counted_at is None or each.counted_at > since)
    ]
    return _sliding(entries, request.weight, limits.contract_max, limits.contract_seconds, now)


def _identical(sent: Sequence[PacingRequest], request: PacingRequest, now: datetime, limits: Limits) -> datetime:
    """Not the same request within 15 s: IB's rule for small bars, ours for every request, since it costs nothing."""
    latest = max((each.counted_at or now for each in sent if each.key == request.key), default=None)
    return now if latest is None else latest + timedelta(seconds=limits.identical_seconds)


def _messages(sent: Sequence[PacingRequest], now: datetime, limits: Limits) -> datetime:
    """Messages a second. These are counted from our sending: a refusal is for the rate, not for the history."""
    since = now - timedelta(seconds=limits.message_seconds)
    entries = [(each.reserved_at, 1) for each in sent if each.reserved_at and each.reserved_at > since]
    return _sliding(entries, 1, limits.messages_max, limits.message_seconds, now)


def _open(sent: Sequence[PacingRequest], request: PacingRequest, now: datetime, limits: Limits) -> datetime:
    """50 open requests of the login; while a class that goes first has any, the others keep two in all."""
    rank = _RANK[request.pacing_class]
    ranks = [_RANK[each.pacing_class] for each in sent if each.is_open]
    above = sum(other < rank for other in ranks)
    if len(ranks) >= limits.open_max or (above and len(ranks) - above >= YIELDING_OPEN):
        return now + timedelta(seconds=OPEN_RECHECK_SECONDS)
    return now


def _cooled(history: Iterable[PacingRequest], rule: PacingRule, now: datetime, limits: Limits) -> datetime:
    """After a refusal: a whole window under the hard rule (whatever was counted there has then left it); under the soft
    one 15 s, and four times as long for each further incident within a window."""
    since = now - timedelta(seconds=limits.window_seconds)
    refused = sorted(
        at for each in history if each.key == COOL_DOWN and each.rule is rule and (at := each.counted_at or now) > since
    )
    if not refused:
        return now
    seconds = limits.window_seconds
    if rule is PacingRule.SOFT:
        further = sum((later - earlier).total_seconds() > INCIDENT_SECONDS for earlier, later in pairwise(refused))
        seconds = min(seconds, limits.soft_cool_down_seconds * 4**further)
    return refused[-1] + timedelta(seconds=seconds)
