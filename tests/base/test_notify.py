"""What systemd is told, on a socket that plays systemd: ready, alive while the event loop turns, and not when it does not (I30)."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from scizor.base import notify
from scizor.base.paths import ROOT


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(20)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield listening


def beats(manager: socket.socket) -> int:
    """How many signs of life lie there."""
    manager.setblocking(False)
    count = 0
    try:
        while True:
            count += manager.recv(4096) == b"WATCHDOG=1"
    except BlockingIOError:
        manager.settimeout(20)
        return count


def test_it_is_told_in_one_datagram_and_a_line_cannot_be_smuggled_in(manager: socket.socket) -> None:
    assert notify.notify("READY=1", "STATUS=one\nMAINPID=1")
    assert manager.recv(4096) == b"READY=1\nSTATUS=one MAINPID=1"


def test_an_abstract_socket_is_one_too(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"scizor-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind("\0" + name)
        monkeypatch.setenv("NOTIFY_SOCKET", "@" + name)
        assert notify.notify("READY=1") and listening.recv(100) == b"READY=1"


@pytest.mark.parametrize("name", ["", "relative", "/nonexistent/notify", "@nobody-listens-here", "/dev/null"])
def test_where_nobody_listens_nothing_happens(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", name)
    assert notify.notify("READY=1") is False


@pytest.mark.parametrize(
    ("usec", "pid", "seconds"),
    [("30000000", "", 30.0), ("30000000", "mine", 30.0), ("30000000", "1", None), ("", "", None), ("0", "", None), ("soon", "", None), ("-5", "", None)],
)
def test_a_watchdog_is_for_the_process_that_it_names(monkeypatch: pytest.MonkeyPatch, usec: str, pid: str, seconds: float | None) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", usec)
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()) if pid == "mine" else pid)
    assert notify.watchdog_seconds() == seconds


def test_I30_a_loop_that_turns_says_so_and_one_that_is_blocked_does_not(manager: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "40000")
    monkeypatch.delenv("WATCHDOG_PID", raising=False)

    async def main() -> tuple[int, int, int]:
        alive = asyncio.ensure_future(notify.beat())
        await asyncio.sleep(0.4)
        turning = beats(manager)
        time.sleep(0.4)  # blocked: longer than systemd waits
        blocked = beats(manager)
        await asyncio.sleep(0.2)
        alive.cancel()
        return turning, blocked, beats(manager)

    turning, blocked, again = asyncio.run(main())
    assert turning >= 4 and blocked == 0 and again >= 2


def test_I30_a_daemon_says_ready_when_it_listens_lives_and_says_that_it_stops(manager: socket.socket) -> None:
    """The replay gateway, as systemd starts it: the process that is started is the one that speaks. Paused, it says nothing."""
    environment = {**os.environ, "WATCHDOG_USEC": "200000"}
    command = [str(ROOT / "bin" / "replay-gateway"), "--simulated", "1", "--port", "0"]
    daemon = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    try:
        said = manager.recv(4096)
        assert said.startswith(b"READY=1\nSTATUS=listening on 127.0.0.1:")
        for _ in range(3):
            assert manager.recv(4096) == b"WATCHDOG=1"
        daemon.send_signal(signal.SIGSTOP)
        beats(manager)
        time.sleep(0.5)
        assert beats(manager) == 0, "systemd would end it now"
        daemon.send_signal(signal.SIGCONT)
        assert manager.recv(4096) == b"WATCHDOG=1"
        daemon.send_signal(signal.SIGTERM)
        while (said := manager.recv(4096)) == b"WATCHDOG=1":
            pass
        assert said == b"STOPPING=1" and daemon.wait(20) == 0
    finally:
        daemon.kill()
        daemon.wait()
