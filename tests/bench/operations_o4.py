"""O4: a restore of 1,000,000 bars and everything else, verified equal, against `pg_restore` alone of the same dump.

bin/restore (sums, every file read to its end, restore, settings, statistics, every digest) and pg_restore --exit-on-error
into an empty database, in turn, three times, on the product's own server. The second rival has what bin/restore gives itself:
as many jobs, and commits that wait for no disk. The bars are simulated.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from scizor.base import service
from scizor.base.config import DatabaseConfig
from scizor.base.paths import ROOT
from scizor.db import backups
from scizor.db.connect import connect
from scizor.db.embedded import SUPERUSER, embedded
from scizor.run import clients
from scizor.run.dumping import JOBS_MAX
from tests.bench import shelf

BARS, TURNS = 1_000_000, 3
JOBS = min(JOBS_MAX, len(os.sched_getaffinity(0)))


def measure(report: Callable[[str], None], bars: int, turns: int) -> list[tuple[float, float]]:
    """Of each turn, ours against pg_restore alone, and against pg_restore with our options."""
    found = []
    with tempfile.TemporaryDirectory(prefix="scizor-o4-") as name, service.use(embedded(ROOT / "var" / "bench").service):
        database = shelf.made(bars)
        ours, rival = f"{database.name}_ours", f"{database.name}_rival"
        try:
            config = shelf.configured(database, Path(name))
            with connect(database, application="bench") as collector:
                began = time.perf_counter()
                shelf.call(config, collector, "backup")
                row = backups.load(collector)[0]
                report(f"bin/backup of {bars:,} bars: {time.perf_counter() - began:.1f} s, {(row.size or 0) / 1e6:.1f} MB, proof and all")
                binaries = clients.find(config, collector.info.server_version)
                for turn in range(turns):
                    shelf.dropped(replace(database, name=ours), rival)
                    before, began = _cpu(), time.perf_counter()
                    shelf.call(config, collector, "restore", "--into", ours, row.path)
                    mine, mid = time.perf_counter() - began, _cpu()
                    command = [binaries / "pg_restore", "--exit-on-error", f"--dbname={rival}", Path(row.path) / "database.dump"]
                    alone = _rival(database, rival, command, "")
                    alike = _rival(database, rival, [*command, f"--jobs={JOBS}"], "-c synchronous_commit=off")
                    report(
                        f"turn {turn + 1}: ours {mine:.2f} s (our own processor time {mid - before:.2f} s), pg_restore alone {alone:.2f} s: "
                        f"{mine / alone:.2f}; with our options {alike:.2f} s: {mine / alike:.2f}"
                    )
                    found.append((mine / alone, mine / alike))
        finally:
            shelf.dropped(database, ours, rival)
    return found


def _rival(database: DatabaseConfig, name: str, command: list[str | Path], options: str) -> float:
    """Seconds of a pg_restore into a new database."""
    shelf.dropped(replace(database, name=name))
    with connect(database, application="bench", user=SUPERUSER, name="postgres") as superuser:
        superuser.execute(f"CREATE DATABASE {name} TEMPLATE template0".encode())
    began = time.perf_counter()
    subprocess.run(command, check=True, env=clients.environment(database, SUPERUSER, "", name, "bench", options))
    return time.perf_counter() - began


def _cpu() -> float:
    used = os.times()
    return used.user + used.system


def figures(report: Callable[[str], None]) -> list[dict[str, Any]]:
    found = measure(report, BARS, TURNS)
    return [
        {"id": "O4", "name": name, "value": round(statistics.median(ratios), 3), "unit": "", "op": "<=", "bar": 3.0, "n": len(ratios),
         "min": round(min(ratios), 3), "median": round(statistics.median(ratios), 3), "rival": rival}
        for name, rival, ratios in (
            ("restored and equal / pg_restore", "pg_restore alone", [each for each, _ in found]),
            ("the same, its rival with our options", "pg_restore --jobs, asynchronous commits", [each for _, each in found]),
        )
    ]  # fmt: skip


if __name__ == "__main__":
    for each in figures(print):
        print(each)
