"""Real traffic for the pacing benches: a gateway, jobs and the ledger, each in a process of its own, on one fast clock.

The gateway's report is the judge: what our side believes it sent is never counted. Bars are simulated; the wire, ib_insync,
PostgreSQL and the processes are real.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from scizor.base import service
from scizor.base.clock import RunningClock
from scizor.base.config import ClockConfig, DatabaseConfig
from scizor.base.paths import ROOT
from scizor.db import migrate
from scizor.db.connect import connect
from scizor.db.embedded import PORT, SUPERUSER, embedded
from scizor.ib.pacing import Limits
from scizor.market.types import Instrument, Outcome, Timeframe, Window
from scizor.replay.sources import Pattern
from scizor.replay.sources.master import load as load_master
from scizor.replay.sources.simulated import Simulated
from tests.bench.recount import reported

ORIGIN = datetime(2025, 1, 15, 8, 0, tzinfo=UTC)  # a Wednesday, after the close in Sydney
SEED = 7
READY_WALL_SECONDS = 30.0


@dataclass(frozen=True)
class Order:
    """What one job process is told. windows: (number, symbol). is_lawless: it ignores the ledger, a planted defect."""

    database: dict[str, Any]
    port: int
    clock: dict[str, Any]
    out: str
    symbols: list[tuple[int, str]]
    timeframe: str = "1day"
    limits: dict[str, Any] = field(default_factory=dict)
    timeout_seconds: float = 60.0
    concurrency: int | None = None
    is_lawless: bool = False
    go: str = ""  # a file to wait for, once connected: so that what is measured is not how fast Python starts


def clock_at(speed: float) -> tuple[RunningClock, ClockConfig]:
    """A clock that shows ORIGIN now, and what to tell others of it."""
    started = datetime.now(UTC)
    return RunningClock(ORIGIN, started, speed), ClockConfig(ORIGIN.isoformat(), started.isoformat(), speed)


@contextlib.contextmanager
def database(name: str = "bench_pacing") -> Iterator[DatabaseConfig]:
    """A migrated, empty database on the product's own server; fsync and synchronous_commit as they are by default: on."""
    server = embedded(ROOT / "var" / "bench")
    with service.use(server.service):
        config = replace(DatabaseConfig(), host=str(server.socket_directory), port=PORT, name=name)
        with connect(config, application="bench", user=SUPERUSER, name="postgres") as superuser:
            superuser.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
            migrate.prepare(superuser, config)
        with connect(config, application="bench", owner=True) as owner:
            migrate.apply(owner, ORIGIN)
        yield config


@contextlib.contextmanager
def gateway(folder: Path, clock: ClockConfig, *words: str) -> Iterator[tuple[int, Path]]:
    """bin/replay-gateway in its own process: its port and its report."""
    ready, report = folder / "gateway.ready", folder / "gateway.jsonl"
    ready.unlink(missing_ok=True)
    command = [
        str(ROOT / "bin" / "replay-gateway"), "--port", "0", "--simulated", str(SEED), "--report", str(report), "--ready-file", str(ready),
        "--clock-origin", clock.origin, "--clock-started", clock.started, "--clock-speed", str(clock.speed), *words,
    ]  # fmt: skip
    with (folder / "gateway.log").open("a") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=_environment())
    try:
        until = time.monotonic() + READY_WALL_SECONDS
        while not ready.exists():
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"the gateway did not start: {(folder / 'gateway.log').read_text()[-2000:]}")
            time.sleep(0.02)
        yield json.loads(ready.read_text())["port"], report
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def start(order: Order) -> subprocess.Popen[str]:
    """One job process. It appends a line to order.out for each window that it finished."""
    log = Path(order.out).with_suffix(".log").open("a")
    try:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.bench.traffic", json.dumps(asdict(order))], cwd=ROOT, stdout=log, stderr=log, text=True,
            env=_environment(),
        )  # fmt: skip
    finally:
        log.close()


def release(orders: list[Order], go: Path) -> None:
    """Lets jobs go that wait for `go`, once all of them are connected."""
    until = time.monotonic() + READY_WALL_SECONDS
    while not all(Path(order.out).with_suffix(".ready").exists() for order in orders):
        if time.monotonic() > until:
            raise RuntimeError("a job did not connect")
        time.sleep(0.02)
    go.touch()


