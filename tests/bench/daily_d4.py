"""D4: the soft regime against a gateway whose service collapses above a concurrency that the client does not know.

Answers a second, from the first request to the last answer at the gateway, divided by those of the best fixed concurrency:
that is the one at which the service collapses, and the client of that run is told it. Start-up and search are included.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.bench import traffic
from tests.bench.recount import reported

COLLAPSES = (4, 8, 16, 32)
SERVICE_SECONDS = 2.0
ROUNDS, FIXED_ROUNDS = 100, 20  # requests for each that may be open
ANSWERS_PER_WALL_SECOND = 40.0  # what two busy cores can do; sets the clock's speed
SPEED_MAX = 10.0  # at more, the machine's own delays would be a large part of what is served


def rate(collapse: int, count: int, concurrency: int | None) -> float:
    """Answers a second of the gateway's clock."""
    with tempfile.TemporaryDirectory(prefix="scizor-d4-") as name, traffic.database() as database:
        folder = Path(name)
        _, told = traffic.clock_at(min(SPEED_MAX, ANSWERS_PER_WALL_SECOND * SERVICE_SECONDS / collapse))
        words = ("--regime", "soft", "--service-seconds", str(SERVICE_SECONDS), "--collapse-above", str(collapse))
        with traffic.gateway(folder, told, *words) as (port, file):
            order = traffic.Order(
                asdict(database), port, asdict(told), str(folder / "job.jsonl"),
                [(number, f"B{number:04}") for number in range(count)], timeout_seconds=600.0, concurrency=concurrency,
            )  # fmt: skip
            traffic.wait([traffic.start(order)], [order], wall_seconds=300)
        assert len(traffic.done(order)) == count
        entries = reported(file)
    asked = [datetime.fromisoformat(each["at"]) for each in entries if each["kind"] == "request" and each.get("key")]
    answered = [datetime.fromisoformat(each["at"]) for each in entries if each["kind"] == "answer"]
    return count / (max(answered) - min(asked)).total_seconds()


def figures(report: Callable[[str], None]) -> list[dict[str, Any]]:
    found = []
    for collapse in COLLAPSES:
        best = rate(collapse, FIXED_ROUNDS * collapse, collapse)
        ours = rate(collapse, ROUNDS * collapse, None)
        report(f"collapse above {collapse}: {ours:.2f} a second, told the number {best:.2f}: {ours / best:.3f}")
        found.append({
            "id": "D4", "name": f"collapse above {collapse}", "value": ours / best, "unit": "", "op": ">=", "bar": 0.8,
            "n": ROUNDS * collapse, "rival": "the best fixed concurrency",
        })  # fmt: skip
    return found


if __name__ == "__main__":
    for each in figures(print):
        print(each)
