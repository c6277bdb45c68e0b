"""D2: the hard regime, 360 requests, three jobs, nobody killed: not one slot may be lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.bench.daily_d1 import measure

REQUESTS = 360
SPEED = 30.0  # the last of these ends a burst of sixty, so what two busy cores need for sixty counts in full


def figures(report: Callable[[str], None]) -> list[dict[str, Any]]:
    found = measure(report, REQUESTS, kills=False, speed=SPEED)
    report(
        f"floor / actual {found['efficiency']:.4f}, sent {found['sent']}, lost {found['lost']}, broken {dict(found['broken'])}"
    )
    return [
        {"id": "D2", "name": "floor / actual", "value": found["efficiency"], "unit": "", "op": ">=", "bar": 0.98,
         "n": found["sent"], "rival": "the floor under IB's rule"},
    ]  # fmt: skip


if __name__ == "__main__":
    for each in figures(print):
        print(each)