def wait(jobs: list[subprocess.Popen[str]], orders: list[Order], wall_seconds: float) -> None:
    """Until they are done. RuntimeError with the end of its log when one failed or took too long."""
    until = time.monotonic() + wall_seconds
    try:
        for job, order in zip(jobs, orders, strict=True):
            try:
                code: int | str = job.wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                code = f"nothing within {wall_seconds:.0f} s"
            if code != 0:
                raise RuntimeError(
                    f"a job ended with {code}: {Path(order.out).with_suffix('.log').read_text()[-3000:]}"
                )
    finally:
        for job in jobs:
            if job.poll() is None:
                job.kill()
                job.wait()


def done(order: Order) -> dict[int, dict[str, Any]]:
    """What a job has finished so far, by the window's number."""
    file = Path(order.out)
    return {each["number"]: each for each in reported(file)} if file.exists() else {}


def span_seconds(entries: list[dict[str, Any]]) -> float:
    """From the first to the last historical request that the gateway read, in its clock's seconds."""
    at = [datetime.fromisoformat(each["at"]) for each in entries if each["kind"] == "request" and each.get("key")]
    return (max(at) - min(at)).total_seconds()


def _environment() -> dict[str, str]:
    return {**os.environ, "SCIZOR_CONFIG": "/nonexistent/scizor.toml"}


# ---- the job process -------------------------------------------------------------------------------------------------


def windows_of(order: Order) -> dict[Window, int]:
    """One hour of bars of half a minute, or a month of daily bars, for each symbol."""
    source = Simulated(SEED, load_master(), RunningClock(ORIGIN, ORIGIN))
    timeframe = Timeframe(order.timeframe)
    found: dict[Window, int] = {}
    for number, symbol in order.symbols:
        row = source.contracts(Pattern(symbol=symbol, sec_type="STK", exchange="ASX", currency="AUD"), ORIGIN.date())[0]
        instrument = Instrument(number, symbol, "ASX", "XASX", "AUD", row.con_id, 1, primary_exchange="ASX")
        window = Window(instrument, timeframe, date(2024, 12, 16), date(2025, 1, 14))
        if timeframe is not Timeframe.DAY1:
            start = datetime(2025, 1, 14, 0, 0, tzinfo=UTC)
            window = replace(window, first=date(2025, 1, 14), start=start, end=start.replace(hour=1))
        found[window] = number
    return found


async def _job(order: Order) -> None:
    from scizor.base.config import GatewayConfig
    from scizor.base.protocols import Decide, Grant, PacingRequest
    from scizor.db.ledger import PostgresLedger
    from scizor.ib import history
    from scizor.ib.concurrency import Concurrency
    from scizor.ib.connection import connect as connect_gateway
    from scizor.run.paced import fetch_all

    class Lawless(PostgresLedger):
        """The planted defect: it asks nobody."""

        def reserve(self, request: PacingRequest, decide: Decide, now: datetime) -> Grant | datetime:
            return super().reserve(request, lambda _history, _request, at: at, now)

    told = order.clock
    clock = RunningClock(datetime.fromisoformat(told["origin"]), datetime.fromisoformat(told["started"]), told["speed"])
    where = DatabaseConfig(**order.database)
    kind = Lawless if order.is_lawless else PostgresLedger
    ledger = kind(lambda: connect(where, application="bench"), clock)
    windows = windows_of(order)
    config = replace(
        GatewayConfig(), port=order.port, ready_timeout_seconds=0.0, connect_timeout_seconds=60.0 * told["speed"]
    )
    concurrency = None if order.concurrency is None else Concurrency.fixed(order.concurrency)
    with Path(order.out).open("a") as out:
        async with connect_gateway(config, "replay", clock) as connection:
            ledger.history(clock.now())  # connected there too
            if order.go:
                Path(order.out).with_suffix(".ready").touch()
                while not Path(order.go).exists():
                    await asyncio.sleep(0.005)

            async def fetch(window: Window, on_first_frame: Callable[[datetime], None]) -> Outcome:
                return await history.fetch(
                    connection, window, timeout_seconds=order.timeout_seconds, on_first_frame=on_first_frame
                )

            limits = Limits(**order.limits)
            results = fetch_all(list(windows), fetch, ledger, clock, limits, concurrency=concurrency)
            async with contextlib.aclosing(results):
                async for window, outcome in results:
                    line = {
                        "number": windows[window],
                        "kind": outcome.kind,
                        "bars": len(outcome.bars),
                        "text": outcome.text,
                    }
                    out.write(json.dumps(line) + "\n")
                    out.flush()
    ledger.close()


if __name__ == "__main__":
    asyncio.run(_job(Order(**json.loads(sys.argv[1]))))
