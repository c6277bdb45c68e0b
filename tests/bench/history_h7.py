"""H7: planted holes of nine kinds, over both opening regimes of the ASX and both daylight-saving changes: named and repaired.

Each kind is planted in one answer of a symbol of its own, over the real wire; the script that users run must name the reason,
and bin/fill-gaps must close it once the fault is over. False gaps are sessions that are missing although nobody planted
anything there; the same counter sees the planted ones.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from scizor.base.config import Config
from scizor.db.connect import connect
from tests.bench import traffic
from tests.jobs.stage import Stage, stage

AT = datetime(2025, 10, 15, 8, 0, tzinfo=UTC)
SPEED = 15.0
#: Sydney leaves daylight saving on 6 April and begins it on 5 October; since 23 June everything opens at once.
SPANS = (("2025-03-31", "2025-04-11"), ("2025-06-16", "2025-06-27"), ("2025-09-29", "2025-10-10"))

#: Kind, the gateway's fault and its argument, and the reason that must be named.
KINDS = (
    ("one bar of a session left out", "missing-bar", "", "unknown"),
    ("no data said of days that have some", "no-data", "", "unknown"),
    ("no answer", "silence", "", "deferred"),
    ("a pacing violation", "pacing", "", "deferred"),
    ("cancelled by the farm", "cancelled", "", "deferred"),
    ("an answer that breaks off", "error-after", "5", "error"),
    ("a request that IB will not serve", "321", "", "error"),
    ("no permission", "no-permission", "", "no-permission"),
    ("a bar that a rule refuses", "high-below-low", "", "quarantined"),
)  # fmt: skip
CODES = ("CBA", "BHP", "CSL", "WBC", "ANZ", "NAB", "WOW", "WES", "RIO")


def backfill(there: Stage, code: str, begin: int = 0) -> None:
    """begin: with which of the spans, so that the kinds fall into all of them."""
    for first, last in SPANS[begin:] + SPANS[:begin]:
        there.run("backfill", "--symbol", code, "--timeframe", "5min", "--from", first, "--to", last)


def missing(there: Stage, code: str) -> dict[str, str]:
    """Session date and reason of what is missing of a symbol's five-minute bars."""
    rows = there.rows(
        "SELECT session_date::text, why FROM missing_sessions WHERE symbol = %s AND timeframe = '5min' AND NOT is_explained "
        "AND session_date <= '2025-10-10' AND EXISTS (SELECT FROM collection_logs l WHERE l.symbol_id = missing_sessions.symbol_id "
        "AND session_date BETWEEN l.start_date AND l.end_date)", code,
    )  # fmt: skip
    return {str(day): str(why) for day, why in rows}


def planted(there: Stage, code: str, fault: str, arg: str, begin: int) -> set[str]:
    """Runs the backfill with one answer spoiled; the session dates that this answer was asked for."""
    there.run("symbols", "qualify", "--symbol", code)
    there.inject(fault, arg, con_id=there.con_id(code), times=3 if fault in ("silence", "pacing", "cancelled") else 1)
    backfill(there, code, begin)
    there.forget()
    rows = there.rows(
        "SELECT t.session_date::text FROM collection_logs l JOIN symbols s ON s.id = l.symbol_id JOIN trading_sessions t "
        "ON t.calendar = s.calendar AND t.session_date BETWEEN l.start_date AND l.end_date "
        "WHERE s.symbol = %s AND l.id = (SELECT min(id) FROM collection_logs WHERE symbol_id = s.id)", code,
    )  # fmt: skip
    return {str(day) for (day,) in rows}


def figures(report: Callable[[str], None]) -> list[dict[str, Any]]:
    named = repaired = false = seen = 0
    with tempfile.TemporaryDirectory(prefix="scizor-h7-") as name, traffic.database("bench_h7") as database:
        config = Config(mode="replay", database=database)
        folder = Path(name)
        config = replace(config, paths=replace(config.paths, state=str(folder / "state"), logs=str(folder / "logs")))
        with (
            connect(database, application="bench", owner=True) as owner,
            stage(config, owner, folder, at=AT, speed=SPEED) as there,
        ):
            there.list_symbols(*CODES, "MQG")
            backfill(there, "MQG")
            false += len(missing(there, "MQG"))
            for place, (code, (kind, fault, arg, reason)) in enumerate(zip(CODES, KINDS, strict=True)):
                asked = planted(there, code, fault, arg, place % len(SPANS))
                found = missing(there, code)
                inside = {day: why for day, why in found.items() if day in asked}
                false += len(found) - len(inside)
                seen += len(inside)
                is_named = bool(inside) and set(inside.values()) == {reason}
                for first, last in SPANS:
                    there.run("fill-gaps", "--symbol", code, "--retry-failed", "--from", first, "--to", last)
                left = missing(there, code)
                named, repaired = named + is_named, repaired + (is_named and not left)
                report(f"{kind}: {len(inside)} of {len(asked)} sessions {sorted(set(inside.values()))}, left {len(left)}")
    return [
        {"id": "H7", "name": "kinds named", "value": named, "unit": "", "op": ">=", "bar": 9, "n": len(KINDS), "rival": "none"},
        {"id": "H7", "name": "kinds repaired", "value": repaired, "unit": "", "op": ">=", "bar": 9, "n": len(KINDS), "rival": "none"},
        {"id": "H7", "name": "false gaps", "value": false, "unit": "sessions", "op": "==", "bar": 0, "n": len(CODES) + 1,
         "planted": seen, "rival": "the calendar"},
    ]  # fmt: skip


if __name__ == "__main__":
    for each in figures(print):
        print(each)
