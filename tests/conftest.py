"""Fixtures give real things: a real PostgreSQL, a fresh migrated database for each test, a clock that is handed in.

The server is the product's own embedded one, below var/tests, shared by every pytest that runs at the same time. A
database is copied from a template that is named after the schema files: made once, and again when they change.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from scizor.base import service
from scizor.base.clock import StoppedClock
from scizor.base.config import Config, DatabaseConfig
from scizor.base.paths import ROOT, recordings_directory
from scizor.db.embedded import PORT, SUPERUSER, Embedded, embedded

EPOCH = datetime(2025, 1, 15, 6, 0, tzinfo=UTC)  # a Wednesday, 17:00 in Sydney: the session is over and due
TEMPLATE_LOCK = 7331


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--exhaustive", action="store_true", help="run the full counts of the invariants (hours)")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--exhaustive"):
        return
    for item in items:
        if "exhaustive" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="a full count: --exhaustive"))


@pytest.fixture(autouse=True)
def _no_configuration_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test never reads or writes what the person at this checkout has configured."""
    monkeypatch.setenv("SCIZOR_CONFIG", "/nonexistent/scizor.toml")


@pytest.fixture(scope="session")
def recordings() -> Path:
    found = recordings_directory()
    if found is None:
        pytest.skip("recordings absent: no ../shared/data and no SCIZOR_RECORDINGS")
    return found


@pytest.fixture
def clock() -> StoppedClock:
    """Stands at 2025-01-15 06:00 UTC until a test moves it."""
    return StoppedClock(EPOCH)


@pytest.fixture(scope="session")
def server() -> Iterator[Embedded]:
    """A running embedded PostgreSQL."""
    found = embedded(ROOT / "var" / "tests")
    with service.use(found.service):
        yield found


@pytest.fixture(scope="session")
def template(server: Embedded) -> str:
    """The name of a migrated, empty database."""
    from scizor.db import migrate

    files = sorted((ROOT / "sql" / "schema").glob("*.sql"))
    mark = hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()[:12]
    name = f"template_{mark}"
    with as_superuser(server, "postgres") as superuser:
        superuser.execute("SELECT pg_advisory_lock(%s)", [TEMPLATE_LOCK])
        if not superuser.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
            superuser.execute(f'CREATE DATABASE "{name}_partial"')
            with as_superuser(server, f"{name}_partial") as partial:
                migrate.apply(partial, EPOCH)
            superuser.execute(f'ALTER DATABASE "{name}_partial" RENAME TO "{name}"')
        superuser.execute("SELECT pg_advisory_unlock(%s)", [TEMPLATE_LOCK])
    return name


@pytest.fixture
def database_config(server: Embedded, template: str) -> Iterator[DatabaseConfig]:
    """Where a fresh, migrated, empty database is."""
    with fresh_database(server, template) as found:
        yield found


@contextmanager
def fresh_database(server: Embedded, template: str) -> Iterator[DatabaseConfig]:
    """The same for a fixture that several tests share."""
    name = f"test_{os.getpid()}_{uuid.uuid4().hex[:8]}"
    with as_superuser(server, "postgres") as superuser:
        superuser.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        for setting in _database_settings(server, template):
            superuser.execute(f'ALTER DATABASE "{name}" SET {setting}')
    yield replace(DatabaseConfig(), host=str(server.socket_directory), port=PORT, name=name)
    with as_superuser(server, "postgres") as superuser:
        superuser.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def database(server: Embedded, database_config: DatabaseConfig) -> Iterator[psycopg.Connection]:
    """That database, as its owner, autocommit."""
    from scizor.db.connect import connect

    with connect(database_config, application="tests", owner=True) as connection:
        yield connection


@pytest.fixture
def collector(database_config: DatabaseConfig) -> Iterator[psycopg.Connection]:
    """The same database, as the collector: what jobs use."""
    from scizor.db.connect import connect

    with connect(database_config, application="tests") as connection:
        yield connection


@pytest.fixture
def config(database_config: DatabaseConfig, tmp_path: Path) -> Config:
    """A whole configuration in replay mode on that database, with state and logs of its own."""
    default = Config()
    return replace(
        default, mode="replay", database=database_config,
        paths=replace(default.paths, state=str(tmp_path / "state"), logs=str(tmp_path / "logs")),
    )  # fmt: skip


@pytest.fixture
def superuser_of(server: Embedded) -> Callable[[str], psycopg.Connection]:
    """Opens any database of the server as its superuser; the test closes it."""
    return lambda name: as_superuser(server, name)


def as_superuser(server: Embedded, name: str) -> psycopg.Connection:
    return psycopg.connect(host=str(server.socket_directory), port=PORT, user=SUPERUSER, dbname=name, autocommit=True)


def _database_settings(server: Embedded, template: str) -> list[str]:
    """search_path and time zone are set on a database, and a copy does not inherit them."""
    with as_superuser(server, "postgres") as superuser:
        row = superuser.execute(
            "SELECT setconfig FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase "
            "WHERE d.datname = %s AND s.setrole = 0", [template],
        ).fetchone()  # fmt: skip
    return [f"{name} TO {value}" for name, value in (text.split("=", 1) for text in (row[0] if row else []))]
