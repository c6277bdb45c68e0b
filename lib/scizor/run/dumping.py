"""A database into a folder and back: one snapshot, read twice side by side: by pg_dump, and by us for the manifest.

manifest.json says what a restored database must hold and which files there are. A client newer than the server it restores
into sets what that server does not know (transaction_timeout, before 17): then its script is passed on to psql without it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from scizor.base.clock import Clock
from scizor.base.config import Config, DatabaseConfig
from scizor.base.errors import FindingError, PartialError, ScizorError
from scizor.db import contents, migrate, scratch
from scizor.db.connect import Connection, connect
from scizor.db.embedded import SUPERUSER
from scizor.run import clients, sealing

MANIFEST, VERSION = "manifest.json", 1
DUMP, GLOBALS, CONFIGURATION = "database.dump", "globals.sql", "scizor.toml"
JOBS_MAX = 4
UNKNOWN_BEFORE = {"SET transaction_timeout = 0;": 170000}
PREAMBLE_LINES = 60


@dataclass(frozen=True, slots=True)
class Task:
    """What dumping and restoring share. advance: told what is in hand; is_stopped: looked at all the time."""

    config: Config
    server: DatabaseConfig
    clock: Clock
    is_stopped: Callable[[], bool] = lambda: False
    advance: Callable[[str], None] = lambda _: None

    def reader(self) -> DatabaseConfig:
        backup = self.config.backup
        return replace(self.server, user=backup.user, password_file=backup.password_file)

    def restorer(self) -> DatabaseConfig:
        backup, database = self.config.backup, self.config.database
        user = backup.restore_user or (database.owner if database.host else SUPERUSER)
        return replace(self.server, user=user, password_file=backup.restore_password_file or self.server.owner_password_file)

    def connect(self, who: DatabaseConfig, name: str = "") -> Connection:
        return connect(who, application="backup", name=name or None, clock=self.clock)

    def look(self, text: str) -> None:
        if self.is_stopped():
            raise PartialError("asked to stop: what was begun is undone")
        self.advance(text)


def dump(task: Task, folder: Path, keys: Sequence[str], about: Mapping[str, Any]) -> dict[str, Any]:
    """Everything into the folder, which is there and empty; returns the manifest, not yet written. about: goes into it."""
    who = task.reader()
    with task.connect(who) as connection, contents.snapshot(connection) as snapshot:
        server_version = connection.info.server_version
        binaries = clients.find(task.config, server_version)
        env = clients.environment(who, who.user, who.password_file, who.name, "backup")
        command: list[str | Path] = [binaries / "pg_dump", "--format=custom", f"--snapshot={snapshot}", "--lock-wait-timeout=60s", "--no-password"]
        taken = task.clock.now()
        with clients.running(command, env, stdout=subprocess.PIPE) as child:
            writing = _Writing(child, folder / DUMP, keys, task.is_stopped)
            found = contents.read(connection, task.look)
            sealed = [("database", writing.join())]
        found["sequences_after"] = contents.sequences(connection)
    command = [binaries / "pg_dumpall", "--globals-only", "--no-role-passwords", f"--database={who.name}", "--no-password"]
    with clients.running(command, env, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        sealed.append(("globals", sealing.write(child.stdout, folder / GLOBALS, keys, task.is_stopped)))
    if task.config.file is not None and task.config.file.is_file():
        with open(task.config.file, "rb") as source:
            sealed.append(("configuration", sealing.write(source, folder / CONFIGURATION, keys)))
    return {
        "format": "scizor backup", "version": VERSION, "name": folder.name.removesuffix(".partial"), "taken_at": taken.isoformat(),
        "of": who.name, "server_version": server_version, "client_version": clients.major_of(binaries), "recipients": list(keys),
        "rows": sum(each["rows"] for each in found["tables"].values()), **about, **found,
        "files": [{"what": what, **asdict(each)} for what, each in sealed],
    }  # fmt: skip


def load(folder: Path) -> dict[str, Any]:
    """The manifest. FindingError when there is none, or it is not one that this program reads."""
    file = folder / MANIFEST
    try:
        found: dict[str, Any] = json.loads(file.read_bytes())
        if found["format"] != "scizor backup" or found["version"] != VERSION:
            raise FindingError(f"{file} is of version {found['version']}, this program knows {VERSION}", hint="update this checkout")
        [name_of(found, "database"), datetime.fromisoformat(found["taken_at"]), found["tables"], found["schema_number"]]
        return found
    except FileNotFoundError:
        raise FindingError(f"{folder} is no backup: {MANIFEST} is not there") from None
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise FindingError(f"{file} is damaged: {problem!r}") from None


def save(folder: Path, manifest: Mapping[str, Any]) -> bytes:
    """Manifest and SHA256SUMS, on disk; returns the SHA-256 of the latter, which stands for the whole."""
    sealing.put_text(folder / MANIFEST, json.dumps(manifest, indent=1, default=str) + "\n")
    sealing.put_text(folder / sealing.SUMS, sealing.sums(folder))
    return bytes.fromhex(sealing.hash_of(folder / sealing.SUMS))


def name_of(manifest: Mapping[str, Any], what: str) -> str:
    """The file's name below the folder."""
    return str(next(each["path"] for each in manifest["files"] if each["what"] == what))


