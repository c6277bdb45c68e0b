"""Child servers: one start, adopted after a kill, stopped by the last user. A real PostgreSQL, as the product embeds it."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from scizor.base import service
from scizor.base.errors import UnreachableError
from scizor.base.paths import ROOT
from scizor.db.embedded import PORT, SUPERUSER, Embedded, embedded

USER = """
import sys, time
from pathlib import Path
from scizor.base import service
from scizor.db.embedded import embedded
server = embedded(Path(sys.argv[1]))
with service.use(server.service):
    print(server.service.pid(), flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def state() -> Path:
    """A fresh state directory that the server's user can reach; pytest's own are closed to others."""
    import shutil
    import uuid

    found = ROOT / "var" / "tests" / f"service-{uuid.uuid4().hex[:8]}"
    yield found  # type: ignore[misc]
    service.release(embedded(found).service)
    shutil.rmtree(found, ignore_errors=True)


def _user(state: Path) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", USER, str(state)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _served(user: subprocess.Popen[str]) -> int:
    assert user.stdout is not None
    return int(user.stdout.readline())


def _leave(user: subprocess.Popen[str]) -> None:
    user.communicate("\n", timeout=60)


def _is_alive(pid: int) -> bool:
    """A zombie is none: whose it is has not got round to waiting for it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _can_connect(server: Embedded) -> bool:
    try:
        psycopg.connect(host=str(server.socket_directory), port=PORT, user=SUPERUSER, dbname="postgres").close()
    except psycopg.OperationalError:
        return False
    return True


def test_six_users_at_once_share_one_server_and_the_last_one_stops_it(state: Path) -> None:
    users = [_user(state) for _ in range(6)]
    pids = {_served(user) for user in users}
    assert len(pids) == 1
    pid = pids.pop()
    for user in users[:-1]:
        _leave(user)
    assert _can_connect(embedded(state))
    _leave(users[-1])
    assert not _is_alive(pid)


def test_a_server_left_by_kill_9_is_adopted_and_stopped_by_the_next_user(state: Path) -> None:
    first = _user(state)
    pid = _served(first)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    assert _is_alive(pid)
    second = _user(state)
    assert _served(second) == pid
    _leave(second)
    assert not _is_alive(pid)


def test_a_pid_file_left_by_a_dead_server_is_not_taken_for_a_server(state: Path) -> None:
    first = _user(state)
    pid = _served(first)
    first.kill()
    first.communicate()
    os.kill(pid, signal.SIGKILL)  # the postmaster dies and leaves postmaster.pid and the socket behind
    for _ in range(500):
        if not Path(f"/proc/{pid}").exists():  # PostgreSQL itself takes a zombie for a living server
            break
        time.sleep(0.01)
    server = embedded(state)
    with service.use(server.service):
        assert server.service.pid() != pid
        assert _can_connect(server)


def test_a_kept_server_outlives_its_users_until_it_is_released(state: Path) -> None:
    server = embedded(state)
    with service.use(server.service):
        service.keep(server.service)
    assert _can_connect(server)
    assert service.release(server.service)
    assert not _can_connect(server)
    assert not service.release(server.service)  # twice is harmless


def test_a_path_too_long_for_a_socket_gets_a_short_directory_that_is_named(state: Path) -> None:
    deep = state.joinpath(*["d" * 30] * 4)
    server = embedded(deep)
    assert len(str(server.socket_directory)) < 60
    with service.use(server.service):
        assert _can_connect(server)
    assert (deep / "postgres.socket").read_text().strip() == str(server.socket_directory)
    assert embedded(deep).socket_directory == server.socket_directory


def test_data_of_another_major_version_are_refused_by_name(state: Path) -> None:
    server = embedded(state)
    with service.use(server.service):
        pass
    (server.service.directory / "data" / "PG_VERSION").write_text("9\n")
    with pytest.raises(Exception, match="made by PostgreSQL 9, the binaries here are"), service.use(server.service):
        pass


def test_a_server_that_does_not_start_says_why(state: Path) -> None:
    broken = embedded(state, settings={"shared_buffers": "nonsense"})
    with pytest.raises(UnreachableError, match="shared_buffers"), service.use(broken.service):
        pass


def test_a_server_that_does_not_get_ready_in_time_is_not_left_behind(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    slow = service.Service(
        name="slow", directory=tmp_path / "slow", command=("/bin/sh", "-c", f"echo $$ >> '{pids}'; exec sleep 600"), pid=lambda: None,
        is_ready=lambda: False, start_seconds=0.5,
    )  # fmt: skip
    with pytest.raises(UnreachableError, match="did not get ready in time"), service.use(slow):
        pass
    (pid,) = pids.read_text().split()
    assert not Path(f"/proc/{pid}").exists()


def test_nothing_of_it_listens_on_tcp(state: Path) -> None:
    server = embedded(state)
    with service.use(server.service), psycopg.connect(host=str(server.socket_directory), user=SUPERUSER, dbname="postgres") as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
    assert (server.socket_directory.stat().st_mode & 0o777) == 0o700


def test_whoever_starts_it_and_is_paused_is_waited_for_with_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "WAIT_SECONDS", 0.2)
    waiting = service.Service("a-server", tmp_path / "a-server", ("false",), pid=lambda: os.getpid(), is_ready=lambda: True)
    with open(tmp_path / "a-server.start.lock", "w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(UnreachableError, match="another process has held") as refusal, service.use(waiting):
            pass
    assert "a-server.start.lock" in refusal.value.hint


def test_a_lock_that_does_not_come_at_the_end_costs_no_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The work is done: the server is left running, as after kill -9, and the next one adopts it."""
    (tmp_path / "a-server").mkdir()
    child = subprocess.Popen(["sh", "-c", "sleep 60 #" + str(tmp_path / "a-server")])
    running = service.Service("a-server", tmp_path / "a-server", ("false",), pid=lambda: child.pid, is_ready=lambda: True)
    try:
        with open(tmp_path / "a-server.start.lock", "w") as other, service.use(running):
            monkeypatch.setattr(service, "WAIT_SECONDS", 0.2)
            fcntl.flock(other, fcntl.LOCK_EX)
        assert child.poll() is None
    finally:
        child.kill()
        child.wait()


def test_a_server_whose_parent_waits_for_nobody_is_stopped_at_once(tmp_path: Path) -> None:
    """It stays behind as a zombie: of a starter that lives on, or of a container's first process."""
    (tmp_path / "a-server").mkdir()
    program = "import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)', sys.argv[1]]).pid, flush=True); sys.stdin.readline()"
    parent = subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "a-server")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    stopping = service.Service("a-server", tmp_path / "a-server", ("false",), pid=lambda: pid, is_ready=lambda: True, stop_signal=signal.SIGTERM)
    try:
        begun = time.monotonic()
        with service.use(replace(stopping, directory=tmp_path / "a-server")):
            pass
        assert time.monotonic() - begun < 10
        assert Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z", "planted: it is still there"
    finally:
        parent.communicate("\n", timeout=20)
