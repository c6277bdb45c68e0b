"""O7: bin/check on a database with ten million bars: at most a second, from the command to its last line, and it writes nothing.

The real script as a process of its own, all checks, with a Gateway that answers; against `SELECT 1` by the same psycopg in the same python,
which is the floor. What was written is what the server counts, beside a planted row.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scizor.base.config import Config
from scizor.base.paths import ROOT
from scizor.db.connect import connect
from scizor.db.embedded import SUPERUSER
from tests.bench import ten_million, traffic
from tests.run.configured import write

BARS, TIMES = 10_000_000, 9
FLOOR = "import psycopg, sys; print(psycopg.connect(host=sys.argv[1], port=sys.argv[2], dbname=sys.argv[3], user='scizor_reader').execute('SELECT 1').fetchone())"


def measure(report: Callable[[str], None], bars: int, times: int) -> dict[str, Any]:
    now = datetime.now(UTC)
    with tempfile.TemporaryDirectory(prefix="scizor-o7-") as name, traffic.database("bench_o7") as server:
        folder = Path(name)
        held = ten_million.fill(server, now, bars)
        report(f"{held:,} bars")
        _, told = traffic.clock_at(1.0)
        with traffic.gateway(folder, replace(told, origin=now.isoformat(), started=now.isoformat())) as (port, _):
            config = Config(mode="replay", database=server)
            config = replace(
                config, gateway=replace(config.gateway, port=port),
                paths=replace(config.paths, state=str(folder / "state"), logs=str(folder / "logs")),
            )  # fmt: skip
            file = write(config, folder / "scizor.toml")
            words = [str(ROOT / "bin" / "check"), "--config", str(file)]
            floor = [sys.executable, "-c", FLOOR, server.host, str(server.port), server.name]
            with connect(server, application="bench", owner=True) as owner:
                _timed(words)
                before = _changed(owner)
                taken, floors = [], []
                for _ in range(times):
                    taken.append(_timed(words))
                    floors.append(_timed(floor)[0])
                written = _changed(owner) - before
                owner.execute("INSERT INTO kpis (name, at, value, unit) VALUES ('planted', %s, 1, '')", [now])
                planted = _changed(owner) - before - written
        with connect(server, application="bench", user=SUPERUSER, name="postgres") as superuser:
            superuser.execute("DROP DATABASE bench_o7 WITH (FORCE)")  # it takes 3 GB
    seconds = [each[0] for each in taken]
    report(taken[0][1].splitlines()[0])
    return {"seconds": seconds, "floors": floors, "written": written, "planted": planted, "bars": held, "said": taken[0][1]}


def _timed(words: list[str]) -> tuple[float, str]:
    start = time.perf_counter()
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd="/")
    if done.stderr or done.returncode not in (0, 1, 2):
        raise RuntimeError(f"{words[0]} ended with {done.returncode}: {done.stderr[-1000:]}")
    return time.perf_counter() - start, done.stdout


def _changed(connection: Any) -> int:
    """Rows that were inserted, updated or deleted in any table so far, as the server counts them."""
    connection.execute("SELECT pg_stat_force_next_flush(), pg_stat_clear_snapshot()")
    time.sleep(1.5)  # a session that has ended tells its counts within a second
    return int(connection.execute("SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_all_tables WHERE schemaname = 'scizor'").fetchone()[0])


def figures(report: Callable[[str], None], bars: int = BARS, times: int = TIMES) -> list[dict[str, Any]]:
    found = measure(report, bars, times)
    median = statistics.median(found["seconds"])
    floor = statistics.median(found["floors"])
    report(f"{median:.2f} s, of which {floor:.2f} s are python, psycopg and one question")
    common = {"n": found["bars"], "min": round(min(found["seconds"]), 3), "median": round(median, 3)}
    return [
        {"id": "O7", "name": "bin/check, wall", "value": round(median, 3), "unit": "s", "op": "<=", "bar": 1.0, **common,
         "rival": f"python, psycopg and SELECT 1: {floor:.2f} s"},
        {"id": "O7", "name": "rows written", "value": found["written"], "unit": "", "op": "==", "bar": 0, "planted": found["planted"], "n": times,
         "rival": "the server's own counters"},
    ]  # fmt: skip


if __name__ == "__main__":
    for each in figures(print):
        print(each)
