"""D3: 10,000 randomised mixed requests against the pure scheduler, recounted by brute force.

The simulated Gateway reads a request up to 0.3 s after it was granted and answers up to 2.5 s later; the scheduler knows
only what it has seen. Lateness is against the earliest instant that the recount allows, given what was read before.
"""

from __future__ import annotations

import random
from bisect import insort
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from scizor.base.protocols import PacingRequest, PacingRule
from scizor.ib import pacing
from scizor.ib.pacing import Limits
from tests.bench.recount import Read, broken_by, earliest

SEEDS = (1, 2, 3, 4, 5)
REQUESTS = 2_000  # a seed
START = datetime(2025, 1, 15, tzinfo=UTC)
WINDOW = 600.0


def requests(draw: random.Random, count: int) -> list[tuple[float, PacingRequest]]:
    """(how long after the one before it is wanted, the request). Contracts, weights, repetitions and pauses vary."""
    contracts = draw.choice((5, 20, 60, 300))
    share_hard, share_double, share_again = draw.uniform(0.3, 1), draw.uniform(0, 0.5), draw.uniform(0, 0.2)
    found: list[tuple[float, PacingRequest]] = []
    for number in range(count):
        contract = f"{draw.randrange(contracts)}@ASX"
        hard = draw.random() < share_hard
        double = draw.random() < share_double
        request = PacingRequest(
            key=f"{contract}/{number}",
            contract_key=f"{contract}/{'BID_ASK' if double else 'TRADES'}",
            rule=PacingRule.HARD if hard else PacingRule.SOFT,
            weight=2 if double else 1,
        )
        if found and draw.random() < share_again:
            request = found[-draw.randint(1, min(5, len(found)))][1]
        pause = draw.expovariate(1 / draw.choice((1, 30, 900))) if draw.random() < 0.02 else 0.0
        found.append((pause, request))
    return found


def simulate(
    seed: int, count: int, limits: Limits, *, counts_from_grant: bool = False
) -> tuple[Counter[str], list[float]]:
    """Violations by the recount, and how late each grant was, in seconds."""
    draw = random.Random(seed)
    reads: list[Read] = []  # in order of time
    sent: list[tuple[float, float, PacingRequest]] = []  # granted, answered, request
    broken: Counter[str] = Counter()
    late: list[float] = []
    now = 0.0
    for pause, request in requests(draw, count):
        now += pause
        wanted = now
        while True:
            sent = [each for each in sent if each[1] > now - 1.01 * WINDOW]
            history = [_seen(each, now, counts_from_grant) for each in sent]
            at = (pacing.next_allowed(history, request, _instant(now), limits) - START).total_seconds()
            if at <= now:
                break
            now = at
        read = now + draw.uniform(0, 0.3)
        this = Read(wanted, request.key, request.contract_key, request.weight, request.rule is PacingRule.HARD)
        late.append(max(0.0, now - earliest(this, [each for each in reads if each.at <= now])))
        sent.append((now, read + draw.uniform(0, 2.5), request))
        insort(reads, this._replace(at=read))
    for index, each in enumerate(reads):
        broken.update(broken_by(each, reads[max(0, index - 1000) : index]))
    return broken, late


def _seen(sent: tuple[float, float, PacingRequest], now: float, counts_from_grant: bool) -> PacingRequest:
    granted, answered, request = sent
    is_answered = answered <= now
    counted = granted if counts_from_grant else answered if is_answered else None
    return replace(
        request,
        reserved_at=_instant(granted),
        counted_at=None if counted is None else _instant(counted),
        is_open=not is_answered,
    )


def _instant(seconds: float) -> datetime:
    """Rounded up to the microsecond that datetimes have, so that coming back never undercuts."""
    return START + timedelta(microseconds=-int(-seconds * 1e6 // 1))


def figures(report: Callable[[str], None]) -> list[dict[str, Any]]:
    broken: Counter[str] = Counter()
    planted: Counter[str] = Counter()
    late: list[float] = []
    for seed in SEEDS:
        found, times = simulate(seed, REQUESTS, Limits())
        broken += found
        late += times
        wrong, _ = simulate(seed, REQUESTS // 4, Limits(), counts_from_grant=True)
        planted += wrong
        report(
            f"seed {seed}: {dict(found) or 'nothing broken'}, latest {max(times):.2f} s; counted from the grant: {dict(wrong)}"
        )
    late.sort()
    common = {"n": len(late), "rival": "a brute-force recount"}
    return [
        {"id": "D3", "name": "violations", "value": broken.total(), "unit": "", "op": "==", "bar": 0,
         "planted": planted.total(), **common},
        {"id": "D3", "name": "the latest grant", "value": 100 * late[-1] / WINDOW, "unit": "% of a window", "op": "<=", "bar": 1,
         "min": 100 * late[0] / WINDOW, "median": 100 * late[len(late) // 2] / WINDOW, **common},
    ]  # fmt: skip


if __name__ == "__main__":
    for each in figures(print):
        print(each)
