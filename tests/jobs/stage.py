"""A stage for whole runs: a replay gateway in a thread of this process, a real database, and the real scripts' jobs.

The gateway's clock and the configuration's are one: it stands after a session's close and then runs, as fast as asked.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import psycopg

from scizor.base.clock import RunningClock
from scizor.base.config import Config
from scizor.base.exit import Exit
from scizor.db import symbols as stored_symbols
from scizor.market.universe import Listed
from scizor.replay.sources import Source
from scizor.replay.sources.master import load as load_master
from scizor.replay.sources.simulated import Simulated
from scizor.replay.tws.faults import Rule
from scizor.replay.tws.options import GatewayOptions
from scizor.replay.tws.server import Gateway, serve
from scizor.run import runner
from scizor.run.script import Needs
from tests.jobs.scripts import parse, script
from tests.run.configured import write

T = TypeVar("T")
CLOSE = datetime(2025, 1, 15, 8, 0, tzinfo=UTC)  # a Wednesday, 19:00 in Sydney: its session is due, no reset is near


@dataclass(slots=True)
class Stage:
    """config: as written to `file`. run("collect-daily", "--date", …) ends with an exit status, as the script would."""

    config: Config
    file: Path
    gateway: Gateway
    database: psycopg.Connection
    loop: asyncio.AbstractEventLoop

    def run(self, name: str, *argv: str) -> Exit:
        module = script(name)
        args = parse(name, "--config", str(self.file), *argv)
        scope = module.scope(args) if hasattr(module, "scope") else ""
        needs = module.needs(args) if hasattr(module, "needs") else Needs()
        return runner.run(module.job, args, name=name, needs=needs, scope=scope)

    def inject(self, name: str, arg: str = "", **conditions: Any) -> Rule:
        """Orders a fault, in the gateway's own thread."""
        return self._there(lambda: self.gateway.inject(name, arg, **conditions))

    def forget(self) -> None:
        self._there(self.gateway.forget)

    def requests(self, name: str = "reqHistoricalData") -> list[Any]:
        return self._there(lambda: self.gateway.requests(name))

    def list_symbols(self, *codes: str, exchange: str = "ASX", priority: int | None = None, **more: Any) -> None:
        """Puts instruments into the universe, as an import would."""
        currency, calendar = ("AUD", "XASX") if exchange == "ASX" else ("USD", "XNYS")
        rows = [
            Listed(symbol=code, name=code, exchange=exchange, primary_exchange=exchange, currency=currency, sec_type="STK",
                   sector="", calendar=calendar, con_id=None, listed_from=None, listed_to=None, as_of=None)._replace(**more)
            for code in codes
        ]  # fmt: skip
        stored_symbols.store_listed(self.database, rows, CLOSE)
        if priority is not None:
            self.database.execute("UPDATE symbols SET priority = %s WHERE symbol = ANY(%s)", [priority, list(codes)])

    def con_id(self, symbol: str) -> int:
        """As the Gateway named it, once it was asked."""
        return int(self.rows("SELECT con_id FROM symbols WHERE symbol = %s", symbol)[0][0])

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        return self.database.execute(sql.encode(), values).fetchall()

    def _there(self, call: Callable[[], T]) -> T:
        async def inside() -> T:
            return call()

        return asyncio.run_coroutine_threadsafe(inside(), self.loop).result(30)


@contextmanager
def stage(
    config: Config, database: psycopg.Connection, folder: Path, *, source: Callable[[RunningClock], Source] | None = None,
    at: datetime = CLOSE, speed: float = 1.0, **options: Any,
) -> Iterator[Stage]:  # fmt: skip
    """source: makes the gateway's input for the clock; the simulated market, seed 1, by default. options: GatewayOptions."""
    started = datetime.now(UTC)
    clock = RunningClock(at, started, speed)
    found = source(clock) if source else Simulated(1, load_master(), clock)
    ready = threading.Event()
    made: list[tuple[Gateway, asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def main() -> None:
        over = asyncio.Event()
        async with serve(GatewayOptions(port=0, **options), found, clock) as gateway:
            made.append((gateway, asyncio.get_running_loop(), over))
            ready.set()
            await over.wait()

    thread = threading.Thread(target=lambda: asyncio.run(main()), daemon=True)
    thread.start()
    assert ready.wait(30)
    gateway, loop, over = made[0]
    whole = replace(
        config,
        gateway=replace(config.gateway, port=gateway.port, ready_timeout_seconds=2.0),
        clock=replace(config.clock, origin=at.isoformat(), started=started.isoformat(), speed=speed),
    )
    try:
        yield Stage(whole, write(whole, folder / "scizor.toml"), gateway, database, loop)
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(30)
