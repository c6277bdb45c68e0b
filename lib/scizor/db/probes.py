"""What bin/probe established, and what is to be expected because of it: the one place where a record becomes an expectation."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import psycopg
from psycopg.types.json import Jsonb

from scizor.base.masking import mask
from scizor.db.runs import Run
from scizor.db.sql import query
from scizor.market.expectations import AS_EVER, Expectations

Connection = psycopg.Connection[tuple[Any, ...]]

REASON_MAX = 1000  # characters, as the column's CHECK says

#: The questions on which something depends.
AUCTION, EMPTY_MINUTES, SLOW_DOWN = "auction-in-regular-hours", "empty-minutes", "slow-down"


class Probe(NamedTuple):
    """A row of probes. answer None: nothing was established, and reason says why."""

    id: int
    asked_at: datetime
    question: str
    exchange: str
    symbol: str
    answer: dict[str, Any] | None
    measured: dict[str, Any]
    reason: str
    requests: list[int]
    server_version: int


def load(connection: Connection, *, answered: bool = False) -> list[Probe]:
    """The newest row of each question about each exchange. answered: the newest that established something."""
    return [Probe(*row) for row in connection.execute(query("probes"), {"answered": answered})]


def store(
    connection: Connection, run: Run | None, at: datetime, server_version: int, *, question: str, exchange: str, symbol: str,
    answer: Mapping[str, Any] | None, measured: Mapping[str, Any], reason: str, requests: list[int],
) -> None:  # fmt: skip
    """One row. What the vendor said is kept without accounts."""
    with connection.transaction():
        connection.execute(query("store_probe"), {
            "run_id": run.id if run else None, "at": at, "question": question, "exchange": exchange, "symbol": symbol,
            "answer": None if answer is None else Jsonb(dict(answer)), "measured": Jsonb(dict(measured)),
            "reason": mask(reason)[:REASON_MAX], "requests": requests, "server_version": server_version,
        })  # fmt: skip


def thinnest(connection: Connection, since: datetime) -> dict[str, str]:
    """By exchange, the symbol with the least turnover a day since then; exchanges without stored daily bars are absent."""
    return dict(connection.execute(query("thinnest_symbols"), {"since": since}).fetchall())


def expectations(connection: Connection) -> Mapping[str, Expectations]:
    """By exchange; the defaults where nothing was established. One small query."""
    found: dict[str, Expectations] = defaultdict(lambda: AS_EVER)
    for each in load(connection, answered=True):
        answer = each.answer or {}
        if each.question == AUCTION:
            found[each.exchange] = found[each.exchange]._replace(auction_is_regular=answer.get("is_regular") is True)
        elif each.question == EMPTY_MINUTES:
            found[each.exchange] = found[each.exchange]._replace(empty_minutes_have_bars=answer.get("have_bars") is True)
    return found


def open_first(connection: Connection, configured: int) -> int:
    """With how many requests at once to begin: as many as were found not to slow the vendor, else as configured."""
    kept = next((each.measured.get("kept") for each in load(connection, answered=True) if each.question == SLOW_DOWN), None)
    return kept if isinstance(kept, int) and kept >= 1 else configured
