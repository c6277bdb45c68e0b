"""How long will it take, at best? The floor under IB's rules, for --dry-run and for the progress bar's ETA.

With N requests of weight w, a budget of C in W seconds, m messages a second, K open and S seconds a request:
hard W x floor((N-1) / floor(C/w)) and the rest of the last round; soft max(N/m, S x N/K). A history makes it exact for a
budget that is already partly used. Pure, as pacing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from scizor.base.protocols import PacingRequest, PacingRule
from scizor.ib.pacing import Limits, counted, request_for
from scizor.market.types import Window


class Plan(NamedTuple):
    """What a run would ask. rule: the stricter of those that occur. eta: when the last request could leave, at best."""

    requests: int
    rule: PacingRule
    eta: datetime
    hard: int = 0
    soft: int = 0


def plan(
    windows: Iterable[Window],
    limits: Limits,
    now: datetime,
    *,
    service_seconds: float = 1.0,
    concurrency: int | None = None,
    history: Sequence[PacingRequest] = (),
    describe: Callable[[Window, Limits], PacingRequest] = request_for,
) -> Plan:
    """The floor under IB's rules: k requests cannot beat the budget, the message rate, or the service itself.

    service_seconds: what one request takes; concurrency: open at once (limits.soft_open_first when unknown).
    """
    requests = [describe(each, limits) for each in windows]
    hard = [each for each in requests if each.rule is PacingRule.HARD]
    soft = len(requests) - len(hard)
    width = max(1, min(concurrency or limits.soft_open_first, limits.open_max))

    def burst(count: int) -> timedelta:
        return timedelta(seconds=max(count / limits.messages_max, service_seconds * -(-count // width)))

    eta = now + burst(soft)
    if hard:
        share = limits.share(hard[0].pacing_class)
        share -= share % max(each.weight for each in hard)  # 59 slots hold 29 requests of weight 2
        rounds, slot = divmod(sum(each.weight for each in hard) - 1, share)
        whole = timedelta(seconds=limits.window_seconds)
        free = _free(history, hard[0], share, now, limits)[slot] + rounds * whole
        left = len(hard) - rounds * share * len(hard) // sum(each.weight for each in hard)
        eta = max(eta, free + timedelta(seconds=service_seconds), now + rounds * whole + burst(left))
    return Plan(len(requests), PacingRule.HARD if hard else PacingRule.SOFT, eta, len(hard), soft)


def _free(
    history: Sequence[PacingRequest], request: PacingRequest, share: int, now: datetime, limits: Limits
) -> list[datetime]:
    """When each slot of the budget comes free for the first time; then once a window."""
    whole = timedelta(seconds=limits.window_seconds)
    used = [at + whole for at, _, weight in counted(history, request.pacing_class, now, limits) for _ in range(weight)]
    return sorted([now] * max(0, share - len(used)) + used[-share:])
