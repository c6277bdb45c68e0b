"""H1: a year of one-minute bars of 18 symbols in one-week chunks under the hard rule, with three kill -9 on the way.

bin/backfill itself, two requests open at most, against bin/replay-gateway at 30 times the speed. The floor is that of the
requests that the gateway counted, those that a kill wasted among them; the violations are the gateway's and a recount's.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scizor.base.config import PacingConfig
from scizor.db.connect import connect
from tests.bench import backfilling, traffic
from tests.bench.daily_d1 import floor_seconds
from tests.bench.daily_d1 import measure as measure_daily
from tests.bench.recount import reads_of, reported, violations

SPEED = 30.0
KILLS = (150, 400, 650)  # after so many requests at the gateway
FROM, WINDOWS = "2024-01-01", 53  # 264 sessions to 2025-01-15


def measure(report: Callable[[str], None], codes: list[str], begin: str, kills: tuple[int, ...], speed: float = SPEED) -> dict[str, Any]:
    """One backfill. floor and span in the clock's seconds; twice: bars that were stored more than once."""
    with tempfile.TemporaryDirectory(prefix="scizor-h1-") as name:
        folder = Path(name)
        _, told = traffic.clock_at(speed)
        pacing = PacingConfig(regime="strict", open_max=2, soft_open_first=2)
        with (
            traffic.gateway(folder, told, "--regime", "strict", "--service-seconds", "0.5") as (port, file),
            backfilling.prepared(folder, port, told, codes, pacing, "bench_h1") as (config, database),
        ):
            words = [word for code in codes for word in ("--symbol", code)] + ["--timeframe", "1min", "--from", begin, "--sessions", "5"]
            job = backfilling.start(config, folder, *words)
            for at in kills:
                while job.poll() is None and len(reads_of(reported(file))) < at:
                    time.sleep(0.02)
                job.kill()
                job.wait()
                report(f"killed after {len(reads_of(reported(file)))} requests")
                job = backfilling.start(config, folder, *words)
            backfilling.finish(job, folder, 2 * floor_seconds(WINDOWS * len(codes)) / speed + 120)
            entries = reported(file)
            with connect(database, application="bench", owner=True) as owner:
                bars = backfilling.one(owner, "SELECT count(*) FROM bars")
                stored = backfilling.one(owner, "SELECT coalesce(sum(stored), 0) FROM collection_logs")
                revised = backfilling.one(owner, "SELECT count(*) FROM bars_history")
                missing = backfilling.one(owner, "SELECT count(*) FROM missing_sessions")
        reads = reads_of(entries, strict=True)
        return {
            "sent": len(reads), "floor": floor_seconds(len(reads)), "span": traffic.span_seconds(entries), "bars": bars,
            "twice": int(stored) - bars + revised, "missing": missing, "broken": violations(reads),
            "seen": sum(len(each.get("rules", ())) for each in entries if each["kind"] == "request" and each.get("key")),
        }  # fmt: skip


def figures(report: Callable[[str], None]) -> list[dict[str, Any]]:
    found = measure(report, backfilling.WATCHED, FROM, KILLS)
    efficiency = found["floor"] / found["span"]
    report(
        f"{found['sent']} requests, floor {found['floor']:.0f} s, took {found['span']:.0f} s: {efficiency:.4f}; {found['bars']:,} bars, "
        f"{found['missing']} sessions missing, broken {dict(found['broken'])}"
    )
    planted = measure_daily(report, 90, kills=False, is_lawless=True)
    common = {"n": found["sent"], "rival": "the floor under IB's rule"}
    return [
        {"id": "H1", "name": "floor / actual", "value": round(efficiency, 4), "unit": "", "op": ">=", "bar": 0.97, **common},
        {"id": "H1", "name": "violations at the gateway", "value": max(found["seen"], found["broken"].total()), "unit": "",
         "op": "==", "bar": 0, "planted": min(planted["seen"], planted["broken"].total()), **common},
        {"id": "H1", "name": "bars stored twice", "value": found["twice"], "unit": "", "op": "==", "bar": 0, "n": found["bars"],
         "rival": "what the requests say they stored"},
        {"id": "H1", "name": "sessions missing", "value": found["missing"], "unit": "", "op": "==", "bar": 0, "n": found["bars"],
         "rival": "the calendar"},
    ]  # fmt: skip


if __name__ == "__main__":
    for each in figures(print):
        print(each)
