"""What a run does with its connections to the Gateway: what it notes of them, what it asks again, and who is to blame."""

from __future__ import annotations

import argparse
import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from scizor.base.clock import RunningClock
from scizor.base.config import Config
from scizor.base.errors import UnreachableError
from scizor.base.exit import Exit
from scizor.jobs import fetching, qualify
from scizor.run.context import Context
from scizor.run.stop import Stop
from tests.jobs.stage import Stage, stage

DUE = "2025-01-15"


@pytest.fixture
def collecting(config: Config, database: psycopg.Connection, tmp_path: Path) -> Iterator[Stage]:
    with stage(config, database, tmp_path, speed=20.0) as found:
        yield found


def events(found: Stage) -> list[str]:
    return [row[0] for row in found.rows("SELECT event FROM connection_events ORDER BY id")]


def test_the_end_of_a_connection_is_noted_and_so_is_a_refusal(
    collecting: Stage, config: Config, database: psycopg.Connection, tmp_path: Path
) -> None:
    collecting.list_symbols("CBA")
    assert collecting.run("collect-daily", "--date", DUE) is Exit.DONE
    noted = events(collecting)
    assert (noted.count("connected"), noted[-1]) == (1, "closed")
    (tmp_path / "live").mkdir()
    with stage(config, database, tmp_path / "live", account="U7654321") as live:
        live.list_symbols("BHP")
        assert live.run("collect-daily", "--date", DUE) is Exit.REFUSED
        assert events(live)[len(noted) :].count("refused") == 1


def test_a_database_that_fails_over_a_second_connection_is_not_called_the_gateway(
    collecting: Stage, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Else what is stored would be asked once more, over and over, and counted twice."""
    collecting.list_symbols("CBA", "BHP", "WES", "WOW", "CSL", "NAB")
    collecting.inject("drop", message="reqHistoricalData", nth=3, times=1)
    store = fetching.stored_windows.store

    def refusing(connection: psycopg.Connection, *more: Any, **options: Any) -> Any:
        if len(connection.execute("SELECT 1 FROM connection_events WHERE event = 'connected'").fetchall()) == 2:
            raise UnreachableError("the database did not do it")
        return store(connection, *more, **options)

    monkeypatch.setattr(fetching.stored_windows, "store", refusing)
    assert collecting.run("collect-daily", "--date", DUE) is Exit.UNREACHABLE
    said = capfd.readouterr().err
    assert "the database did not do it" in said
    assert "hung up" not in said
    assert events(collecting).count("connected") == 2


def test_a_run_that_is_told_to_stop_does_not_wait_for_the_gateway_to_come_back(config: Config) -> None:
    """The deadline's grace is shorter than the longest wait for another connection."""
    clock, stop = RunningClock(), Stop()
    context = Context("a-job", "", "0", argparse.Namespace(), config, clock, config.make_paths(), logging.getLogger("tests"), stop)

    async def body() -> float:
        asyncio.get_running_loop().call_later(0.05, stop.ask, Exit.TERMINATED)
        await fetching._pause(context, 20.0)
        return (clock.now() - begun).total_seconds()

    begun = clock.now()
    assert asyncio.run(body()) < 5


def test_what_fails_while_contracts_are_asked_for_keeps_its_name_and_its_exit_status(
    collecting: Stage, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A group of exceptions would be a bug to the runner, with status 1."""
    collecting.list_symbols("CBA", "BHP")

    def refuse(*_: object, **__: object) -> None:
        raise UnreachableError("the database did not do it")

    monkeypatch.setattr(qualify.symbols, "set_contract", refuse)
    assert collecting.run("collect-daily", "--date", DUE) is Exit.UNREACHABLE
    assert "the database did not do it" in capfd.readouterr().err


def test_a_contract_is_stored_although_the_database_went_away_for_a_moment(
    collecting: Stage, superuser_of: Callable[[str], psycopg.Connection]
) -> None:
    collecting.list_symbols("CBA")
    collecting.inject("slow", "20", message="reqContractDetails")

    def cut() -> None:  # the server ends the job's connections while the Gateway thinks
        while not collecting.requests("reqContractDetails"):
            time.sleep(0.02)
        with superuser_of(collecting.config.database.name) as superuser:
            superuser.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND application_name = 'scizor/collect-daily'"
            )

    cutting = threading.Thread(target=cut, daemon=True)
    cutting.start()
    assert collecting.run("collect-daily", "--date", DUE) is Exit.DONE
    cutting.join(5)
    assert collecting.rows("SELECT count(*) FROM bars")[0][0] > 0
