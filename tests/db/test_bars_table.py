"""The table itself: nothing impossible gets in, whoever writes; and it stays quick when it is large."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from scizor.base.config import DatabaseConfig
from scizor.base.paths import ROOT
from scizor.db import runs
from scizor.db.windows import store
from scizor.market.types import Bar
from tests.db.conftest import NOW, Connection, Market, ok

Rows = Callable[..., list[tuple[Any, ...]]]
GOOD = {"open": "10", "high": "12", "low": "9", "close": "11", "volume": "100", "wap": "10.5", "trades": "7"}
IMPOSSIBLE = [
    {"open": "'NaN'"}, {"high": "'Infinity'"}, {"low": "0"}, {"low": "-1"}, {"close": "NULL"}, {"high": "1e9"}, {"open": "13"},
    {"open": "8"}, {"close": "13"}, {"close": "8"}, {"high": "8"}, {"open": "10.123456789"}, {"volume": "-1"}, {"volume": "'NaN'"},
    {"volume": "1e15"}, {"volume": "1.123456789"}, {"wap": "0"}, {"wap": "'NaN'"}, {"wap": "10.123456789"}, {"trades": "-1"},
]  # fmt: skip
INSERT = """INSERT INTO bars (symbol_id, timeframe, origin, "timestamp", session_date, {columns}, request_id, known_from)
VALUES (1, {timeframe}, 1, '2025-01-15Z', '2025-01-15', {values}, 1, {known})"""


def insert(connection: Connection, change: dict[str, str], timeframe: str = "'1day'", known: str = "'2025-01-16Z'") -> None:
    values = {**GOOD, **change}
    statement = INSERT.format(columns=", ".join(values), values=", ".join(values.values()), timeframe=timeframe, known=known)
    connection.execute(statement.encode())


@pytest.mark.parametrize("change", IMPOSSIBLE)
def test_I11_the_table_refuses_an_impossible_bar_from_anybody(change: dict[str, str], collector: Connection) -> None:
    with pytest.raises((psycopg.errors.CheckViolation, psycopg.errors.NotNullViolation)):
        insert(collector, change)
    insert(collector, {})


def test_I11_nor_one_of_no_timeframe_nor_one_known_before_it_began(collector: Connection) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        insert(collector, {}, timeframe="'1 dya'")
    with pytest.raises(psycopg.errors.CheckViolation):
        insert(collector, {}, known="'2025-01-14Z'")


def test_I12_good_and_bad_rows_in_any_mixture_are_all_accounted_for(collector: Connection, market: Market, rows: Rows) -> None:
    """Whatever share is bad: stored + quarantined + duplicates is what came, and the good ones are in the table."""
    seed = 20250116
    random_ = random.Random(seed)
    spoil = ("open", "high", "low", "close", "volume")
    for share in (0.01, 0.1, 0.5, 0.9, 1.0):
        bars: list[Bar] = []
        for bar in market.bars():
            if random_.random() < share:
                change: dict[str, Any] = {random_.choice(spoil): random_.choice([float("nan"), -3.0, float("inf"), 1e-9])}
                bar = bar._replace(**change)
            bars += [bar] * random_.choice([1, 1, 1, 2])
        random_.shuffle(bars)
        done = store(collector, None, None, market.window(), ok(bars), NOW, sessions=market.sessions)
        assert done.received == len(bars), f"seed {seed}"
        assert done.stored + done.revised + done.unchanged + done.quarantined + done.duplicates == len(bars), f"seed {seed}"
        assert rows("SELECT count(*) FROM bars WHERE NOT (low > 0 AND high < 1e9 AND volume >= 0)") == [(0,)]


STORE = """
import sys
from dataclasses import replace
from scizor.base.config import DatabaseConfig
from scizor.db import runs, symbols
from scizor.db.connect import connect
from scizor.db.windows import store
from tests.db.conftest import NOW, Market, ok, xasx
host, port, name = sys.argv[1:4]
config = replace(DatabaseConfig(), host=host, port=int(port), name=name)
with connect(config, application="store") as connection:
    market = Market(xasx(), {each.symbol: each for each in symbols.load_instruments(connection, NOW)})
    run = runs.start(connection, job="store", scope="", place=runs.Place("here", 1, "boot", "code"), now=NOW)
    print("ready", flush=True)
    for more in range(1, 100000):
        bars = [each._replace(volume=each.volume + more) for each in market.bars()]
        for symbol in ("BHP", "CBA"):
            done = store(connection, run, None, market.window(symbol=symbol), ok(bars), NOW, sessions=market.sessions)
            print(done.request, flush=True)