def read_through(task: Task, folder: Path, manifest: Mapping[str, Any], identities: Sequence[Any]) -> None:
    """Every file to its end, decrypted, and the dump's every row through pg_restore: FindingError for what is not right."""
    for each in manifest["files"]:
        task.look(each["path"])
        with sealing.opened(folder / each["path"], identities) as plain:
            through = sealing.Through(plain, task.is_stopped)
            if each["what"] == "database":
                with clients.running([_restore(task, manifest), "--file=/dev/null"], os.environ, stdin=subprocess.PIPE) as child:
                    _feed(through, child)
            while through.read(sealing.BLOCK):
                pass
        if (through.bytes, through.hex()) != (each["plain_bytes"], each["plain_sha256"]):
            raise FindingError(f"{each['path']} does not hold what went into it")


def restore(task: Task, folder: Path, manifest: Mapping[str, Any], identities: Sequence[Any], name: str) -> None:
    """The dump into the empty database `name`, with its settings, rights and statistics. Ends at the first error."""
    who = task.restorer()
    with task.connect(who, name) as connection:
        to_version = connection.info.server_version
    binaries = clients.find(task.config, max(to_version, manifest["client_version"] * 10000))  # an older one cannot read its file
    # Thousands of small commits wait for no disk; the statements of scratch.finish, which do, bring them all there.
    env = clients.environment(who, who.user, who.password_file, name, "restore", "-c synchronous_commit=off")
    file = folder / name_of(manifest, "database")
    base: list[str | Path] = [binaries / "pg_restore", "--exit-on-error", "--no-password"]
    client = clients.major_of(binaries) * 10000
    unknown = [line for line, since in UNKNOWN_BEFORE.items() if to_version < since <= client]
    if unknown:
        _through_psql(task, binaries, env, file, identities, unknown)
    elif file.suffix == sealing.AGE:
        with sealing.opened(file, identities) as plain, clients.running([*base, f"--dbname={name}"], env, stdin=subprocess.PIPE) as child:
            _feed(sealing.Through(plain, task.is_stopped), child)
    else:
        jobs = min(JOBS_MAX, len(os.sched_getaffinity(0)))
        with clients.running([*base, f"--dbname={name}", f"--jobs={jobs}", file], env) as child:
            clients.wait(child, task.is_stopped)
    with task.connect(who, name) as connection:
        contents.settle(connection)
        scratch.finish(connection, manifest["database"])


