"""A database of ten million bars with what a year of use leaves around them, made by the server itself; not a bench.

18 symbols of one-minute bars (1.6 million a year) and 309 of daily ones, complete coverage, a request for each window, runs of each job, a week of
the pacing ledger, key figures of a year. Simulated, deterministic; only sizes matter.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import psycopg

from scizor.base.config import DatabaseConfig
from scizor.db import calendar, symbols
from scizor.db.connect import connect
from scizor.market import calendar as exchange
from scizor.market.universe import Listed

Connection = psycopg.Connection[tuple[Any, ...]]
SYMBOLS, MINUTE_SYMBOLS = 309, 18


def fill(server: DatabaseConfig, now: datetime, bars: int) -> int:
    """Fills a fresh, migrated database; how many bars there are."""
    with connect(server, application="bench", owner=True) as owner:
        owner.execute("SET statement_timeout TO 0")
        days = exchange.sessions("XASX", (now - timedelta(days=8000)).date(), (now + timedelta(days=300)).date())
        calendar.store(owner, days, "exchange_calendars", now)
        listed = [
            Listed(symbol=f"S{number:03d}", name="", exchange="ASX", primary_exchange="", currency="AUD", sec_type="STK", sector="",
                   calendar="XASX", con_id=None, listed_from=None, listed_to=None, as_of=None)
            for number in range(SYMBOLS)
        ]  # fmt: skip
        symbols.store_listed(owner, listed, now)
        over = [each.session_date for each in days if each.last < now]
        daily = min(len(over), bars // 6 // SYMBOLS)
        owner.execute(REQUESTS, {"now": now, "daily": SYMBOLS})
        owner.execute(DAILY, {"now": now, "dates": over[-daily:]})
        minutes = (bars - daily * SYMBOLS) // MINUTE_SYMBOLS
        owner.execute(MINUTES, {"now": now, "dates": over[-(minutes // 360 + 1) :], "count": minutes, "symbols": MINUTE_SYMBOLS})
        owner.execute(COVERAGE, {"now": now, "first": over[-daily], "last": over[-1] + timedelta(days=1)})
        for statement in AROUND:
            owner.execute(statement.encode(), {"now": now})
        owner.execute("VACUUM ANALYZE")
        row = owner.execute("SELECT count(*) FROM bars").fetchone()
    assert row is not None
    return int(row[0])


REQUESTS = b"""
INSERT INTO collection_logs (id, symbol_id, timeframe, origin, start_date, end_date, outcome, started_at, completed_at)
SELECT row_number() OVER (), s.id, '1day', 1, %(now)s::date - 7, %(now)s::date, 'empty-confirmed', at, at
FROM symbols s CROSS JOIN generate_series(%(now)s::timestamptz - interval '400 days', %(now)s::timestamptz - interval '1 hour', interval '1 day') at"""
DAILY = b"""
INSERT INTO bars (symbol_id, timeframe, origin, "timestamp", session_date, open, high, low, close, volume, request_id, known_from)
SELECT s.id, '1day', 1, day::timestamp AT TIME ZONE 'UTC', day, 10, 11, 9, 10, 1000, 1, %(now)s
FROM symbols s CROSS JOIN unnest(%(dates)s::date[]) day"""
MINUTES = b"""
INSERT INTO bars (symbol_id, timeframe, origin, "timestamp", session_date, open, high, low, close, volume, request_id, known_from)
SELECT s.id, '1min', 1, b.at, b.day, 10, 11, 9, 10, 1000, 1, %(now)s
FROM (SELECT id FROM symbols ORDER BY id LIMIT %(symbols)s) s
CROSS JOIN (SELECT (day::timestamp AT TIME ZONE 'UTC') + minute * interval '1 minute' AS at, day
            FROM unnest(%(dates)s::date[]) day CROSS JOIN generate_series(0, 359) minute LIMIT %(count)s) b"""
COVERAGE = b"""
INSERT INTO coverage (symbol_id, timeframe, origin, complete, checked_at)
SELECT id, '1day', 1, datemultirange(daterange(%(first)s, %(last)s)), %(now)s FROM symbols"""
AROUND = (
    """INSERT INTO coverage_gaps (symbol_id, timeframe, origin, days, why, request_id, noticed_at, resolved_at, attempts)
       SELECT s.id, '1day', 1, datemultirange(daterange(%(now)s::date - g - 1, %(now)s::date - g)), 'unknown', 1, %(now)s::timestamptz - interval '2 days', %(now)s, 1
       FROM symbols s CROSS JOIN generate_series(1, 100) g""",
    """INSERT INTO job_runs (job, scope, day, started_at, heartbeat_at, finished_at, outcome, exit_status, code_version, host, pid, boot_id, lock_epoch)
       SELECT 'job' || j, '', at::date, at, at, at, 'done', 0, 'x', 'h', 1, 'b', 1
       FROM generate_series(1, 12) j CROSS JOIN generate_series(%(now)s::timestamptz - interval '400 days', %(now)s, interval '4 hours') at""",
    "INSERT INTO job_locks (job, scope, epoch, run_id) SELECT job, scope, 1, max(id) FROM job_runs GROUP BY job, scope",
    "INSERT INTO pacing_holders (application, host, pid, started_at) VALUES ('x', 'h', 1, %(now)s)",
    """INSERT INTO pacing_requests (holder_id, key, contract_key, rule, weight, pacing_class, reserved_at, counted_at, closed_at)
       SELECT 1, 'k' || extract(epoch FROM at), 'c', 'hard', 1, 'backfill', at, at, at
       FROM generate_series(%(now)s::timestamptz - interval '7 days', %(now)s::timestamptz - interval '1 minute', interval '10 seconds') at""",
    """INSERT INTO connection_events (at, event, detail) SELECT at, 'connected', '' FROM generate_series(%(now)s::timestamptz - interval '400 days', %(now)s, interval '5 minutes') at""",
    """INSERT INTO kpis (name, scope, at, value, unit) SELECT 'kpi_' || k, '', at, 1, '%%'
       FROM generate_series(1, 20) k CROSS JOIN generate_series(%(now)s::timestamptz - interval '60 days', %(now)s, interval '5 minutes') at""",
    "INSERT INTO installation (mode, stamped_at) VALUES ('replay', %(now)s::timestamptz - interval '400 days')",
)
