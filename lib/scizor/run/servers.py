"""Embedded servers for whoever needs one: a configured server comes first."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from scizor.base import service
from scizor.base.config import Config, DatabaseConfig
from scizor.base.errors import ConfigurationError
from scizor.base.paths import ROOT
from scizor.base.service import Service, read_ready_file
from scizor.db.embedded import PORT, embedded


@contextlib.contextmanager
def database_server(config: Config, *, is_made: bool = True) -> Iterator[DatabaseConfig]:
    """Yields where the database is. Without a configured host the embedded server runs while the body does.

    is_made: False for who only looks: ConfigurationError where there is none yet, instead of making an empty one.
    """
    if config.database.host:
        yield config.database
        return
    server = embedded(config.make_paths().state)
    if not is_made and not (server.service.directory / "data").exists():
        raise ConfigurationError("there is no embedded database yet", hint="bin/migrate makes it; or name a server under [database]")
    with service.use(server.service):
        yield replace(config.database, host=str(server.socket_directory), port=PORT)


def client_binaries(config: Config) -> Path:
    """Where psql and pg_dump of the embedded server lie."""
    return embedded(config.make_paths().state).binaries


def replay_gateway(state: Path, options: tuple[str, ...], *, host: str = "127.0.0.1", port: int = 14002) -> Service:
    """The replay gateway as a child server. options: of bin/replay-gateway, without port and ready file."""
    home = state / "gateway"
    ready = home / "ready.json"

    def pid() -> int | None:
        found = read_ready_file(ready).get("pid")
        return found if isinstance(found, int) else None

    def is_ready() -> bool:
        if pid() is None:
            return False
        with contextlib.closing(socket.socket()) as probe:
            probe.settimeout(1.0)
            return probe.connect_ex((host, port)) == 0

    command = (
        sys.executable, str(ROOT / "bin" / "replay-gateway"), "--host", host, "--port", str(port),
        "--ready-file", str(ready), *options,
    )  # fmt: skip
    kept = {name: value for name, value in os.environ.items() if name.startswith("SCIZOR_") or name == "HOME"}
    return Service(
        name="gateway", directory=home, command=command, pid=pid, is_ready=is_ready,
        prepare=lambda: ready.unlink(missing_ok=True), environment=tuple(kept.items()),
    )  # fmt: skip


def free_port(wanted: int, host: str = "127.0.0.1") -> int:
    """`wanted` if nobody listens there, else one that the system gives."""
    for port in (wanted, 0):
        with contextlib.closing(socket.socket()) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    return wanted
