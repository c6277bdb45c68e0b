"""bin/demo: the real commands, one after the other, on a configuration, a database and a gateway of its own.

Nothing here is a shortcut: it runs what a person would type, shows each command, and ends with what psql would show. Its
clock stands at the moment at which the recording's last session has become due, so there is nothing left to wait for.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from datetime import date, timedelta

from scizor.base import service
from scizor.base.clock import RunningClock
from scizor.base.config import Config, load
from scizor.base.errors import ScizorError, UnreachableError, UsageError
from scizor.base.exit import Exit
from scizor.base.paths import ROOT, private_directory, recordings_directory
from scizor.db.embedded import embedded
from scizor.jobs import show
from scizor.market.calendar import sessions
from scizor.market.universe import read_watched
from scizor.run.context import Context, Result
from scizor.run.servers import free_port, replay_gateway

HOME = ROOT / "var" / "demo"
FILE = HOME / "scizor.toml"
WATCHLIST = "asx_professional"
SEED = 20250115
INPUT = HOME / "input.json"
GATEWAY_PORT = 14002
FRESH = timedelta(hours=12)
STEPS = (
    ("migrate",),
    ("symbols", "import", "etc/universe/asx200.csv", "etc/universe/codes.csv"),
    ("watchlist", "import", f"etc/watchlists/{WATCHLIST}.csv"),
    ("collect-daily", "--priority-only"),
)


def run(context: Context) -> Result:
    if context.args.config is not None:
        raise UsageError("the demo has a configuration of its own", hint="bin/collect-daily --config FILE uses yours")
    if context.args.stop:
        return Result(stop())
    begun = RunningClock().now()
    if context.args.fresh:
        stop()
        shutil.rmtree(HOME, ignore_errors=True)
    source, kind = _source(context)
    config, label = _running(source)
    if config is None:
        told = describe(source)
        label = str(told["label"])
        config = configure(date.fromisoformat(str(told["last_session"])), source, label)
    print(f"input: {label}")
    print(f"clock: {config.make_clock().now():%Y-%m-%d %H:%M} UTC, just after the last session that the watch-list has in it")
    server = embedded(config.make_paths().state)
    with service.use(server.service):
        service.keep(server.service)
        gateway = _gateway(config, source)
        with service.use(gateway):
            service.keep(gateway)
            for words in STEPS:
                _do(words)
            shown = show.watchlist(config, WATCHLIST)
    print(f"\n{kind.upper()} DATA" if kind == "simulated" else "")
    print(shown.text)
    seconds = (RunningClock().now() - begun).total_seconds()
    print(f"\n{shown.summary}, in {seconds:.1f} s. The input is {kind}. Try next:\n")
    print("    bin/psql -f sql/monitor/coverage.sql      what is there, what is not, and why")
    print("    bin/demo                                  again: nothing is due")
    print("    bin/demo --stop                           end the servers that it started")
    return Result()


def stop() -> str:
    """Ends the servers that the demo keeps. Harmless when there are none."""
    if not FILE.exists():
        return "there is no demo to stop"
    state = load(FILE).make_paths().state
    kept = (("the gateway", replay_gateway(state, ())), ("PostgreSQL", embedded(state).service))
    ended = [name for name, each in kept if service.release(each)]
    return f"ended {' and '.join(ended)}" if ended else "nothing was running"


def describe(source: Sequence[str]) -> dict[str, object]:
    """What the gateway says of its input: label, and the newest session that the watch-list's shares reach."""
    codes = [each.symbol for each in read_watched(*_file(f"etc/watchlists/{WATCHLIST}.csv"))[0]]
    words = [str(ROOT / "bin" / "replay-gateway"), "--describe", "--calendar", "XASX", "--symbols", ",".join(codes), *source]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise UnreachableError(f"the replay gateway cannot play its input: {done.stderr.strip()}", hint="bin/demo --simulated")
    told = json.loads(done.stdout)
    assert isinstance(told, dict)
    return told


def configure(last_session: date, source: Sequence[str], label: str) -> Config:
    """Writes var/demo/scizor.toml: replay mode, an embedded database, the gateway's port, and a clock that stands at the
    moment at which that session becomes due. A gateway of an earlier demo is ended: its clock is another."""
    if FILE.exists():
        service.release(replay_gateway(load(FILE).make_paths().state, ()))
    last = sessions("XASX", last_session - timedelta(days=10), last_session)[-1]
    settle = timedelta(minutes=Config().collect.settle_minutes)
    origin = (last.last + settle).strftime("%Y-%m-%dT%H:%M:%SZ")
    started = RunningClock().now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    port = free_port(GATEWAY_PORT)
    private_directory(HOME)
    partial = FILE.with_suffix(".partial")
    partial.write_text(
        "# Written by bin/demo each time it runs.\n"
        'mode = "replay"\n\n[database]\nname = "scizor_demo"\n\n'
        f"[gateway]\nport = {port}\n\n"
        '[paths]\nstate = "var/demo"\nlogs = "logs"\n\n'
        f'[clock]\norigin = "{origin}"\nstarted = "{started}"\n'
    )
    partial.replace(FILE)
    partial = INPUT.with_suffix(".partial")
    partial.write_text(json.dumps({"source": list(source), "label": label}))
    partial.replace(INPUT)
    return load(FILE)


def _running(source: Sequence[str]) -> tuple[Config | None, str]:
    """The configuration of a demo that still runs on this input, while its clock has not reached the next session; and
    what its gateway says of the input."""
    told = json.loads(INPUT.read_text()) if FILE.exists() and INPUT.exists() else {}
    if not isinstance(told, dict) or told.get("source") != list(source):
        return None, ""
    config = load(FILE)
    clock = config.make_clock()
    is_fresh = clock.origin is not None and clock.now() - clock.origin < FRESH
    gateway = replay_gateway(config.make_paths().state, (), port=config.gateway.port)
    return config if is_fresh and gateway.is_ready() else None, str(told["label"])


def _gateway(config: Config, source: Sequence[str]) -> service.Service:
    return replay_gateway(config.make_paths().state, ("--config", str(FILE), *source), port=config.gateway.port)


def _source(context: Context) -> tuple[list[str], str]:
    """The options that name the input, and what it is: a folder of recordings where there is one, else the seeded market."""
    named = context.args.recordings
    folder = None if context.args.simulated else recordings_directory(named)
    if named and folder is None:
        raise UsageError(f"there is no folder {named}")
    return (["--recordings", str(folder)], "recorded") if folder else (["--simulated", str(SEED)], "simulated")


def _file(name: str) -> tuple[str, bytes]:
    return name, (ROOT / name).read_bytes()


def _do(words: Sequence[str]) -> None:
    """Runs one of the scripts as a person would, and shows that it does."""
    print(f"$ bin/{' '.join(words)}", flush=True)
    environment = {**os.environ, "SCIZOR_CONFIG": str(FILE)}
    done = subprocess.run([sys.executable, ROOT / "bin" / words[0], *words[1:]], cwd=ROOT, env=environment, check=False)
    if done.returncode not in (Exit.DONE, Exit.PARTIAL):
        status = done.returncode if done.returncode >= 0 else 128 - done.returncode  # as a shell tells a signal
        raise StepError(f"bin/{words[0]} ended with {status}", Exit(status) if status in set(map(int, Exit)) else Exit.UNEXPECTED)


class StepError(ScizorError):
    """A step of the demo failed and has said why; the demo ends with its status."""

    def __init__(self, message: str, status: Exit) -> None:
        super().__init__(message, hint="bin/demo --fresh begins anew; what was said stands above and in logs/")
        self.exit = status  # type: ignore[misc]


