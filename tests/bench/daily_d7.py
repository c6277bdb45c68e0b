"""D7: the same million bars a second time: nothing changes, next to nothing is written; and one planted change is seen."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from scizor.db import windows
from scizor.db.writers import Writers
from tests.bench import million

AGAIN = timedelta(days=1)


def figures(report: Callable[[str], None], count: int = million.BARS) -> list[dict[str, Any]]:
    """Rows changed, write-ahead log, time against the COPY of the same run, and a change planted in the table."""
    try:
        found = million.answers(count)
    except FileNotFoundError as absent:
        report(str(absent))
        return []
    with (
        million.fresh_database() as connection, million.as_superuser(connection) as superuser,
        million.writers(connection) as few,
    ):
        load = million.prepare(connection, found)

        def store(now: datetime) -> list[windows.Stored]:
            return million.store(few, load, now)

        def one(statement: str) -> Any:
            row = superuser.execute(statement.encode()).fetchone()
            assert row is not None
            return row[0]

        state = "SELECT md5(string_agg(h, '')) FROM (SELECT sum(hashtextextended(b::text, 0)::numeric)::text h FROM bars b GROUP BY symbol_id ORDER BY symbol_id) x"
        held = "SELECT (SELECT count(*) FROM bars_history) + (SELECT count(*) FROM quarantine)"
        first = store(million.NOW)
        report(f"{sum(each.stored for each in first):,} bars stored in {len(first)} windows")
        copy = million.copy_seconds(connection, load.plain)
        superuser.execute("VACUUM")
        superuser.execute("CHECKPOINT")
        before = (one(state), one(held))
        log = _log_bytes(few, superuser)
        start = time.perf_counter()
        second = store(million.NOW + AGAIN)
        seconds = time.perf_counter() - start
        wal = (_log_bytes(few, superuser) - log) / 1e6
        changed = sum(each.stored + each.revised for each in second) + ((one(state), one(held)) != before)
        report(f"again: {seconds:.2f} s, {seconds / copy:.2f} times COPY's {copy:.2f} s; {changed} rows changed; {wal:.2f} MB of log")
        superuser.execute(
            "UPDATE bars SET close = low, request_id = request_id + 1 WHERE (symbol_id, timeframe, origin, \"timestamp\") = "
            "(SELECT symbol_id, timeframe, origin, \"timestamp\" FROM bars WHERE close > low ORDER BY 1, 4 LIMIT 1)"
        )
        planted = store(million.NOW + 2 * AGAIN)
        seen = sum(each.stored + each.revised for each in planted)
        report(f"with one bar changed by hand: {seen} revised")
    same = {"n": load.count, "planted": seen}
    return [
        {"id": "D7 rows changed", "value": changed, "unit": "rows", "op": "==", "bar": 0, "rival": "the table as it was", **same},
        {"id": "D7 log", "value": round(wal, 2), "unit": "MB", "op": "<=", "bar": 1.0, "rival": "none", **same},
        {"id": "D7 time", "value": round(seconds / copy, 2), "unit": "x COPY", "op": "<=", "bar": 4.0,
         "rival": "text COPY into a bare table", **same},
        {"id": "D7 planted", "value": seen, "unit": "rows seen", "op": "==", "bar": 1, "rival": "one bar changed by hand", "n": 1},
    ]  # fmt: skip


def _log_bytes(few: Writers, superuser: million.Connection) -> float:
    """What these writers have written to the log: others on the same server do not count (before 18: all together)."""
    if superuser.info.server_version < 180000:
        row = superuser.execute("SELECT pg_current_wal_insert_lsn() - '0/0'").fetchone()
        assert row is not None
        return float(row[0])
    total = 0.0
    for link in few.links:
        link.connection.execute("SELECT pg_stat_force_next_flush()")
        row = superuser.execute("SELECT wal_bytes FROM pg_stat_get_backend_wal(%s)", [link.connection.info.backend_pid]).fetchone()
        total += float(row[0]) if row and row[0] is not None else 0.0
    return total


if __name__ == "__main__":
    for figure in figures(print):
        print(figure)
