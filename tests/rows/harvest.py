"""What a run is made to meet, a fault a symbol, and what stands in the database afterwards."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from typing import Any

from scizor.base.exit import Exit
from tests.jobs.stage import Stage
from tests.rows.recount import disagreements

#: symbol -> fault, its argument, the rule in quarantine (empty: nothing is refused)
BAR_FAULTS = {
    "CBA": ("duplicate-bar", "", ""),
    "BHP": ("out-of-order", "", ""),
    "CSL": ("conflicting-bar", "", "dup_conflict"),
    "WBC": ("high-below-low", "", "high_below_low"),
    "ANZ": ("close-above-high", "", "high_below_close"),
    "NAB": ("nan-price", "", "price_domain"),
    "WOW": ("infinite-price", "", "price_domain"),
    "WES": ("huge-price", "", "price_domain"),
    "RIO": ("negative-price", "", "price_domain"),
    "MQG": ("zero-price", "", "price_domain"),
    "FMG": ("empty-price", "", "price_domain"),
    "TLS": ("volume-unknown", "", ""),
    "TCL": ("volume-negative", "", "volume_domain"),
    "COL": ("too-many-decimals", "", "scale"),
    "WTC": ("stale-session", "", "stale_session"),
    "XRO": ("missing-bar", "", ""),
}
#: symbol -> fault, its argument, how the request ends
ERROR_FAULTS = {
    "AMC": ("invalid-step", "", "error"),
    "ORG": ("error", "162:Servicio de datos historicos: algo que nadie entiende", "error"),
    "STO": ("no-data", "", "empty-unconfirmed"),
    "SUN": ("354", "", "no-permission"),
    "QBE": ("10089", "", "no-permission"),
    "IAG": ("10167", "", "no-permission"),
    "ALL": ("420", "", "no-permission"),
    "JHX": ("321", "", "error"),
    "REH": ("10197", "", "error"),
    "GMG": ("error-after", "3", "error"),
    "SCG": ("truncated", "", "error"),
    "MPL": ("366", "", "error"),
}
CLEAN = ("RMD", "QAN", "TPG")  # 322 ends as pacing, whose pause is too long for this stage: tests.ib.test_failures has it


@dataclass(frozen=True)
class Look:
    """status: of the run. bars: by symbol, the session dates. gaps: by symbol, the sessions that
    are missing: date, why, is_explained. refused: by symbol, rule and session date. logs: by symbol, the requests in order.
    wrong: what a recount of the coverage finds."""

    status: Exit
    bars: dict[str, set[date]]
    gaps: dict[str, list[tuple[date, str, bool]]]
    refused: dict[str, list[tuple[str, date]]]
    logs: dict[str, list[dict[str, Any]]]
    complete: dict[str, set[date]]
    wrong: dict[str, list[tuple[Any, ...]]]


@dataclass(frozen=True)
class Harvest:
    """first: after the run with the faults. second: after the one without."""

    there: Stage
    first: Look
    second: Look


def look(there: Stage, status: Exit) -> Look:
    bars: dict[str, set[date]] = defaultdict(set)
    for symbol, day in there.rows("SELECT symbol, session_date FROM bars JOIN symbols s ON s.id = symbol_id"):
        bars[symbol].add(day)
    gaps: dict[str, list[Any]] = defaultdict(list)
    for symbol, *gap in there.rows("SELECT symbol, session_date, why, is_explained FROM missing_sessions ORDER BY session_date"):
        gaps[symbol].append(tuple(gap))
    refused: dict[str, list[Any]] = defaultdict(list)
    for symbol, *row in there.rows("SELECT symbol, rule, session_date FROM quarantine JOIN symbols s ON s.id = symbol_id"):
        refused[symbol].append(tuple(row))
    logs: dict[str, list[Any]] = defaultdict(list)
    names = ("outcome", "status", "ib_code", "error_message", "is_permanent", "records_collected", "stored", "quarantined", "duplicates")
    for symbol, *log in there.rows(f"SELECT symbol, {', '.join('l.' + name for name in names)} FROM collection_logs l JOIN symbols s ON s.id = symbol_id ORDER BY l.id"):
        logs[symbol].append(dict(zip(names, log, strict=True)))
    complete: dict[str, set[date]] = defaultdict(set)
    for symbol, day in there.rows(
        "SELECT symbol, x.session_date FROM coverage c JOIN symbols s ON s.id = symbol_id, unnest(complete) AS r, sessions x "
        "WHERE x.calendar = s.calendar AND x.session_date <@ r"
    ):
        complete[symbol].add(day)
    return Look(status, bars, gaps, refused, logs, complete, disagreements(there.rows))
