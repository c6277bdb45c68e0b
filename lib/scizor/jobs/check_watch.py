"""bin/check --watch: the checks and the key figures on a terminal, looked at again and again until Ctrl-C."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from scizor.base.clock import RunningClock
from scizor.base.errors import UsageError
from scizor.base.masking import mask
from scizor.db.health import Kpi
from scizor.jobs.checks import kpi
from scizor.jobs.checks.look import Look, look
from scizor.jobs.checks.words import Check, Status
from scizor.run.context import Context

if TYPE_CHECKING:
    from rich.console import Group, RenderableType

COLOURS = {Status.OK: "green", Status.WARNING: "yellow", Status.CRITICAL: "bold red", Status.UNKNOWN: "magenta"}
GRADES = {"target": "green", "fair": "cyan", "alert": "yellow", "critical": "bold red", "none": "dim"}
TICK_SECONDS = 0.2


def run(context: Context, checks: Sequence[Check]) -> Status:
    """Until somebody asks to stop; the status of the last look. UsageError where there is no terminal."""
    from rich.console import Console
    from rich.live import Live

    console = Console()
    if not console.is_terminal:
        raise UsageError("--watch needs a terminal", hint="bin/check, or bin/check --json")
    wall, status = RunningClock(), Status.OK
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while not context.stop.is_asked:
            seen = look(context, checks, with_kpis=True)
            status = seen.status
            live.update(frame(seen, kpi.measure(seen.facts, seen.moment)), refresh=True)
            waited = 0.0
            while waited < context.args.watch and not context.stop.is_asked:
                wall.pause(TICK_SECONDS)
                waited += TICK_SECONDS
    return status


def frame(seen: Look, kpis: Sequence[Kpi]) -> Group:
    """One screen: what is not well first, then the key figures with their limits, then the names of what is well."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    head = Text(f"scizor {seen.status.name}", style=COLOURS[seen.status])
    head.append(f"   {seen.moment.config.mode}   {seen.moment.now:%Y-%m-%d %H:%M:%S} UTC   Ctrl-C ends", style="dim")
    lines = Table(box=None, pad_edge=False, expand=True)
    for name in ("check", "", "what", "since", "next"):
        lines.add_column(name, overflow="fold")
    bad = [each for each in seen.lines if each.status is not Status.OK]
    for each in sorted(bad, key=lambda each: (-each.status.rank, each.check.name)):
        since = f"{each.since:%m-%d %H:%M}" if each.since else ""
        lines.add_row(each.check.name, Text(each.status.name, style=COLOURS[each.status]), Text(mask(each.value)), since, Text(each.hint))
    well = Text("ok: " + ", ".join(each.check.name for each in seen.lines if each.status is Status.OK), style="green")
    figures = Table(box=None, pad_edge=False)
    for name in ("figure", "of", "value", "target", "alert", "critical"):
        figures.add_column(name)
    measured = {each.name for each in kpis}
    for one in kpis:
        limit = kpi.KNOWN[one.name]
        if limit.target is not None:
            figures.add_row(one.name, one.scope, Text(_number(one.value) + " " + one.unit, style=GRADES[one.grade]), *_marks(limit))
    for limit in kpi.LIMITS:
        if limit.name not in measured and kpi.NO_DAEMON in limit.meaning:
            figures.add_row(limit.name, "", Text("no daemon", style="dim"), *_marks(limit))
    parts: list[RenderableType] = [head, Text(""), figures, Text(""), well]
    return Group(*([*parts[:2], lines, Text(""), *parts[2:]] if bad else parts))


def _marks(limit: Any) -> list[str]:
    sign = "<" if limit.is_less_better else ">"
    other = ">" if limit.is_less_better else "<"
    return [
        f"{sign} {_number(limit.target)}" if limit.target is not None else "",
        f"{other} {_number(limit.alert)}" if limit.alert is not None else "",
        f"{other} {_number(limit.critical)}" if limit.critical is not None else "",
    ]


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
