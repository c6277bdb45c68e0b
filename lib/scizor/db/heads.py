"""Head timestamps: where IB's history of a contract begins, kept because the question costs a slot of the hard rule."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

import psycopg

from scizor.db.requests import clean
from scizor.db.series import origin_id
from scizor.db.sql import query
from scizor.market.types import Instrument, Kind, Origin, Outcome

Connection = psycopg.Connection[tuple[Any, ...]]


class Head(NamedTuple):
    """begins: the first instant (UTC) of which IB has data; None: it did not say. asked_at: UTC."""

    begins: datetime | None
    asked_at: datetime


def load(connection: Connection) -> dict[tuple[int, Origin], Head]:
    """What is known, by symbol id and origin, of the contracts that the symbols have now."""
    return {
        (symbol_id, Origin(Kind(kind), source, regular_hours)): Head(begins, asked_at)
        for symbol_id, kind, source, regular_hours, begins, asked_at in connection.execute(query("heads"))
    }


def store(
    connection: Connection, request: int, instrument: Instrument, origin: Origin, answer: datetime | Outcome, now: datetime
) -> None:
    """One answer; the newest stands. request: its row of collection_logs."""
    failed = answer if isinstance(answer, Outcome) else None
    connection.execute(query("store_head"), {
        "symbol_id": instrument.symbol_id, "con_id": instrument.con_id, "origin": origin_id(connection, origin),
        "head": None if failed else answer, "ib_code": failed.code if failed else None,
        "text": (clean(failed.text) or failed.kind.value) if failed else None,
        "request_id": request, "now": now,
    })  # fmt: skip
