"""D1: the hard regime through real processes: 309 requests, three jobs, one killed and started again, at 60 times the speed.

Floor divided by what it took from the first to the last request at the gateway, and the violations that the gateway counted
and that a recount of its report finds. Planted: the same jobs with a ledger that grants everything. Daily bars under `strict`,
which is the hard rule for all of them: the simulated bars of half a minute would measure how fast they are made up.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from tests.bench import traffic
from tests.bench.recount import reads_of, reported, violations

SPEED = 60.0
REQUESTS = 309
JOBS = 3
KILL_AT_REQUEST = 150  # in the third burst of sixty
TIMEOUT_SECONDS = 600.0  # ten seconds of the wall
WINDOW_SECONDS, MOST = 600.0, 60


def floor_seconds(count: int) -> float:
    """No request can leave before the one sixty places before it is ten minutes old."""
    return WINDOW_SECONDS * ((count - 1) // MOST)


def measure(
    report: Callable[[str], None], count: int, *, kills: bool, is_lawless: bool = False, speed: float = SPEED
) -> dict[str, Any]:
    """One run: efficiency, violations by rule as the gateway and as the recount see them, requests sent, windows lost."""
    with tempfile.TemporaryDirectory(prefix="scizor-d1-") as name, traffic.database() as database:
        folder = Path(name)
        _, told = traffic.clock_at(speed)
        with traffic.gateway(folder, told, "--regime", "strict", "--service-seconds", "0.5") as (port, file):
            go = folder / "go"
            orders = [
                traffic.Order(
                    asdict(database), port, asdict(told), str(folder / f"job{each}.jsonl"),
                    [(number, f"B{number:03}") for number in range(each, count, JOBS)], limits={"regime": "strict"},
                    timeout_seconds=TIMEOUT_SECONDS, is_lawless=is_lawless, go=str(go),
                )
                for each in range(JOBS)
            ]  # fmt: skip
            jobs = [traffic.start(order) for order in orders]
            traffic.release(orders, go)
            if kills:
                jobs[1] = _kill_and_start_again(jobs[1], orders[1], file, report)
            traffic.wait(jobs, orders, wall_seconds=2 * floor_seconds(count) / speed + 60)
        entries = reported(file)
        finished = {number: line for order in orders for number, line in traffic.done(order).items()}
        broken = violations(reads_of(entries, strict=True))
        seen = sum(len(each.get("rules", ())) for each in entries if each["kind"] == "request" and each.get("key"))
        return {
            "efficiency": floor_seconds(count) / traffic.span_seconds(entries) if floor_seconds(count) else 0.0,
            "broken": broken, "seen": seen, "sent": len(reads_of(entries)), "lost": count - sum(each["kind"] == "ok" for each in finished.values()),
        }  # fmt: skip


def _kill_and_start_again(
    job: subprocess.Popen[str], order: traffic.Order, file: Path, report: Callable[[str], None]
) -> subprocess.Popen[str]:
    """kill -9 in the middle of a burst, with requests open, and the rest of its windows again at once."""
    while len(reads_of(reported(file))) < KILL_AT_REQUEST:
        time.sleep(0.005)
    job.kill()
    job.wait()
    finished = traffic.done(order)
    report(f"killed one of {JOBS} after {len(finished)} of its {len(order.symbols)} windows, in the middle of a burst")
    return traffic.start(replace(order, symbols=[each for each in order.symbols if each[0] not in finished]))


def figures(report: Callable[[str], None]) -> list[dict[str, Any]]:
    found = measure(report, REQUESTS, kills=True)
    report(
        f"floor / actual {found['efficiency']:.4f}, sent {found['sent']}, lost {found['lost']}, broken {dict(found['broken'])}"
    )
    planted = measure(report, 90, kills=False, is_lawless=True)
    report(f"without the ledger: {dict(planted['broken'])}")
    common = {"n": found["sent"], "rival": "the floor under IB's rule"}
    return [
        {"id": "D1", "name": "floor / actual", "value": found["efficiency"], "unit": "", "op": ">=", "bar": 0.98, **common},
        {"id": "D1", "name": "violations at the gateway", "value": max(found["seen"], found["broken"].total()), "unit": "",
         "op": "==", "bar": 0, "planted": min(planted["seen"], planted["broken"].total()), **common},
        {"id": "D1", "name": "windows lost", "value": found["lost"], "unit": "", "op": "==", "bar": 0, **common},
    ]  # fmt: skip


if __name__ == "__main__":
    for each in figures(print):
        print(each)
