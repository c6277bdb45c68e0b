"""D5: 309 symbols at 0.5 s a request, collapse above 16; then a service 30 times slower, then one that is silent for a minute.

The first run is on the wall's own clock. The second, ten times as fast, is slow for two minutes after its hundredth request and
silent for the minute after that; every window must still arrive. The gateway's report counts what is open, and what was asked
twice within 15 s. Planted: the same counter when 15 s are taken for ever.
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.bench import traffic
from tests.bench.recount import reads_of, reported, violations

SYMBOLS = 309
COLLAPSE = 16
SERVICE_SECONDS = 0.5
DEADLINE_SECONDS = 20.0  # three of them are the silent minute
SLOW_FACTOR, SLOW_SECONDS, SILENT_SECONDS = 30, 120, 60
SPEED = 10.0
TROUBLE_AFTER = 100  # requests


def run(speed: float, *, in_trouble: bool) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="scizor-d5-") as name, traffic.database() as database:
        folder = Path(name)
        script = folder / "faults.toml"
        script.write_text("")
        _, told = traffic.clock_at(speed)
        words = (
            "--regime",
            "soft",
            "--service-seconds",
            str(SERVICE_SECONDS),
            "--collapse-above",
            str(COLLAPSE),
            "--script",
            str(script),
        )
        with traffic.gateway(folder, told, *words) as (port, file):
            order = traffic.Order(
                asdict(database), port, asdict(told), str(folder / "job.jsonl"),
                [(number, f"B{number:03}") for number in range(SYMBOLS)], timeout_seconds=DEADLINE_SECONDS,
            )  # fmt: skip
            job = traffic.start(order)
            if in_trouble:
                while len(reads_of(reported(file))) < TROUBLE_AFTER:
                    time.sleep(0.02)
                script.write_text(
                    f'[[fault]]\nname = "service-slow"\narg = "{SLOW_FACTOR}:{SLOW_SECONDS}"\nat_seconds = 0\n'
                    f'[[fault]]\nname = "service-silent"\narg = "{SILENT_SECONDS}"\nat_seconds = {SLOW_SECONDS}\n'
                )
            traffic.wait([job], [order], wall_seconds=180)
        entries = reported(file)
        finished = traffic.done(order)
    return {
        "seconds": _ends(entries), "lost": SYMBOLS - sum(each["kind"] == "ok" for each in finished.values()),
        "sent": len(reads_of(entries)), "broken": violations(reads_of(entries)), "repeated": _repeated(entries),
        "most_asked": max(Counter(each.key for each in reads_of(entries)).values()), "silence": _silence(entries),
    }  # fmt: skip


def _at(entry: dict[str, Any]) -> float:
    return datetime.fromisoformat(entry["at"]).timestamp()


def _ends(entries: list[dict[str, Any]]) -> float:
    """From the first request to the last answer."""
    asked = [_at(each) for each in entries if each["kind"] == "request" and each.get("key")]
    return max(_at(each) for each in entries if each["kind"] == "answer") - min(asked)


def _repeated(entries: list[dict[str, Any]]) -> int:
    """How often the same was asked again at all: what `identical` would count if 15 s were for ever."""
    return sum(count - 1 for count in Counter(each.key for each in reads_of(entries)).values())


def _silence(entries: list[dict[str, Any]]) -> dict[str, float]:
    """most: open at once after three deadlines of silence, or at its end. settled: deadlines until two or fewer were open."""
    begins = [_at(each) for each in entries if each["kind"] == "event" and each.get("name") == "service-silent"]
    if not begins:
        return {}
    begin, end = begins[0], begins[0] + SILENT_SECONDS
    history = [
        (_at(each), each.get("open", 0)) for each in entries if each["kind"] == "request" and begin <= _at(each) <= end
    ]
    above = [at for at, count in history if count > 2]
    return {
        "begin_open": history[0][1],
        "settled": (max(above, default=begin) - begin) / DEADLINE_SECONDS,
        "end_open": history[-1][1],
    }


def figures(report: Callable[[str], None]) -> list[dict[str, Any]]:
    plain = run(1.0, in_trouble=False)
    report(f"{SYMBOLS} symbols in {plain['seconds']:.1f} s")
    bad = run(SPEED, in_trouble=True)
    report(f"slow, then silent: {bad}")
    common = {"n": SYMBOLS, "rival": "9.7 s, when told that 16 is best"}
    identical = plain["broken"]["identical"] + bad["broken"]["identical"]
    return [
        {"id": "D5", "name": "wall time", "value": plain["seconds"], "unit": "s", "op": "<=", "bar": 40, **common},
        {"id": "D5", "name": "lost", "value": plain["lost"] + bad["lost"], "unit": "", "op": "==", "bar": 0, **common},
        {"id": "D5", "name": "deadlines of silence until at most two are open", "value": bad["silence"]["settled"], "unit": "",
         "op": "<=", "bar": 3, **common},
        {"id": "D5", "name": "open at the end of the silence", "value": bad["silence"]["end_open"], "unit": "", "op": "<=", "bar": 2,
         **common},
        {"id": "D5", "name": "identical inside 15 s", "value": identical, "unit": "", "op": "==", "bar": 0,
         "planted": bad["repeated"], **common},
    ]  # fmt: skip


if __name__ == "__main__":
    for each in figures(print):
        print(each)
