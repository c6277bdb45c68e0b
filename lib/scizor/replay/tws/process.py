"""The gateway as a process of its own: what bin/replay-gateway does.

Its clock, in this order: what --clock-… say, the configuration's, and else the close of the recording's last session (for
recorded input) or the machine's time (for simulated input, which ends yesterday).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Protocol

from scizor.base.clock import Clock, RunningClock
from scizor.base.config import Config, load
from scizor.base.errors import ConfigurationError, ScizorError, UsageError
from scizor.base.exit import Exit
from scizor.base.notify import beat, notify
from scizor.base.paths import private_file, recordings_directory
from scizor.replay.sources import Source
from scizor.replay.tws import faults
from scizor.replay.tws.options import REGIMES, GatewayOptions
from scizor.replay.tws.script import parse_rule
from scizor.replay.tws.server import serve
from scizor.run.script import make_parser
from scizor.run.stop import Stop, listening

DEFAULTS = GatewayOptions()


class Input(Source, Protocol):
    """A Source that can be asked for the newest session of a calendar, or of some symbols."""

    def last_session(self, calendar: str = "", symbols: Sequence[str] = ()) -> date: ...


def arguments(parser: argparse.ArgumentParser) -> None:
    """Every option of bin/replay-gateway."""
    add = parser.add_argument
    add("--host", default=DEFAULTS.host)
    add("--port", type=int)
    add("--account", default=DEFAULTS.account)
    add("--recordings", metavar="DIR")
    add("--simulated", metavar="SEED", type=int)
    add("--as-traded", action="store_true")
    add("--calendar", default="")
    add("--symbols", default="")
    add("--regime", choices=REGIMES, default=DEFAULTS.regime)
    add("--message-rule", choices=("reject", "pace"), default=DEFAULTS.message_rule)
    add("--service-seconds", type=float, default=DEFAULTS.service_seconds)
    add("--bar-seconds", type=float, default=DEFAULTS.bar_seconds)
    add("--collapse-above", type=int)
    add("--collapse-factor", type=float, default=DEFAULTS.collapse_factor)
    add("--auction", choices=("regular", "extra"), default="regular")
    add("--empty-minutes", choices=("bar", "none"), default="bar")
    add("--unfinished-bar", action="store_true")
    add("--end-included", action="store_true")
    add("--no-schedule", action="store_true")
    add("--stated-end-factor", type=float, default=DEFAULTS.stated_end_factor)
    add("--no-permission", action="append", default=[], metavar="EXCHANGE")
    add("--fault", action="append", default=[])
    add("--script", type=Path)
    add("--report", type=Path)
    add("--ready-file", type=Path)
    add("--clock-origin")
    add("--clock-started")
    add("--clock-speed", type=float)
    add("--describe", action="store_true")
    add("--list-faults", action="store_true")


def main(doc: str | None, argv: Sequence[str] | None = None) -> int:
    """Runs until it is told to stop; returns the exit status."""
    args = make_parser("replay-gateway", doc or "", arguments).parse_args(argv)
    if args.list_faults:
        print(faults.describe())
        return Exit.DONE
    try:
        return _run(args)
    except ScizorError as failure:
        print(f"replay-gateway: {failure}", file=sys.stderr)
        return failure.exit


def _run(args: argparse.Namespace) -> int:
    os.umask(0o077)
    config = load(args.config) if args.config else Config()
    chosen = _clock(args, config)
    source, is_recorded = _source(args, config, chosen or RunningClock())
    last = _last_session(source, args)
    if args.describe:
        print(json.dumps({"label": _label(source, args), "last_session": last.isoformat()}))
        return Exit.DONE
    clock = chosen or (_at_close(source, last, args.calendar) if is_recorded else RunningClock())
    options = _options(args, config)
    stop = Stop()
    with listening(stop):
        asyncio.run(_serve(options, source, clock, stop, args))
    return Exit.DONE  # being stopped is how it ends


async def _serve(options: GatewayOptions, source: Source, clock: Clock, stop: Stop, args: argparse.Namespace) -> None:
    async with serve(options, source, clock) as gateway:
        if args.ready_file:
            _write_ready(args.ready_file, gateway.port)
        print(f"replay-gateway: {_label(source, args)}", file=sys.stderr)
        print(
            f"replay-gateway: listening on {options.host}:{gateway.port}, account {options.account}, limits {options.regime}, "
            f"clock {clock.now():%Y-%m-%d %H:%M:%S} UTC",
            file=sys.stderr,
            flush=True,
        )
        notify("READY=1", f"STATUS=listening on {options.host}:{gateway.port}, {_label(source, args)}")
        alive = asyncio.ensure_future(beat())
        try:
            await stop.wait()
        finally:
            notify("STOPPING=1")
            alive.cancel()
            if args.ready_file:
                args.ready_file.unlink(missing_ok=True)
    if gateway.violations:
        counts = ", ".join(f"{name} {count}" for name, count in sorted(gateway.violations.items()))
        print(f"replay-gateway: violations: {counts}", file=sys.stderr)
    for text, is_unmet in zip(args.fault, gateway.faults.unmet(options.rules), strict=True):
        if is_unmet:
            print(f"replay-gateway: --fault {text} never happened: no request met it", file=sys.stderr)


def _write_ready(file: Path, port: int) -> None:
    partial = file.with_suffix(".partial")
    private_file(partial).write_text(json.dumps({"pid": os.getpid(), "port": port}))
    partial.replace(file)


def _clock(args: argparse.Namespace, config: Config) -> RunningClock | None:
    """The clock that somebody chose; None when nobody did."""
    if args.clock_origin:
        origin = _instant(args.clock_origin)
        started = _instant(args.clock_started) if args.clock_started else RunningClock().now()
        return RunningClock(origin, started, args.clock_speed or 1.0)
    if args.clock_started:
        raise UsageError("--clock-started says nothing without --clock-origin")
    if args.clock_speed:
        now = RunningClock().now()
        return RunningClock(now, now, args.clock_speed)
    return config.make_clock() if config.clock.origin else None


def _instant(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{text!r} is no instant", hint="write 2025-01-15T06:00:00Z") from None
    if found.tzinfo is None:
        raise UsageError(f"{text!r} has no zone", hint="write 2025-01-15T06:00:00Z")
    return found


def _source(args: argparse.Namespace, config: Config, clock: Clock) -> tuple[Input, bool]:
    """What is played, and whether it was recorded. Without --recordings and --simulated, a folder that is found."""
    from scizor.replay.sources import folder, master, simulated

    if args.recordings and not Path(args.recordings).is_dir():
        raise UsageError(f"there is no folder {args.recordings}")
    found = Path(args.recordings) if args.recordings else None
    if found is None and args.simulated is None:
        found = recordings_directory(config.paths.recordings)
        if found is None:
            raise ConfigurationError("no recordings were found", hint="--simulated SEED needs none")
    known = master.load()
    if args.as_traded:
        known = replace(known, splits={})
    if found is None:
        return simulated.Simulated(args.simulated, known, clock), False
    return folder.open_folder(found, clock, known, seed=args.simulated), True


def _label(source: Source, args: argparse.Namespace) -> str:
    """What is played, and on which price basis where that is not IB's."""
    return f"{source.label}; prices as traded, never adjusted" if args.as_traded else source.label


