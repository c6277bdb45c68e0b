"""Child servers (PostgreSQL, later Valkey, the replay gateway): started by the first script that needs one, stopped by
the last. One function for all; the rooms that know a server describe it as a Service.

Every user holds a shared flock on users.lock for as long as it uses the server; whoever leaves tries for the exclusive
one, and who gets it was the last. The kernel frees a lock when its process dies, so kill -9 leaves at worst a running
server, which the next script adopts and stops. Nothing is unlinked.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pwd
import signal
import stat
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import IO

from scizor.base import flock
from scizor.base.clock import RunningClock
from scizor.base.errors import ConfigurationError, NoSpaceError, UnreachableError
from scizor.base.paths import private_directory, private_file

POLL_SECONDS = 0.02
STOP_SECONDS = 30.0
WAIT_SECONDS = 180.0  # for another process to start or stop it: a minute, or twice STOP_SECONDS, and then some


@dataclass(frozen=True, slots=True)
class Service:
    """What starting, finding and stopping a server needs.

    directory: its own, mode 0700. prepare: run before each start, under the lock. command: its argv. pid: of the running
    server that belongs to this directory, or None. is_ready: it takes connections. user: uid and gid to run as, None for
    our own. stop_signal: what makes it end quickly and cleanly.
    """

    name: str
    directory: Path
    command: tuple[str, ...]
    pid: Callable[[], int | None]
    is_ready: Callable[[], bool]
    prepare: Callable[[], None] = lambda: None
    user: tuple[int, int] | None = None
    stop_signal: signal.Signals = signal.SIGINT
    start_seconds: float = 60.0
    environment: tuple[tuple[str, str], ...] = ()

    @property
    def log(self) -> Path:
        return self.directory / f"{self.name}.log"


@contextlib.contextmanager
def use(service: Service) -> Iterator[None]:
    """The server runs while the body does. Raises UnreachableError with the tail of its log if it does not start."""
    private_directory(service.directory.parent)
    _own_directory(service)
    locks = service.directory.parent
    with open(private_file(locks / f"{service.name}.users.lock"), "a") as users:
        with _locked(locks / f"{service.name}.start.lock"):
            if not flock.take(users, fcntl.LOCK_SH, WAIT_SECONDS):
                raise _held(locks / f"{service.name}.users.lock")
            if not _is_running(service):
                _start(service)
        try:
            yield
        finally:
            # Whoever cannot get it in time leaves a running server, as after kill -9: the next one adopts and stops it.
            with contextlib.suppress(UnreachableError), _locked(locks / f"{service.name}.start.lock"):
                fcntl.flock(users, fcntl.LOCK_UN)
                if not is_kept(service) and _is_last(users):
                    _stop(service)


def keep(service: Service) -> None:
    """From now on the last user does not stop it; release() does."""
    private_file(service.directory.parent / f"{service.name}.keep")


def is_kept(service: Service) -> bool:
    return (service.directory.parent / f"{service.name}.keep").exists()


def release(service: Service) -> bool:
    """Ends what keep() began, and stops the server if nobody uses it. True if it was stopped."""
    locks = service.directory.parent
    if not service.directory.exists():
        return False
    (locks / f"{service.name}.keep").unlink(missing_ok=True)
    with _locked(locks / f"{service.name}.start.lock"), open(private_file(locks / f"{service.name}.users.lock"), "a") as users:
        if not _is_running(service) or not _is_last(users):
            return False
        _stop(service)
        return True


def run_as(root: Path) -> tuple[int, int] | None:
    """As whom a server runs that refuses root: the owner of the checkout, else nobody; None when we are not root."""
    if os.geteuid() != 0:
        return None
    owner = root.stat()
    if owner.st_uid != 0:
        return owner.st_uid, owner.st_gid
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid


def is_open_to(path: Path, user: tuple[int, int]) -> bool:
    """True if every directory above `path` lets that user through."""
    uid, gid = user
    for parent in path.resolve().parents:
        status = parent.stat()
        bit = stat.S_IXUSR if status.st_uid == uid else stat.S_IXGRP if status.st_gid == gid else stat.S_IXOTH
        if not status.st_mode & bit:
            return False
    return True


def _own_directory(service: Service) -> None:
    private_directory(service.directory)
    if service.user and service.directory.stat().st_uid != service.user[0]:
        os.chown(service.directory, *service.user)


def _is_running(service: Service) -> bool:
    pid = service.pid()
    return pid is not None and _is_alive(pid) and _is_ours(service, pid) and service.is_ready()


def _is_ours(service: Service, pid: int) -> bool:
    """Not a stranger to whom the number of our dead server was given: its command line names our directory. Where the
    system does not show command lines, the number is believed."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return True
    return os.fsencode(service.directory) in command


