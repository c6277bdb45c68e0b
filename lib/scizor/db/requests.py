"""Rows of collection_logs: one a request to the vendor, with how it truly ended."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import psycopg

from scizor.base.masking import mask
from scizor.db.runs import Run
from scizor.db.sql import query
from scizor.market.types import Outcome, Window

Connection = psycopg.Connection[tuple[Any, ...]]

TEXT_MAX = 1000  # characters, as the column's CHECK says


def open_request(connection: Connection, run: Run | None, window: Window, origin: int, at: datetime) -> int:
    """A pending row, for a request that is about to be sent; returns its id. windows.store closes it."""
    row = connection.execute(query("open_request"), _described(run, window, origin, at)).fetchone()
    assert row is not None
    return int(row[0])


def store_request(
    connection: Connection, request: int, run: Run | None, window: Window, origin: int, outcome: Outcome,
    counts: dict[str, int], now: datetime, *, is_pending: bool,
) -> None:  # fmt: skip
    """How it ended: its whole row, or the rest of a pending one. counts: records_collected and what became of them."""
    ended = {
        "id": request, "outcome": str(outcome.kind), "ib_code": outcome.code, "text": clean(outcome.text), "now": now,
        "is_permanent": outcome.is_permanent, "sha256": outcome.sha256, **counts,
    }  # fmt: skip
    if is_pending:
        connection.execute(query("close_request"), ended)
    else:
        connection.execute(query("store_request"), {**_described(run, window, origin, outcome.asked_at or now), **ended})


def _described(run: Run | None, window: Window, origin: int, at: datetime) -> dict[str, Any]:
    return {
        "run_id": run.id if run else None, "symbol_id": window.instrument.symbol_id, "timeframe": str(window.timeframe),
        "origin": origin, "start_date": window.first, "end_date": window.last, "window_start": window.start,
        "collection_type": "import" if window.origin.is_imported else "historical", "window_end": window.end, "attempt": min(window.attempt, 32767), "at": at,
    }  # fmt: skip


def clean(text: str) -> str | None:
    """The vendor's text, without what a database cannot hold (NUL, halves of surrogate pairs) and accounts, which it names."""
    return mask(text).replace("\0", "").encode("utf-8", "replace").decode()[:TEXT_MAX] or None
