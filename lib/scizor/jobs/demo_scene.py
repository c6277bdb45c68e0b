"""A scene of the demo: a configuration, a database and a replay gateway of its own, and the real commands run on them.

Its clock stands at the moment at which the last session of its input has become due, so there is nothing left to wait for.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from scizor.base import service
from scizor.base.clock import RunningClock
from scizor.base.config import Config, load
from scizor.base.errors import ScizorError, UnreachableError
from scizor.base.exit import Exit
from scizor.base.paths import ROOT, private_directory
from scizor.db.connect import connect
from scizor.db.embedded import embedded
from scizor.market.calendar import sessions
from scizor.run.servers import database_server, free_port, replay_gateway

FRESH = timedelta(hours=12)
INTERRUPT_WALL_SECONDS = 20.0


class StepError(ScizorError):
    """A step of the demo failed and has said why; the demo ends with its status."""

    def __init__(self, message: str, status: Exit) -> None:
        super().__init__(message, hint="bin/demo --fresh begins anew; what was said stands above and in logs/")
        self.exit = status  # type: ignore[misc]


@dataclass(frozen=True)
class Scene:
    """home: below var/. calendar: whose last session the clock stands at. port: of its gateway, where that is free."""

    home: Path
    calendar: str
    port: int

    @property
    def file(self) -> Path:
        return self.home / "scizor.toml"

    def stop(self) -> list[str]:
        """Ends the servers that it keeps; their names."""
        if not self.file.exists():
            return []
        config = load(self.file)
        state = config.make_paths().state
        kept = (("the gateway", replay_gateway(state, (), port=config.gateway.port)), ("PostgreSQL", embedded(state).service))
        return [name for name, each in kept if service.release(each)]

    def forget(self) -> None:
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    @contextlib.contextmanager
    def playing(self, source: Sequence[str], symbols: Sequence[str]) -> Iterator[tuple[Config, str]]:
        """Runs its servers, and leaves them running. Its configuration, and what its gateway says of the input."""
        config, label = self._running(source)
        if config is None:
            told = describe(source, self.calendar, symbols)
            label = str(told["label"])
            config = self._configure(date.fromisoformat(str(told["last_session"])), source, label)
        server = embedded(config.make_paths().state)
        with service.use(server.service):
            service.keep(server.service)
            gateway = replay_gateway(
                config.make_paths().state, ("--config", str(self.file), *source), port=config.gateway.port
            )
            with service.use(gateway):
                service.keep(gateway)
                yield config, label

    def can_play(self, source: Sequence[str], symbols: Sequence[str]) -> bool:
        """Whether the input has anything of these symbols. What is playing already need not be looked through again."""
        if self._running(source)[0] is not None:
            return True
        try:
            describe(source, self.calendar, symbols)
        except UnreachableError:
            return False
        return True

    def _running(self, source: Sequence[str]) -> tuple[Config | None, str]:
        """The configuration of a demo that still runs on this input, while its clock has not reached the next session."""
        memory = self.home / "input.json"
        told = json.loads(memory.read_text()) if self.file.exists() and memory.exists() else {}
        if not isinstance(told, dict) or told.get("source") != list(source):
            return None, ""
        config = load(self.file)
        clock = config.make_clock()
        is_fresh = clock.origin is not None and clock.now() - clock.origin < FRESH
        gateway = replay_gateway(config.make_paths().state, (), port=config.gateway.port)
        return config if is_fresh and gateway.is_ready() else None, str(told["label"])

    def _configure(self, last_session: date, source: Sequence[str], label: str) -> Config:
        """Writes its scizor.toml: replay mode, an embedded database, the gateway's port, and a clock that stands at the
        moment at which that session becomes due. A gateway of an earlier demo is ended: its clock is another."""
        if self.file.exists():
            service.release(replay_gateway(load(self.file).make_paths().state, ()))
        last = sessions(self.calendar, last_session - timedelta(days=10), last_session)[-1]
        settle = timedelta(minutes=Config().collect.settle_minutes)
        origin = (last.last + settle).strftime("%Y-%m-%dT%H:%M:%SZ")
        started = RunningClock().now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        private_directory(self.home)
        _write(
            self.file,
            "# Written by bin/demo each time it runs.\n"
            'mode = "replay"\n\n[database]\nname = "scizor_demo"\n\n'
            f"[gateway]\nport = {free_port(self.port)}\n\n"
            f'[paths]\nstate = "{self.home.relative_to(ROOT)}"\nlogs = "logs"\n\n'
            f'[clock]\norigin = "{origin}"\nstarted = "{started}"\n',
        )
        _write(self.home / "input.json", json.dumps({"source": list(source), "label": label}))
        return load(self.file)

    def do(self, *words: str, allowed: Sequence[Exit] = (Exit.DONE, Exit.PARTIAL)) -> None:
        """Runs one of the scripts as a person would, and shows that it does."""
        self._ended(words, self._start(words), allowed)

    def interrupt(self, *words: str, config: Config, when: str) -> bool:
        """The same, interrupted as with Ctrl-C as soon as the statement `when` has become true of the database; not at all
        where it is true before. Returns whether it was."""
        with database_server(config) as server, connect(server, application="demo") as connection:

            def is_time() -> bool:
                row = connection.execute(when.encode()).fetchone()
                return bool(row and row[0])

            is_late = is_time()
            job = self._start(words)
            wall = RunningClock()
            until = wall.now() + timedelta(seconds=INTERRUPT_WALL_SECONDS)
            while job.poll() is None and wall.now() < until and (is_late or not is_time()):
                wall.pause(0.05)
        is_interrupted = job.poll() is None and not is_late
        if is_interrupted:
            print("^C", flush=True)
            job.send_signal(signal.SIGINT)
        self._ended(words, job, (Exit.DONE, Exit.PARTIAL, Exit.INTERRUPTED))
        return is_interrupted

    def _start(self, words: Sequence[str]) -> subprocess.Popen[bytes]:
        print(f"$ bin/{' '.join(words)}", flush=True)
        environment = {**os.environ, "SCIZOR_CONFIG": str(self.file)}
        return subprocess.Popen([sys.executable, ROOT / "bin" / words[0], *words[1:]], cwd=ROOT, env=environment)

    def _ended(self, words: Sequence[str], job: subprocess.Popen[bytes], allowed: Sequence[Exit]) -> None:
        """StepError unless it ends with one of these."""
        status = job.wait()
        status = status if status >= 0 else 128 - status  # as a shell tells a signal
        if status not in allowed:
            raise StepError(f"bin/{words[0]} ended with {status}", Exit(status) if status in set(map(int, Exit)) else Exit.UNEXPECTED)


def describe(source: Sequence[str], calendar: str, symbols: Sequence[str]) -> dict[str, object]:
    """What the gateway says of its input: label, and the newest session that these symbols reach."""
    words = [str(ROOT / "bin" / "replay-gateway"), "--describe", "--calendar", calendar, "--symbols", ",".join(symbols), *source]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise UnreachableError(f"the replay gateway cannot play its input: {done.stderr.strip()}", hint="bin/demo --simulated")
    told = json.loads(done.stdout)
    assert isinstance(told, dict)
    return told


def _write(file: Path, text: str) -> None:
    partial = file.with_suffix(".partial")
    partial.write_text(text)
    partial.replace(file)
