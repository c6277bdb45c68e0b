"""Rows of collection_logs: one a request to the vendor, with how it truly ended."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import psycopg

from scizor.db.runs import Run
from scizor.db.sql import query
from scizor.market.types import Outcome, Window

Connection = psycopg.Connection[tuple[Any, ...]]

TEXT_MAX = 1000  # characters, as the column's CHECK says


def open_request(connection: Connection, run: Run | None, window: Window, origin: int, at: datetime) -> int:
    """A pending row; returns its id. `at`: when it was, or will be, asked."""
    row = connection.execute(query("open_request"), {
        "run_id": run.id if run else None, "symbol_id": window.instrument.symbol_id, "timeframe": window.timeframe,
        "origin": origin, "start_date": window.first, "end_date": window.last, "window_start": window.start,
        "window_end": window.end, "attempt": min(window.attempt, 32767), "at": at,
    }).fetchone()  # fmt: skip
    assert row is not None
    return int(row[0])


def close_request(connection: Connection, request: int, outcome: Outcome, counts: dict[str, int], now: datetime) -> None:
    """How it ended. counts: records_collected and what became of them."""
    connection.execute(query("close_request"), {
        "id": request, "outcome": outcome.kind, "ib_code": outcome.code, "text": _clean(outcome.text), "now": now,
        "is_permanent": outcome.is_permanent, "sha256": outcome.sha256, **counts,
    })  # fmt: skip


def _clean(text: str) -> str | None:
    """The vendor's text, without what a database cannot hold: NUL, and halves of surrogate pairs."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()[:TEXT_MAX] or None
