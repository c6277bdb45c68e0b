"""How long rows are kept that only tell how things went. The database's functions delete, and refuse what is too young."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import psycopg

from scizor.db.sql import query

Connection = psycopg.Connection[tuple[Any, ...]]

#: In the order of deletion: what refers to others goes before them. README "Space" states the same days.
DAYS = {"connection_events": 400, "job_runs": 400, "coverage_gaps": 400, "alerts": 400, "kpis": 1100, "pacing_requests": 7}


def cutoffs(now: datetime) -> dict[str, datetime]:
    """By table, the instant before which rows have served their time."""
    return {what: now - timedelta(days=days) for what, days in DAYS.items()}


def due(connection: Connection, now: datetime) -> dict[str, int]:
    """By table, how many rows have served their time; in the order of DAYS."""
    found: dict[str, int] = dict(connection.execute(query("prunable"), cutoffs(now)).fetchall())
    return {what: found[what] for what in DAYS}


def prune(connection: Connection, what: str, now: datetime) -> int:
    """Deletes them; returns how many."""
    before = cutoffs(now)[what]
    with connection.transaction():
        if what == "pacing_requests":
            row = connection.execute("SELECT prune_pacing_requests(%s)", [before]).fetchone()
        else:
            row = connection.execute("SELECT prune_rows(%s, %s)", [what, before]).fetchone()
    return int(row[0]) if row else 0