"""


def test_a_store_that_is_killed_anywhere_leaves_whole_windows(
    database_config: DatabaseConfig, collector: Connection, market: Market, rows: Rows
) -> None:
    """kill -9, twelve times, while every window is revised over and over: requests, bars, history and coverage agree."""
    command = [sys.executable, "-c", STORE, database_config.host, str(database_config.port), database_config.name]
    acknowledged = 0
    for step in range(12):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        time.sleep(0.03 + 0.017 * step)
        os.kill(process.pid, signal.SIGKILL)
        acknowledged += process.communicate()[0].count("\n")
    total = len(market.sessions)
    deadline = time.monotonic() + 10
    while rows("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'scizor/store'") != [(0,)]:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert rows("SELECT count(*) >= %s FROM collection_logs", acknowledged) == [(True,)]
    assert rows("SELECT count(*) FROM collection_logs WHERE outcome <> 'ok'") == [(0,)]
    # each window is of one answer throughout, and what its last request said it did is what there is
    assert rows("SELECT symbol_id, count(*), count(DISTINCT request_id), max(volume) - min(volume) = %s FROM bars GROUP BY 1", total - 1) == [
        (each.symbol_id, total, 1, True) for each in market.instruments.values()
    ]
    assert rows("SELECT sum(stored) - (SELECT count(*) FROM bars), sum(revised) - (SELECT count(*) FROM bars_history) FROM collection_logs") == [(0, 0)]
    assert rows("SELECT sum(bar_count) - (SELECT count(*) FROM bars) FROM historical_data_metadata") == [(0,)]
    assert rows("SELECT count(*) FROM job_runs WHERE outcome = 'abandoned'") == [(11,)]
    place = runs.Place("here", 1, "boot", "code")
    run = runs.start(collector, job="store", scope="", place=place, now=NOW)
    assert store(collector, run, None, market.window(), ok(market.bars()), NOW, sessions=market.sessions).revised == total


def fill(database: Connection, symbols: int, daily: int, minutes: int) -> None:
    """Bars by the server itself; straight lines, as nobody looks at them."""
    database.execute("""
        INSERT INTO symbols (symbol, exchange, calendar, currency) SELECT 'S' || g, 'ASX', 'XASX', 'AUD' FROM generate_series(1, %s) g
        """, [symbols])  # fmt: skip
    for timeframe, count, step in (("1day", daily, "1 day"), ("1min", minutes, "1 minute")):
        database.execute("""
            INSERT INTO bars (symbol_id, timeframe, origin, "timestamp", session_date, open, high, low, close, volume, request_id, known_from)
            SELECT s.id, %s, 1, '2005-01-03Z'::timestamptz + g * %s::interval, '2005-01-03'::date, 10, 11, 9, 10, g, 1, '2030-01-01Z'
            FROM symbols s CROSS JOIN generate_series(0, %s) g
            """, [timeframe, step, count - 1])  # fmt: skip


def monitored(database: Connection) -> tuple[float, list[tuple[Any, ...]]]:
    path = ROOT.parent / "shared" / "seed_sql" / "coverage.sql"
    if not path.exists():
        pytest.skip("users' SQL absent: coverage.sql, expected in ../shared/seed_sql")
    best, found = 9e9, []
    for _ in range(3):
        start = time.perf_counter()
        found = database.execute(path.read_bytes()).fetchall()
        best = min(best, time.perf_counter() - start)
    return best, found


def test_the_users_coverage_query_reads_the_index_and_only_the_daily_part(database: Connection) -> None:
    fill(database, symbols=20, daily=2000, minutes=10_000)
    database.execute("VACUUM ANALYZE bars")
    seconds, found = monitored(database)
    assert len(found) == 20 and {each[2] for each in found} == {2000}
    assert database.execute("SELECT count(*), count(DISTINCT id) FROM market_data").fetchone() == (240_000, 240_000)
    plan = "\n".join(row[0] for row in database.execute(
        b"EXPLAIN (ANALYZE, COSTS OFF) " + (ROOT.parent / "shared" / "seed_sql" / "coverage.sql").read_bytes()
    ))  # fmt: skip
    assert "Seq Scan on bars_2005" not in plan, plan  # where the minutes lie
    assert seconds < 1.0


@pytest.mark.exhaustive
def test_the_users_coverage_query_takes_a_second_on_thirty_million_bars(database: Connection) -> None:
    database.execute("SET statement_timeout TO 0")
    fill(database, symbols=309, daily=5146, minutes=92_000)
    database.execute("VACUUM ANALYZE bars")
    assert database.execute("SELECT sum(n_live_tup) > 29e6 FROM pg_stat_user_tables WHERE relname ~ '^bars_2'").fetchone() == (True,)
    seconds, found = monitored(database)
    assert len(found) == 309
    assert seconds <= 2.0, f"{seconds:.2f} s; on a quiet machine at most one"
    print(f"coverage.sql on 30 million bars: {seconds:.2f} s")
