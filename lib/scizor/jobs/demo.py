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
from scizor.run.context import Context, Result
from scizor.run.servers import free_port, replay_gateway

HOME = ROOT / "var" / "demo"
FILE = HOME / "scizor.toml"
WATCHLIST = "asx_professional"
SEED = 20250115
GATEWAY_PORT = 14002


def run(context: Context) -> Result:
    if context.args.config is not None:
        raise UsageError("the demo has a configuration of its own", hint="bin/collect-daily --config FILE uses yours")
    if context.args.stop:
        return Result(stop())
    begun = RunningClock().now()
    if context.args.fresh:
        stop()
        shutil.rmtree(HOME, ignore_errors=True)
    source = _source(context)
    told = describe(source)
    print(f"input: {told['label']}")
    config = configure(date.fromisoformat(str(told["last_session"])))
    print(f"clock: stands at {config.clock.origin}, when the last session in it has become due")
    server = embedded(config.make_paths().state)
    with service.use(server.service):
        service.keep(server.service)
        gateway = _gateway(config, source)
        service.release(gateway)  # one of an earlier demo has an earlier clock
        with service.use(gateway):
            service.keep(gateway)
            for words in (
                ["migrate"],
                ["symbols", "import", "etc/universe/asx200.csv", "etc/universe/codes.csv"],
                ["watchlist", "import", f"etc/watchlists/{WATCHLIST}.csv"],
                ["collect-daily", "--priority-only"],
            ):
                _do(words)
            from scizor.jobs import show

            shown = show.watchlist(config, WATCHLIST)
    print(shown.text)
    seconds = (RunningClock().now() - begun).total_seconds()
    print(f"\n{shown.summary}, in {seconds:.1f} s. Input: {told['label']}. Try next:\n")
    print("    bin/psql -f sql/monitor/coverage.sql      what is there, what is not, and why")
    print("    bin/demo                                  again: nothing is due")
    print("    bin/demo --stop                           end the servers that it started")
    return Result(status=Exit.PARTIAL if shown.unexplained else Exit.DONE)


def stop() -> str:
    """Ends the servers that the demo keeps. Harmless when there are none."""
    if not FILE.exists():
        return "there is no demo to stop"
    config = load(FILE)
    state = config.make_paths().state
    ended = [name for name, each in (("gateway", replay_gateway(state, ())), ("postgres", embedded(state).service)) if service.release(each)]
    return f"ended {' and '.join(ended)}" if ended else "nothing was running"


def describe(source: Sequence[str]) -> dict[str, object]:
    """What the gateway says of its input: label and last session."""
    done = subprocess.run([ROOT / "bin" / "replay-gateway", "--describe", *source], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise UnreachableError(f"the replay gateway cannot read its input: {done.stderr.strip()}")
    told = json.loads(done.stdout)
    assert isinstance(told, dict)
    return told


def configure(last_session: date) -> Config:
    """Writes var/demo/scizor.toml: replay mode, an embedded database, the gateway's port, the standing clock."""
    from scizor.market.calendar import sessions

    last = sessions("XASX", last_session - timedelta(days=10), last_session)[-1]
    settle = timedelta(minutes=Config().collect.settle_minutes)
    origin = (last.last + settle).strftime("%Y-%m-%dT%H:%M:%SZ")
    started = RunningClock().now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    port = _port()
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
    return load(FILE)


def _port() -> int:
    """The port of the demo's gateway that runs already, else 14002 or the next that is free."""
    if FILE.exists():
        config = load(FILE)
        if replay_gateway(config.make_paths().state, (), port=config.gateway.port).is_ready():
            return config.gateway.port
    return free_port(GATEWAY_PORT)


def _gateway(config: Config, source: Sequence[str]) -> service.Service:
    return replay_gateway(config.make_paths().state, ("--config", str(FILE), *source), port=config.gateway.port)


def _source(context: Context) -> list[str]:
    """The options that name the input: a folder of recordings where there is one, else the seeded market."""
    named = context.args.recordings
    folder = None if context.args.simulated else recordings_directory(named)
    if named and folder is None:
        raise UsageError(f"there is no folder {named}")
    return ["--recordings", str(folder)] if folder else ["--simulated", str(SEED)]


def _do(words: list[str]) -> None:
    """Runs one of the scripts as a person would, and shows that it does."""
    print(f"$ bin/{' '.join(words)}", flush=True)
    environment = {**os.environ, "SCIZOR_CONFIG": str(FILE)}
    done = subprocess.run([sys.executable, ROOT / "bin" / words[0], *words[1:]], cwd=ROOT, env=environment, check=False)
    if done.returncode not in (Exit.DONE, Exit.PARTIAL):
        raise StepError(f"bin/{words[0]} ended with {done.returncode}", Exit(done.returncode))


class StepError(ScizorError):
    """A step of the demo failed and has said why; the demo ends with its status."""

    def __init__(self, message: str, status: Exit) -> None:
        super().__init__(message, hint=f"see logs/ and {FILE}")
        self.exit = status  # type: ignore[misc]


