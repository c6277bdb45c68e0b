"""bin/demo: the real commands, one after the other, on configurations, databases and gateways of their own.

Nothing here is a shortcut: it runs what a person would type, shows each command, and ends with what psql would show. Daily
and five-minute bars are two scenes: recordings of them rarely end on the same day, and a clock can stand at one only.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from scizor.base.clock import RunningClock
from scizor.base.errors import UsageError
from scizor.base.exit import Exit
from scizor.base.paths import ROOT, recordings_directory
from scizor.jobs import show
from scizor.jobs.demo_scene import Scene
from scizor.market.calendar import sessions
from scizor.market.universe import read_watched
from scizor.run.context import Context, Result

DAILY = Scene(ROOT / "var" / "demo", "XASX", 14002)
HISTORY = Scene(ROOT / "var" / "demo-history", "XNYS", 14003)
FILE = DAILY.file
WATCHLIST = "asx_professional"
SEED = 20250115
INTRADAY, SESSIONS = "QQQ", 10  # whose five-minute bars are backfilled, and how many sessions of them
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
        DAILY.forget()
        HISTORY.forget()
    folder = _folder(context)
    shown = _daily(folder)
    _history(folder)
    seconds = (RunningClock().now() - begun).total_seconds()
    kind = "recorded" if folder else "simulated"
    print(f"\n{shown.summary}, in {seconds:.1f} s. The input is {kind}. Try next:\n")
    print("    bin/psql -f sql/monitor/coverage.sql      what is there, what is not, and why")
    print(f"    SCIZOR_CONFIG={FILE.relative_to(ROOT)} bin/coverage --symbol CBA --why      the evidence")
    print("    bin/demo                                  again: nothing is due")
    print("    bin/demo --stop                           end the servers that it started")
    return Result()


def stop() -> str:
    """Ends the servers that the demo keeps. Harmless when there are none."""
    if not DAILY.file.exists():
        return "there is no demo to stop"
    ended = sorted({*DAILY.stop(), *HISTORY.stop()}, key=str.lower, reverse=True)
    return f"ended {' and '.join(ended)}" if ended else "nothing was running"


def _daily(folder: Path | None) -> show.Shown:
    """Twenty years of daily bars of the watch-list."""
    symbols = [each.symbol for each in read_watched(*_file(f"etc/watchlists/{WATCHLIST}.csv"))[0]]
    source = ["--recordings", str(folder)] if folder else ["--simulated", str(SEED)]
    with DAILY.playing(source, symbols) as (config, label):
        print(f"input: {label}")
        print(f"clock: {config.make_clock().now():%Y-%m-%d %H:%M} UTC, just after the last session that the watch-list has in it")
        for words in STEPS:
            DAILY.do(*words)
        shown = show.watchlist(config, WATCHLIST)
    print("" if folder else "\nSIMULATED DATA")
    print(shown.text)
    return shown


def _history(folder: Path | None) -> None:
    """A short backfill of five-minute bars, a session a request: interrupted as with Ctrl-C, gone on with, and counted."""
    source = ["--simulated", str(SEED)]
    recorded = ["--recordings", str(folder)] if folder else None
    if recorded and HISTORY.can_play(recorded, [INTRADAY]):
        source = recorded
    elif recorded:
        print(f"\nthe folder has no five-minute bars of {INTRADAY}: these are SIMULATED")
    with HISTORY.playing(source, [INTRADAY]) as (config, label):
        print(f"\nfive-minute bars of {INTRADAY}: {label if len(label) < 100 else 'recorded' if source[0] == '--recordings' else 'simulated'}")
        now = config.make_clock().now()
        print(f"clock: {now:%Y-%m-%d %H:%M} UTC")
        begin = sessions(HISTORY.calendar, now.date() - timedelta(days=40), now.date())[-SESSIONS].session_date
        words = ("backfill", "--symbol", INTRADAY, "--timeframe", "5min", "--from", str(begin), "--sessions", "1")
        HISTORY.do("migrate")
        HISTORY.do("symbols", "import", "etc/universe/etfs.csv")
        if HISTORY.interrupt(*words, config=config, when="SELECT EXISTS (SELECT FROM bars)"):
            HISTORY.do(*words)
        HISTORY.do("coverage", "--why", allowed=(Exit.DONE, Exit.FINDING))


def _folder(context: Context) -> Path | None:
    """A folder of recordings where there is one and nobody wants the simulated market."""
    named = context.args.recordings
    folder = None if context.args.simulated else recordings_directory(named)
    if named and folder is None:
        raise UsageError(f"there is no folder {named}")
    return folder


def _file(name: str) -> tuple[str, bytes]:
    return name, (ROOT / name).read_bytes()