def compare(task: Task, manifest: Mapping[str, Any], name: str) -> list[str]:
    """What the restored database has otherwise than the manifest says; nothing: they are equal, and the next insert works."""
    with task.connect(task.restorer(), name) as connection:
        contents.settle(connection)
        found = contents.read(connection, task.look)
        is_same_major = connection.info.server_version // 10000 == manifest["server_version"] // 10000
        return contents.differences(manifest, found, with_schema=is_same_major) + contents.behind(connection)


def schema_number() -> int:
    """The newest schema that this checkout knows."""
    return max(migrate.files())


def make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700)
    except OSError as problem:
        raise sealing.refusal(problem, folder) from None


def free(folder: Path) -> tuple[int, int]:
    """Bytes and inodes that are free where the folder lies, or will."""
    there = next(each for each in (folder, *folder.parents) if each.exists())
    status = os.statvfs(there)
    return shutil.disk_usage(there).free, status.f_favail if status.f_files else 1 << 40  # btrfs counts no inodes


class _Writing:
    """pg_dump's output on its way to the disk while the caller counts; join() gives the file, or raises what went wrong."""

    def __init__(self, child: subprocess.Popen[bytes], file: Path, keys: Sequence[str], is_stopped: Callable[[], bool]) -> None:
        assert child.stdout is not None
        self._child, self._source, self._is_over = child, child.stdout, False
        self._result: sealing.Sealed | None = None
        self._problem: ScizorError | None = None
        self._arguments = (file, keys, lambda: self._is_over or is_stopped())
        self._thread = threading.Thread(target=self._run, name="dump", daemon=True)
        self._thread.start()

    def join(self) -> sealing.Sealed:
        self._thread.join()
        if self._problem is not None:
            raise self._problem
        assert self._result is not None
        return self._result

    def _run(self) -> None:
        file, keys, is_stopped = self._arguments
        try:
            self._result = sealing.write(self._source, file, keys, is_stopped)
        except ScizorError as problem:
            self._problem = problem
            self._child.terminate()  # else it would wait for ever for somebody who reads


def _restore(task: Task, manifest: Mapping[str, Any]) -> Path:
    return clients.find(task.config, manifest["client_version"] * 10000) / "pg_restore"


def _feed(plain: sealing.Through, child: subprocess.Popen[bytes]) -> None:
    """Everything into its stdin; what it says itself about a pipe that it closed comes first."""
    assert child.stdin is not None
    with contextlib.suppress(BrokenPipeError):
        while block := _next(plain):
            child.stdin.write(block)
        child.stdin.close()


def _next(plain: sealing.Through) -> bytes:
    try:
        return plain.read(sealing.BLOCK)
    except InterruptedError:
        raise PartialError("asked to stop: what was begun is undone") from None


def _through_psql(task: Task, binaries: Path, env: Mapping[str, str], file: Path, identities: Sequence[Any], unknown: Sequence[str]) -> None:
    psql: list[str | Path] = [binaries / "psql", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--single-transaction", "--no-password", "--file=-"]
    with (
        sealing.opened(file, identities) as plain,
        clients.running([binaries / "pg_restore", "--file=-"], env, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as script,
        clients.running(psql, env, stdin=subprocess.PIPE) as sink,
    ):
        feeding = threading.Thread(target=_feed, args=(sealing.Through(plain, task.is_stopped), script), name="feed", daemon=True)
        feeding.start()
        assert script.stdout is not None and sink.stdin is not None
        _pass_on(script.stdout, sink.stdin, unknown)
        feeding.join()


def _pass_on(source: IO[bytes], sink: IO[bytes], unknown: Sequence[str]) -> None:
    """A script without the lines that the server does not know; they stand at its head, before any data."""
    left_out = {line.encode() for line in unknown}
    with contextlib.suppress(BrokenPipeError):
        for _ in range(PREAMBLE_LINES):
            line = source.readline()
            if line.strip() not in left_out:
                sink.write(line)
        shutil.copyfileobj(source, sink, sealing.BLOCK)
        sink.close()
