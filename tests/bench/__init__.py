"""Side-by-side benchmarks: ratios in one run against a named rival or the machine's own floor. bin/bench calls run().

A file is named after its bench and figures, daily_d3.py, and offers `figures(report) -> list[dict]`. Each figure is
{id, name, value, unit, op, bar, n, min, median, rival}; an id of several parts has several figures, told apart by `name`.
`op` says how value and bar compare; `planted` is the same counter on a planted defect, which must be above zero wherever
the bar is a zero. The machine is described here, once.
"""

from __future__ import annotations

import importlib
import json
import operator
import os
import platform
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scizor.base.errors import UsageError
from scizor.base.exit import Exit
from scizor.base.paths import ROOT
from scizor.run.context import Context, Result

OPS: dict[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge, "<=": operator.le, "==": operator.eq, ">": operator.gt, "<": operator.lt,
}  # fmt: skip
Figure = dict[str, Any]


def run(context: Context) -> Result:
    """Runs the benches that were asked for, prints one table, writes logs/bench.json."""
    files = _files(context.args.bench, context.args.figures)
    if context.args.list:
        print("\n".join(f"{file.stem:<12} {_first_line(file)}" for file in files))
        return Result()
    found: list[Figure] = []
    for file in files:
        print(f"{file.stem}: {_first_line(file)}", flush=True)
        module = importlib.import_module(f"tests.bench.{file.stem}")
        found += [complete(figure) for figure in module.figures(lambda text: print(f"    {text}", flush=True))]
    print("\n" + table(found))
    write(found, context.paths.logs / "bench.json")
    missed = [figure["id"] for figure in found if not figure["met"]]
    if missed:
        return Result(f"{len(missed)} of {len(found)} figures miss their bar: {', '.join(missed)}", Exit.FINDING)
    return Result(f"{len(found)} figures meet their bars")


def table(found: list[Figure]) -> str:
    """One line a figure: id, value, how it compares with its bar, and the rival it was measured against."""
    rows = [["id", "what", "value", "bar", "", "n", "min", "median", "planted", "against"]]
    for each in found:
        rows.append([
            each["id"], each["name"], f"{_short(each['value'])} {each['unit']}".strip(), f"{each['op']} {_short(each['bar'])}",
            "ok" if each["met"] else "MISSED", str(each["n"]), _short(each["min"]), _short(each["median"]),
            _short(each.get("planted")), str(each["rival"]),
        ])  # fmt: skip
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)


def write(found: list[Figure], file: Path) -> None:
    """Merges into logs/bench.json: a figure that was measured again replaces its former self."""
    file.parent.mkdir(exist_ok=True)
    try:
        kept = [each for each in json.loads(file.read_text()) if each["id"] not in {new["id"] for new in found}]
    except (OSError, ValueError):
        kept = []
    partial = file.with_suffix(".partial")
    partial.write_text(json.dumps(sorted(kept + found, key=lambda each: _order(each["id"])), indent=1) + "\n")
    partial.replace(file)


def _order(identity: str) -> tuple[str, int, str]:
    parts = re.match(r"([A-Z]+)(\d+)(.*)", identity)
    return (parts[1], int(parts[2]), parts[3]) if parts else (identity, 0, "")


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "cores": len(os.sched_getaffinity(0)), "processor": _processor(), "python": platform.python_version(),
        "system": platform.platform(terse=True), "load": round(os.getloadavg()[0], 2),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }  # fmt: skip


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def complete(figure: Figure) -> Figure:
    """Fills what is the same for all, and judges."""
    whole = {"name": "", "n": 1, "min": figure["value"], "median": figure["value"], "rival": "", **figure, "machine": machine()}
    met = whole["value"] is not None and OPS[whole["op"]](whole["value"], whole["bar"])
    if whole.get("planted") is not None and not whole["planted"]:
        met = False  # a counter that cannot count proves nothing
    return {**whole, "met": met}


def _files(name: str, wanted: list[str]) -> list[Path]:
    found = [file for file in (ROOT / "tests" / "bench").glob("*_*.py") if re.fullmatch(r"[a-z]+_[a-z]\d+", file.stem)]
    files = sorted((file for file in found if file.stem.split("_")[0] == name), key=lambda file: _order(file.stem.split("_")[1].upper()))
    if wanted:
        files = [file for file in files if any(each.lower() in file.stem.split("_") for each in wanted)]
    if not files:
        known = sorted({file.stem.split("_")[0] for file in found})
        raise UsageError(f"there is no bench {name} {' '.join(wanted)}".rstrip(), hint=f"there are: {', '.join(known)}")
    return files


def _first_line(file: Path) -> str:
    return file.read_text().split('"""')[1].splitlines()[0]


def _short(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