def _last_session(source: Input, args: argparse.Namespace) -> date:
    symbols = [each for each in args.symbols.split(",") if each]
    try:
        return source.last_session(args.calendar, symbols)
    except LookupError as problem:
        raise UsageError(str(problem), hint="--calendar and --symbols must be in the recording") from None


def _at_close(source: Source, last: date, calendar: str) -> RunningClock:
    """A clock that stands just after that session's last phase, when nobody chose one."""
    from scizor.market.calendar import sessions

    found = sessions(calendar or "XASX", last - timedelta(days=10), last)
    return RunningClock(found[-1].last + timedelta(minutes=1), RunningClock().now())


def _options(args: argparse.Namespace, config: Config) -> GatewayOptions:
    if args.script and not args.script.is_file():
        raise UsageError(f"there is no file {args.script}")
    port = args.port if args.port is not None else config.gateway.port if args.config else DEFAULTS.port
    return replace(
        DEFAULTS, host=args.host, port=port, account=args.account, regime=args.regime, message_rule=args.message_rule,
        service_seconds=args.service_seconds, bar_seconds=args.bar_seconds, collapse_above=args.collapse_above,
        collapse_factor=args.collapse_factor, auction_is_regular=args.auction == "regular", zero_bars=args.empty_minutes == "bar",
        unfinished_bar=args.unfinished_bar, end_is_inclusive=args.end_included, serves_schedule=not args.no_schedule,
        stated_end_factor=args.stated_end_factor, unentitled=tuple(each.upper() for each in args.no_permission), rules=tuple(parse_rule(each) for each in args.fault), script=args.script,
        report=args.report,
    )  # fmt: skip