def _start(service: Service) -> None:
    service.prepare()
    uid, gid = service.user or (None, None)
    with _open_log(service) as log:
        try:
            child = subprocess.Popen(
                service.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", start_new_session=True,
                user=uid, group=gid, extra_groups=[] if uid is not None else None, umask=0o077,
                env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC", **dict(service.environment)},
            )  # fmt: skip
        except PermissionError as refusal:
            raise ConfigurationError(f"cannot start {service.name}: {refusal}") from None
    clock = RunningClock()
    limit = clock.now() + timedelta(seconds=service.start_seconds)
    while not service.is_ready():
        if child.poll() is not None or clock.now() > limit:
            failure = _start_failure(service, child.poll())
            child.kill()  # half a server is worse than none: nobody would ever stop it
            child.wait()
            raise failure
        _pause(POLL_SECONDS)
    child.returncode = 0  # from here on it is known by its pid alone, like one that somebody else started


def _stop(service: Service) -> None:
    pid = service.pid()
    if pid is None or not _is_ours(service, pid):
        return
    for number, patience in ((service.stop_signal, STOP_SECONDS), (signal.SIGQUIT, STOP_SECONDS), (signal.SIGKILL, 5.0)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        waited = 0.0
        while waited < patience:
            if not _is_alive(pid):
                return
            _pause(POLL_SECONDS)
            waited += POLL_SECONDS


def _pause(seconds: float) -> None:
    """Servers start and stop in the machine's time, whatever the product's clock says."""
    RunningClock().pause(seconds)


def _is_alive(pid: int) -> bool:
    """Not counting zombies: who ended and was not waited for is gone. It may be a child of ours, of another process that
    started it and lives on, or, in a container, of a first process that waits for nobody."""
    with contextlib.suppress(ChildProcessError):
        if os.waitpid(pid, os.WNOHANG) != (0, 0):
            return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0] != "Z"
    except (OSError, IndexError):  # no /proc, or gone this very moment
        return not Path("/proc/self/stat").exists()


def _is_last(users: IO[str]) -> bool:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with open(private_file(path), "a") as file:
        if not flock.take(file, fcntl.LOCK_EX, WAIT_SECONDS):
            raise _held(path)
        yield


def _held(path: Path) -> UnreachableError:
    return UnreachableError(
        f"another process has held {path} for {WAIT_SECONDS:.0f} s while it starts or stops a server", hint=f"is it paused or hanging? fuser -v {path} names it"
    )


@contextlib.contextmanager
def _open_log(service: Service) -> Iterator[IO[bytes]]:
    with open(os.open(service.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as log:
        if service.user:
            os.fchown(log.fileno(), *service.user)
        yield log


def _start_failure(service: Service, status: int | None) -> Exception:
    tail = service.log.read_text(errors="replace").strip().splitlines()[-3:]
    said = " / ".join(tail) or "nothing"
    if "No space left" in said:
        return NoSpaceError(f"{service.name} did not start: {said}")
    how = "did not get ready in time" if status is None else f"ended with status {status}"
    return UnreachableError(f"{service.name} {how}; it said: {said}", hint=f"see {service.log}")


def read_ready_file(path: Path) -> dict[str, object]:
    """What a server of ours wrote when it began to listen: {"pid": …, "port": …}; empty while it has not."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
