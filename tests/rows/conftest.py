"""A whole collection with a fault for each symbol, made once; and a market for tests of storage."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from scizor.base.config import Config, DatabaseConfig, PathsConfig
from scizor.base.exit import Exit
from scizor.db.connect import connect
from scizor.db.embedded import PORT, Embedded
from tests.conftest import _database_settings, as_superuser
from tests.db.conftest import market, rows  # noqa: F401  # fixtures
from tests.jobs.stage import Stage, stage
from tests.rows.harvest import BAR_FAULTS, CLEAN, ERROR_FAULTS, Harvest, look

NAME = "test_harvest"


@contextmanager
def fresh_database(server: Embedded, template: str, name: str) -> Iterator[DatabaseConfig]:
    """As the fixture of that name, for as long as one likes."""
    with as_superuser(server, "postgres") as superuser:
        superuser.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        superuser.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        for setting in _database_settings(server, template):
            superuser.execute(f'ALTER DATABASE "{name}" SET {setting}')
    yield replace(DatabaseConfig(), host=str(server.socket_directory), port=PORT, name=name)
    with as_superuser(server, "postgres") as superuser:
        superuser.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(scope="module")
def harvest(
    server: Embedded, template: str, tmp_path_factory: pytest.TempPathFactory, worker_name: str
) -> Iterator[Harvest]:
    """One year of each symbol, each with its own fault; then once more when the faults are over."""
    folder = tmp_path_factory.mktemp("harvest")
    with fresh_database(server, template, worker_name) as place, connect(place, application="tests", owner=True) as owner:
        config = replace(
            Config(), mode="replay", database=place, collect=replace(Config().collect, daily_years=1),
            gateway=replace(Config().gateway, connect_timeout_seconds=600.0), paths=PathsConfig(state=str(folder / "state"), logs=str(folder / "logs")),
        )  # fmt: skip
        with stage(config, owner, folder, speed=20.0) as there:
            yield _reap(there)


@pytest.fixture(scope="module")
def worker_name(request: pytest.FixtureRequest) -> str:
    import os

    return f"{NAME}_{os.getpid()}_{request.module.__name__.rpartition('.')[2]}"


def _reap(there: Stage) -> Harvest:
    everybody = (*BAR_FAULTS, *ERROR_FAULTS, *CLEAN)
    there.list_symbols(*everybody)
    assert there.run("symbols", "qualify") is Exit.DONE
    for symbol, (fault, argument, _) in {**BAR_FAULTS, **ERROR_FAULTS}.items():
        there.inject(fault, argument, con_id=there.con_id(symbol))
    status = there.run("collect-daily")
    first = look(there, status)
    there.forget()
    again = there.run("collect-daily", "--retry-failed", "--include-permanent")
    return Harvest(there, first, look(there, again))
