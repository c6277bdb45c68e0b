"""O4: a restore of 1,000,000 bars and everything else, verified equal, against `pg_restore` alone of the same dump.

bin/restore (sums, every file read to its end, restore, settings, statistics, every digest) and pg_restore --exit-on-error
into an empty database, in turn, three times, on the product's own server. The bars are simulated.
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
from scizor.base.paths import ROOT
from scizor.db import backups
from scizor.db.connect import connect
from scizor.db.embedded import SUPERUSER, embedded
from scizor.run import clients
from tests.bench import shelf

BARS, TURNS = 1_000_000, 3


def measure(report: Callable[[str], None], bars: int, turns: int) -> list[float]:
    """Ratio of each turn."""
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
                    with connect(database, application="bench", user=SUPERUSER, name="postgres") as superuser:
                        superuser.execute(f"CREATE DATABASE {rival} TEMPLATE template0".encode())
                    began = time.perf_counter()
                    subprocess.run(
                        [binaries / "pg_restore", "--exit-on-error", f"--dbname={rival}", Path(row.path) / "database.dump"], check=True,
                        env=clients.environment(database, SUPERUSER, "", rival, "bench"),
                    )  # fmt: skip
                    alone = time.perf_counter() - began
                    report(f"turn {turn + 1}: ours {mine:.2f} s, pg_restore alone {alone:.2f} s: {mine / alone:.2f} (our own processor time {mid - before:.2f} s)")
                    found.append(mine / alone)
        finally:
            shelf.dropped(database, ours, rival)
    return found


def _cpu() -> float:
    used = os.times()
    return used.user + used.system


def figures(report: Callable[[str], None]) -> list[dict[str, Any]]:
    found = measure(report, BARS, TURNS)
    return [
        {"id": "O4", "name": "restored and equal / pg_restore", "value": round(statistics.median(found), 3), "unit": "", "op": "<=", "bar": 3.0,
         "n": len(found), "min": round(min(found), 3), "median": round(statistics.median(found), 3), "rival": "pg_restore alone"},
    ]  # fmt: skip


if __name__ == "__main__":
    for each in figures(print):
        print(each)
