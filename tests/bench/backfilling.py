"""bin/backfill in a process of its own against a replay gateway in another, for the history benches: the script that users run."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from scizor.base.config import ClockConfig, Config, DatabaseConfig, PacingConfig
from scizor.base.paths import ROOT
from scizor.db import symbols
from scizor.db.connect import Connection, connect
from scizor.market.universe import Listed
from tests.bench import traffic
from tests.run.configured import write

WATCHED = (
    ["CBA", "BHP", "CSL", "WBC", "ANZ", "NAB", "WOW", "WES", "RIO", "MQG", "FMG", "TLS", "TCL", "COL", "XRO", "WTC", "SQ2", "ZIP"]
)  # the eighteen; APT has left the market, its successor stands for it


@contextlib.contextmanager
def prepared(folder: Path, port: int, clock: ClockConfig, codes: list[str], pacing: PacingConfig, name: str) -> Iterator[tuple[Path, DatabaseConfig]]:
    """A database with these symbols, and the configuration file of a run."""
    with traffic.database(name) as database:
        with connect(database, application="bench", owner=True) as owner:
            rows = [
                Listed(symbol=code, name=code, exchange="ASX", primary_exchange="ASX", currency="AUD", sec_type="STK", sector="",
                       calendar="XASX", con_id=None, listed_from=None, listed_to=None, as_of=None)
                for code in codes
            ]  # fmt: skip
            symbols.store_listed(owner, rows, traffic.ORIGIN)
        config = Config(mode="replay", database=database, clock=clock, pacing=pacing)
        config = replace(
            config,
            gateway=replace(config.gateway, port=port, ready_timeout_seconds=0.0, connect_timeout_seconds=15.0 * clock.speed,
                            request_timeout_seconds=30.0 * clock.speed),
            collect=replace(config.collect, deadline_minutes=1440),
            paths=replace(config.paths, state=str(folder / "state"), logs=str(folder / "logs")),
        )  # fmt: skip
        yield write(config, folder / "scizor.toml"), database


def start(file: Path, folder: Path, *words: str) -> subprocess.Popen[bytes]:
    """bin/backfill. Its output goes to backfill.out."""
    with (folder / "backfill.out").open("ab") as out:
        return subprocess.Popen(
            [sys.executable, str(ROOT / "bin" / "backfill"), "--config", str(file), *words], stdout=out, stderr=out, cwd=ROOT,
            env={**os.environ, "SCIZOR_CONFIG": "/nonexistent/scizor.toml"},
        )  # fmt: skip


def finish(job: subprocess.Popen[bytes], folder: Path, wall_seconds: float, allowed: tuple[int, ...] = (0,)) -> None:
    """Until it is done. RuntimeError with what it said when it failed or took too long."""
    try:
        code: int | str = job.wait(wall_seconds)
    except subprocess.TimeoutExpired:
        job.kill()
        job.wait()
        code = f"nothing within {wall_seconds:.0f} s"
    if code not in allowed:
        raise RuntimeError(f"backfill ended with {code}: {(folder / 'backfill.out').read_text()[-3000:]}")


def rss_megabytes(pid: int) -> float:
    """What a process holds now."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


def one(connection: Connection, statement: str) -> Any:
    row = connection.execute(statement.encode()).fetchone()
    assert row is not None
    return row[0]
