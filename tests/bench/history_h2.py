"""H2 and H4: bars a second end to end into PostgreSQL beside stock ib_insync collecting the same answers into a list, and memory.

bin/backfill under the soft regime, from its first request to its last commit, against a gateway that adds no delay; the rival
asks the same gateway for the same weeks, as many at once, and keeps the bars. The gateway makes the bars up as it is asked,
for both alike, once before the clock runs, so that neither pays for it.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from scizor.base.config import PacingConfig
from scizor.db.connect import connect
from tests.bench import backfilling, traffic

CODES = backfilling.WATCHED
FROM = "2024-01-01"  # 53 weeks
OPEN = 4
SAMPLE_SECONDS = 0.25


async def collect(port: int, codes: list[str], ends: list[datetime]) -> tuple[int, float]:
    """Stock ib_insync: connectAsync, reqHistoricalDataAsync, OPEN at once. Bars, and seconds from first request to last answer."""
    from ib_insync import IB, Stock

    ib = IB()
    ib.RaiseRequestErrors = True
    await ib.connectAsync("127.0.0.1", port, clientId=77, timeout=30)
    try:
        contracts = await ib.qualifyContractsAsync(*[Stock(code, "ASX", "AUD") for code in codes])
        room = asyncio.Semaphore(OPEN)

        async def ask(contract: Any, end: datetime) -> int:
            async with room:
                return len(await ib.reqHistoricalDataAsync(contract, end, "5 D", "1 min", "TRADES", True, 2, timeout=120))

        start = time.perf_counter()
        counts = await asyncio.gather(*[ask(each, end) for end in ends for each in contracts])
        return sum(counts), time.perf_counter() - start
    finally:
        ib.disconnect()


def measure(report: Callable[[str], None], codes: list[str], begin: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="scizor-h2-") as name:
        folder = Path(name)
        _, told = traffic.clock_at(1.0)
        pacing = PacingConfig(soft_open_first=OPEN)
        with (
            traffic.gateway(folder, told, "--regime", "soft", "--service-seconds", "0", "--bar-seconds", "0") as (port, _),
            backfilling.prepared(folder, port, told, codes, pacing, "bench_h2") as (config, database),
        ):
            words = [word for code in codes for word in ("--symbol", code)] + ["--timeframe", "1min", "--from", begin, "--sessions", "5"]
            job = backfilling.start(config, folder, *words)
            samples: list[tuple[float, float]] = []
            start = time.perf_counter()
            while job.poll() is None and time.perf_counter() - start < 600:
                samples.append((time.perf_counter() - start, backfilling.rss_megabytes(job.pid)))
                time.sleep(SAMPLE_SECONDS)
            backfilling.finish(job, folder, 10)
            with connect(database, application="bench", owner=True) as owner:
                bars = backfilling.one(owner, "SELECT count(*) FROM bars")
                seconds = float(backfilling.one(owner, "SELECT extract(epoch FROM max(completed_at) - min(started_at)) FROM collection_logs"))
                ends = [end for (end,) in owner.execute("SELECT DISTINCT window_end FROM collection_logs ORDER BY 1")]
                missing = backfilling.one(owner, "SELECT count(*) FROM missing_sessions")
            theirs, their_seconds = asyncio.run(collect(port, codes, ends))
    return {
        "bars": bars, "seconds": seconds, "missing": missing, "theirs": theirs, "their_seconds": their_seconds, "samples": samples,
    }  # fmt: skip


def slope(samples: list[tuple[float, float]]) -> float:
    """Megabytes a minute, by least squares over the second half: the first one fills pools and caches."""
    half = samples[len(samples) // 2 :]
    if len(half) < 3:
        return 0.0
    mean_t = sum(t for t, _ in half) / len(half)
    mean_m = sum(m for _, m in half) / len(half)
    return 60 * sum((t - mean_t) * (m - mean_m) for t, m in half) / sum((t - mean_t) ** 2 for t, _ in half)


def figures(report: Callable[[str], None]) -> list[dict[str, Any]]:
    found = measure(report, CODES, FROM)
    ours, theirs = found["bars"] / found["seconds"], found["theirs"] / found["their_seconds"]
    report(f"bin/backfill: {found['bars']:,} bars in {found['seconds']:.1f} s, {ours:,.0f} a second; {found['missing']} sessions missing")
    report(f"ib_insync into a list: {found['theirs']:,} bars in {found['their_seconds']:.1f} s, {theirs:,.0f} a second")
    peak, rise = max(m for _, m in found["samples"]), slope(found["samples"])
    report(f"memory: {peak:.0f} MB at most, {rise:+.1f} MB a minute in the second half")
    return [
        {"id": "H2", "name": "bars a second", "value": round(ours / theirs, 3), "unit": "of ib_insync", "op": ">=", "bar": 0.25,
         "n": found["bars"], "rival": "stock ib_insync into a list, same gateway"},
        {"id": "H4", "name": "peak memory", "value": round(peak, 1), "unit": "MB", "op": "<=", "bar": 300, "n": len(found["samples"]), "rival": "none"},
        {"id": "H4", "name": "slope", "value": round(rise, 2), "unit": "MB/min", "op": "<=", "bar": 5.0, "n": len(found["samples"]),
         "rival": "flat"},
    ]  # fmt: skip


if __name__ == "__main__":
    for each in figures(print):
        print(each)
