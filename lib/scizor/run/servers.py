"""Embedded servers for whoever needs one: a configured server comes first."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from scizor.base import service
from scizor.base.config import Config, DatabaseConfig
from scizor.db.embedded import PORT, embedded


@contextlib.contextmanager
def database_server(config: Config) -> Iterator[DatabaseConfig]:
    """Yields where the database is. Without a configured host the embedded server runs while the body does."""
    if config.database.host:
        yield config.database
        return
    server = embedded(config.make_paths().state)
    with service.use(server.service):
        yield replace(config.database, host=str(server.socket_directory), port=PORT)


def client_binaries(config: Config) -> Path:
    """Where psql and pg_dump of the embedded server lie."""
    return embedded(config.make_paths().state).binaries
