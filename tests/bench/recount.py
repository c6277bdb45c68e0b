"""IB's rules counted again by brute force, from nothing but instants: the judge of schedulers, gateways and jobs.

Written from IB's sentences, in plain seconds, and sharing no code with scizor.ib.pacing or the gateway's counters. Windows
slide and are half open; a BID_ASK request counts twice wherever requests are counted.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple


class Read(NamedTuple):
    """A request where IB counts it. at: seconds. hard: IB's rule for small bars holds for it."""

    at: float
    key: str
    contract: str
    weight: int = 1
    hard: bool = True


def broken_by(this: Read, before: list[Read]) -> list[str]:
    """The rules that a request breaks, given those that were read before it, in order of time."""
    in_window = in_burst = this.weight
    is_identical = False
    for other in reversed(before):
        age = this.at - other.at
        if age >= 600:
            break
        is_identical |= age < 15 and other.key == this.key
        if other.hard:
            in_window += other.weight
            in_burst += other.weight if age < 2 and other.contract == this.contract else 0
    found = ["identical"] if is_identical else []
    if this.hard and in_window > 60:
        found.append("window")
    if this.hard and in_burst >= 6:
        found.append("burst")
    return found


def violations(reads: list[Read]) -> Counter[str]:
    """How many requests break each rule; refused ones count as well."""
    ordered = sorted(reads)
    return Counter(rule for index, each in enumerate(ordered) for rule in broken_by(each, ordered[:index]))


def earliest(this: Read, before: list[Read]) -> float:
    """The first instant from this.at on at which it breaks nothing, given those before it (in order of time). Something
    can only change when an earlier one leaves one of the three windows, so those instants are all that need a look."""
    near = before[bisect_right(before, this.at - 600, key=lambda each: each.at) :]
    leaving = sorted({each.at + age for each in near for age in (600, 15, 2)})
    for at in [this.at, *[each for each in leaving if each > this.at]]:
        if not broken_by(this._replace(at=at), near):
            return at
    raise AssertionError("the last window is empty, and yet something is broken")


def reported(file: Path) -> list[dict[str, Any]]:
    """The gateway's report: one object a line. A line that a kill cut off is left out."""
    found = []
    for line in file.read_text(encoding="utf-8").splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def reads_of(entries: list[dict[str, Any]], *, strict: bool = False) -> list[Read]:
    """The historical requests among them, as the gateway read them. strict: all stand under the hard rule."""
    return [
        Read(
            datetime.fromisoformat(each["at"]).timestamp(),
            each["key"],
            each["contract_key"],
            each.get("weight", 1),
            strict or each.get("bar_seconds", 0) is None or each.get("bar_seconds", 0) <= 30,
        )
        for each in entries
        if each["kind"] == "request" and each.get("key")
    ]
