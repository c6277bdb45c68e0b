"""A backup to damage or to bring back: of bars on the product's own server, made by bin/backup's own job."""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from scizor.base import service
from scizor.base.clock import RunningClock
from scizor.base.config import BackupConfig, Config, DatabaseConfig
from scizor.base.exit import Exit
from scizor.base.paths import ROOT
from scizor.db import backups, migrate, symbols
from scizor.db.connect import connect
from scizor.db.embedded import PORT, SUPERUSER, embedded
from scizor.market.universe import Listed
from scizor.run.context import Context
from scizor.run.dumping import Task
from scizor.run.stop import Stop
from tests.jobs.scripts import parse, script

NOW = datetime(2025, 1, 15, 6, 0, tzinfo=UTC)
SYMBOLS = 18

#: Minutes of 18 symbols, prices that wander, volumes that differ: what compresses and indexes as bars do.
BARS = """
INSERT INTO bars (symbol_id, timeframe, origin, "timestamp", session_date, open, high, low, close, volume, wap, trades, request_id, known_from)
SELECT s, '1min', %(origin)s, at, at::date, p, p + 0.03, p - 0.02, p + 0.01, 100 + n %% 977, p, 1 + n %% 13, 1 + s, '2025-01-15Z'
FROM unnest(%(symbols)s::integer[]) s
CROSS JOIN LATERAL (SELECT n, '2020-01-01Z'::timestamptz + n * interval '1 minute' AS at, round((50 + s + 10 * sin(n / 997.0 + s))::numeric, 2) AS p
    FROM generate_series(0, %(bars)s / cardinality(%(symbols)s::integer[]) - 1) n) x
"""


def made(bars: int) -> DatabaseConfig:
    """A migrated database with so many bars. Its server must be running (service.use)."""
    server = embedded(ROOT / "var" / "bench")
    config = replace(DatabaseConfig(), host=str(server.socket_directory), port=PORT, name=f"bench_{os.getpid()}")
    with connect(config, application="bench", user=SUPERUSER, name="postgres") as superuser:
        superuser.execute(f"DROP DATABASE IF EXISTS {config.name} WITH (FORCE)".encode())
        migrate.prepare(superuser, config)
    with connect(config, application="bench", owner=True) as owner:
        migrate.apply(owner, NOW)
    with connect(config, application="bench") as collector:
        rows = [
            Listed(symbol=f"S{n}", name="", exchange="ASX", primary_exchange="ASX", currency="AUD", sec_type="STK", sector="",
                   calendar="XASX", con_id=None, listed_from=None, listed_to=None, as_of=None) for n in range(SYMBOLS)
        ]  # fmt: skip
        symbols.store_listed(collector, rows, NOW)
    with connect(config, application="bench", user=SUPERUSER) as superuser:
        ids = [number for (number,) in superuser.execute("SELECT id FROM symbols ORDER BY id")]
        origin = superuser.execute("SELECT min(id) FROM origins").fetchone()
        assert origin is not None
        superuser.execute(BARS.encode(), {"symbols": ids, "origin": origin[0], "bars": bars})
    return config


def dropped(config: DatabaseConfig, *names: str) -> None:
    with connect(config, application="bench", user=SUPERUSER, name="postgres") as superuser:
        for name in (config.name, *names):
            superuser.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())


def call(config: Config, connection: psycopg.Connection[tuple[Any, ...]], name: str, *argv: str) -> None:
    """The script's job, as its runner would call it; anything but 0 fails."""
    context = Context(
        name=name, scope="", run_id="0" * 32, args=parse(name, *argv), config=config, clock=RunningClock(), paths=config.make_paths(),
        log=logging.getLogger("bench"), stop=Stop(), database=connection,
    )  # fmt: skip
    result = script(name).job(context)
    assert result.status is Exit.DONE, result


def configured(database: DatabaseConfig, home: Path, **backup: Any) -> Config:
    default = Config()
    return replace(
        default, mode="replay", database=database, paths=replace(default.paths, state=str(home / "state"), logs=str(home / "logs")),
        backup=BackupConfig(directory=str(home / "shelf"), restore_user=SUPERUSER, **backup),
    )  # fmt: skip


def backed_up(home: Path, key: Any, bars: int) -> tuple[Config, Path, Task]:
    """A verified backup, encrypted to the key; the database is gone again."""
    file = home / "key"
    file.write_text(f"{key}\n")
    file.chmod(0o400)
    with service.use(embedded(ROOT / "var" / "bench").service):
        database = made(bars)
        try:
            config = configured(database, home, recipients=str(key.to_public()), identity_file=str(file))
            with connect(database, application="bench") as collector:
                call(config, collector, "backup")
                folder = Path(backups.load(collector)[0].path)
        finally:
            dropped(database)
    return config, folder, Task(config, database, RunningClock())
