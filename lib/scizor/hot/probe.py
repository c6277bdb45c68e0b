"""Is Redis there, does it take writes, how full is it? Asked in its own protocol over one socket.

Not through redis-py: its import takes a second, a third of what a whole bin/check may cost, and its retries would make a
dead server look slow. RESP2 of four commands is all that is needed: https://redis.io/docs/latest/develop/reference/protocol-spec/
"""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from typing import IO

from scizor.base.config import RedisConfig, secret
from scizor.base.errors import RefusedError, UnreachableError

LINE_MAX, BULK_MAX = 4096, 1_000_000  # bytes: an answer that is longer is none of Redis'


@dataclass(frozen=True, slots=True)
class Pulse:
    """info: of INFO memory, persistence and replication, as the server names it."""

    info: dict[str, str] = field(default_factory=dict)


def probe(config: RedisConfig, timeout_seconds: float) -> Pulse:
    """Connects, logs in, pings, asks. UnreachableError: nobody answers in time, or LOADING; RefusedError: NOAUTH, WRONGPASS, NOPERM."""
    where = config.socket or f"{config.host}:{config.port}"
    try:
        with _connect(config, timeout_seconds) as link, link.makefile("rb") as stream:
            password = secret(config.password_file)
            if password:
                words = ["AUTH", config.user, password] if config.user else ["AUTH", password]
                _ask(link, stream, where, *words)
            _ask(link, stream, where, "PING")
            told = "".join(_ask(link, stream, where, "INFO", part) for part in ("memory", "persistence", "replication"))
    except (OSError, ValueError) as problem:
        raise UnreachableError(f"Redis at {where} does not answer: {problem}", hint="redis-cli ping; see [redis] in the configuration") from None
    return Pulse(dict(line.split(":", 1) for line in told.splitlines() if ":" in line and not line.startswith("#")))


def _connect(config: RedisConfig, timeout_seconds: float) -> socket.socket:
    if config.socket:
        link = socket.socket(socket.AF_UNIX)
        link.settimeout(timeout_seconds)
        try:
            link.connect(config.socket)
        except OSError:
            link.close()
            raise
        return link
    return socket.create_connection((config.host, config.port), timeout_seconds)


def _ask(link: socket.socket, stream: IO[bytes], where: str, *words: str) -> str:
    """One command and its answer: a status or a bulk string. An error is raised by its class."""
    encoded = [word.encode() for word in words]
    link.sendall(b"*%d\r\n" % len(encoded) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in encoded))
    line = stream.readline(LINE_MAX)
    kind, text = line[:1], line[1:].strip().decode(errors="replace")
    if kind == b"-":
        if text.split(" ")[0] in ("NOAUTH", "WRONGPASS", "NOPERM", "ERR") and words[0] in ("AUTH", "PING", "INFO"):
            raise RefusedError(f"Redis at {where} refuses: {text}", hint="see user and password_file under [redis]")
        raise UnreachableError(f"Redis at {where} is not ready: {text}", hint="redis-cli info persistence")
    if kind == b"+":
        return text
    if kind != b"$" or not 0 <= int(text) <= BULK_MAX:
        raise ValueError(f"this is no Redis: {line[:40]!r}")
    body = stream.read(int(text) + 2)
    return body[:-2].decode(errors="replace")
