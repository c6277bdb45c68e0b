"""Redis is asked in its own protocol: a real Valkey, and a few who are none."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.jobs.checks.scene import place, redis

from scizor.base.config import RedisConfig
from scizor.base.errors import RefusedError, ScizorError, UnreachableError
from scizor.hot.probe import probe


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with place() as found:
        yield found


def test_a_server_tells_what_a_check_needs_over_its_socket(folder: Path) -> None:
    with redis(folder) as path:
        info = probe(RedisConfig(socket=str(path)), 2.0).info
    assert int(info["used_memory"]) > 0 and info["maxmemory_policy"] == "noeviction"
    assert (info["role"], info["rdb_last_bgsave_status"]) == ("master", "ok")


def test_a_password_is_needed_used_and_never_told(folder: Path) -> None:
    secret = folder / "secret"
    secret.write_text("cAnArY-redis-51\n")
    secret.chmod(0o400)
    with redis(folder, "--requirepass", "cAnArY-redis-51") as path:
        config = RedisConfig(socket=str(path))
        with pytest.raises(RefusedError, match="NOAUTH"):
            probe(config, 2.0)
        assert probe(replace(config, password_file=str(secret)), 2.0).info
        wrong = folder / "wrong"
        wrong.write_text("cAnArY-wrong-52\n")
        wrong.chmod(0o400)
        with pytest.raises(RefusedError, match="WRONGPASS") as refused:
            probe(replace(config, password_file=str(wrong)), 2.0)
        assert "cAnArY" not in str(refused.value)


@contextlib.contextmanager
def saying(answer: bytes) -> Iterator[int]:
    """Somebody who gives every question the same answer."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()

        def serve() -> None:
            with contextlib.suppress(OSError):
                link, _ = listening.accept()
                with link:
                    while link.recv(1000):
                        link.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        yield listening.getsockname()[1]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [(b"-LOADING Redis is loading the dataset in memory\r\n", UnreachableError), (b"-NOPERM this user has no permissions\r\n", RefusedError),
     (b"220 relay ESMTP\r\n", UnreachableError), (b"$99999999999\r\n", UnreachableError), (b"$x\r\n", UnreachableError), (b"\x00\xff\x13\n", UnreachableError)],
    ids=["loading", "noperm", "a relay", "too long", "no number", "noise"],
)  # fmt: skip
def test_row_68_what_is_not_ready_or_no_redis_is_an_error_of_ours(answer: bytes, kind: type[ScizorError]) -> None:
    with saying(answer) as port, pytest.raises(kind):
        probe(RedisConfig(host="127.0.0.1", port=port), 1.0)


def test_nobody_there_is_told_with_where() -> None:
    with pytest.raises(UnreachableError, match=r"/nonexistent/x\.sock"):
        probe(RedisConfig(socket="/nonexistent/x.sock"), 1.0)
