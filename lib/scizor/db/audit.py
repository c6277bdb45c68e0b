"""What the ledger of coverage says, held against a recount of the bars. Reads only."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple

import psycopg

from scizor.db.sql import query
from scizor.market.types import Timeframe

Connection = psycopg.Connection[tuple[Any, ...]]

Counted = dict[int, dict[date, int]]


class Evidence(NamedTuple):
    """An open row of coverage_gaps and what stands behind it. first, last: session dates, both included. request: the row of
    collection_logs that says so last, with its outcome, IB's code and words; empty_request: the first answer without it;
    quarantine, rule: the refused bar. since: of that first answer, UTC."""

    symbol_id: int
    first: date
    last: date
    why: str
    is_explained: bool
    attempts: int
    next_at: datetime | None
    since: datetime | None
    noticed_at: datetime
    request: int
    outcome: str
    ib_code: int | None
    words: str | None
    empty_request: int | None
    quarantine: int | None
    rule: str | None
    closed_on: date | None


def recount(
    connection: Connection, timeframe: Timeframe, origin: int, first: date, last: date, symbols: Collection[int] | None = None
) -> Counted:
    """Bars in continuous trading by symbol id and session date, counted in the table itself. origin: its number. A session
    without any is absent."""
    values = {
        "timeframe": str(timeframe), "origin": origin, "symbols": None if symbols is None else sorted(symbols),
        "first": datetime.combine(first, time(0), UTC) - timedelta(days=1),
        "end": datetime.combine(last, time(0), UTC) + timedelta(days=2),  # a session begins and ends in other UTC days, too
    }  # fmt: skip
    found: Counted = {}
    for symbol_id, day, count in connection.execute(query("bars_by_session"), values):
        if first <= day <= last:
            found.setdefault(symbol_id, {})[day] = count
    return found


def evidence(
    connection: Connection, timeframe: Timeframe, origin: int, symbols: Collection[int] | None = None
) -> dict[int, list[Evidence]]:
    """What is not complete, by symbol id, oldest first."""
    values = {"timeframe": str(timeframe), "origin": origin, "symbols": None if symbols is None else sorted(symbols)}
    found: dict[int, list[Evidence]] = {}
    for symbol_id, first, end, *rest in connection.execute(query("gap_evidence"), values):
        found.setdefault(symbol_id, []).append(Evidence(symbol_id, first, end - timedelta(days=1), *rest))
    return found
