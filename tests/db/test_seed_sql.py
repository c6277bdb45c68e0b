"""The SQL that users already run, verbatim from ../shared/seed_sql, on the whole universe: it must go on to work."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import psycopg
import pytest

from scizor.base.paths import ROOT
from scizor.db import calendar, symbols
from scizor.db.windows import store
from scizor.market import universe
from scizor.market.types import OutcomeKind, Timeframe, Window
from tests.db.conftest import Connection, Market, failed, ok, xasx

SEED_SQL = ROOT.parent / "shared" / "seed_sql"
EIGHTEEN = {
    1: {"CBA", "BHP", "CSL", "WBC", "ANZ", "NAB", "WOW", "WES"},
    2: {"RIO", "MQG", "FMG", "TLS", "TCL", "COL"},
    3: {"XRO", "WTC", "APT", "ZIP"},
}


def statement(name: str) -> str:
    file = SEED_SQL / name
    if not file.is_file():
        pytest.skip(f"users' SQL absent: {file.name}, expected in ../shared/seed_sql")
    return file.read_text()


@pytest.fixture
def now() -> datetime:
    """The wall's: the users' queries ask the server for CURRENT_DATE."""
    return datetime.now(UTC)


@pytest.fixture
def whole(collector: Connection, now: datetime) -> Connection:
    """All 309, the earlier holders of their codes, and a foreign namesake of each of the eighteen."""
    listed: list[universe.Listed] = []
    for name in ("asx200.csv", "nasdaq100.csv", "etfs.csv"):
        listed += universe.read_listed(name, (ROOT / "etc" / "universe" / name).read_bytes())[0]
    symbols.store_listed(collector, listed, now)
    lives, _ = universe.read_lives("codes.csv", (ROOT / "etc" / "universe" / "codes.csv").read_bytes())
    past = universe.past_holders(lives, {each.symbol: each for each in listed})
    assert {"APT.2017", "ZIP.2020"} <= {each.symbol for each in past}
    symbols.store_listed(collector, past, now, active=False)
    symbols.store_lives(collector, lives)
    namesakes = [
        each._replace(symbol=f"{each.symbol}.NASDAQ", exchange="SMART", primary_exchange="NASDAQ", currency="USD", calendar="XNAS", con_id=None)
        for each in listed
        if each.symbol in set().union(*EIGHTEEN.values())
    ]
    symbols.store_listed(collector, namesakes, now)
    return collector


def test_the_inserts_fill_exactly_eighteen_rows_in_three_tiers(whole: Connection) -> None:
    whole.execute(statement("watchlist_inserts.sql").encode())
    rows = whole.execute(
        "SELECT s.symbol, w.priority, w.collect_5min, w.collect_1min, s.exchange FROM watchlist w JOIN symbols s ON s.id = w.symbol_id"
    ).fetchall()
    assert len(rows) == 18
    assert {tier: {row[0] for row in rows if row[1] == tier} for tier in EIGHTEEN} == EIGHTEEN
    assert all(row[2] and row[3] == (row[1] == 1) and row[4] == "ASX" for row in rows)


def test_the_inserts_give_more_rows_when_a_plain_code_belongs_to_two(whole: Connection) -> None:
    """The defect that the rule of one row a plain code prevents, planted: the table refuses it."""
    with pytest.raises(psycopg.errors.UniqueViolation):
        whole.execute("INSERT INTO symbols (symbol, exchange, calendar, currency) VALUES ('TLS', 'NASDAQ', 'XNAS', 'USD')")


def test_a_second_run_of_the_inserts_refuses_by_the_key(whole: Connection) -> None:
    inserts = statement("watchlist_inserts.sql").encode()
    whole.execute(inserts)
    with pytest.raises(psycopg.errors.UniqueViolation, match="watchlist_pkey"):
        whole.execute(inserts)
    assert whole.execute("SELECT count(*) FROM watchlist").fetchone() == (18,)


def test_coverage_says_of_every_active_symbol_what_it_has(whole: Connection, now: datetime) -> None:
    collect(whole, now)
    rows = whole.execute(statement("coverage.sql").encode()).fetchall()
    active = whole.execute("SELECT count(*) FROM symbols WHERE active").fetchone()
    assert active == (309 + 18,)
    assert len(rows) == 327
    found = {row[0]: row for row in rows}
    assert found["BHP"][1:] == ("ASX", 5, datetime(2025, 1, 16, tzinfo=UTC))
    assert found["CBA"][2:] == (0, None)  # its request failed
    assert rows[0][0] == "BHP"  # the newest first, nothing at the end


def test_recent_collections_and_their_statistics_count_what_happened_today(whole: Connection, now: datetime) -> None:
    collect(whole, now)
    rows = whole.execute(statement("recent_collections.sql").encode()).fetchall()
    assert {(row[0], row[2]) for row in rows} == {("BHP", "completed"), ("CBA", "failed")}
    (failure,) = [row for row in rows if row[0] == "CBA"]
    assert "pacing violation" in failure[5]
    (today,) = whole.execute(statement("collection_statistics.sql").encode()).fetchall()
    assert today[0] == now.date()
    assert today[1:4] == (2, 1, 1)
    assert 0 < float(today[4]) < 10


def test_coverage_reads_the_daily_bars_and_not_the_minutes(whole: Connection, database: Connection, now: datetime) -> None:
    """What keeps it below a second on 30 million bars: the rows that it reads are the daily ones alone."""
    collect(whole, now)
    number, origin = database.execute("SELECT symbol_id, origin FROM bars LIMIT 1").fetchone() or (0, 0)
    database.execute(
        "INSERT INTO bars (symbol_id, timeframe, origin, \"timestamp\", session_date, open, high, low, close, volume, known_from, request_id) "
        "SELECT symbol_id, '1min', origin, \"timestamp\" + m * interval '1 minute', session_date, open, high, low, close, volume, known_from, request_id "
        "FROM bars, generate_series(0, 1399) m WHERE symbol_id = %s AND origin = %s",
        [number, origin],
    )
    database.execute("VACUUM ANALYZE bars")
    plan = "\n".join(row[0] for row in database.execute("EXPLAIN (ANALYZE, COSTS off, TIMING off) " + statement("coverage.sql")))
    read = [
        round(float(rows) * int(loops))
        for node, rows, loops in re.findall(r"->\s+(.*?Scan.*? on bars\w*).*?\(actual rows=([\d.]+) loops=(\d+)\)", plan)
    ]
    assert read, plan
    assert sum(read) <= 2 * 5, plan
    assert database.execute("SELECT count(*) FROM bars").fetchone() == (7_005,)


def collect(connection: Connection, now: datetime) -> None:
    """A good answer for BHP's last five sessions and a pacing violation for CBA, as collection stores them."""
    sessions = xasx()
    calendar.store(connection, sessions, "exchange_calendars", now)
    instruments = {each.symbol: each for each in symbols.load_instruments(connection, now, ["BHP", "CBA"])}
    market = Market(sessions, instruments)
    days: list[date] = market.dates(5)
    answers = {"BHP": ok(market.bars(5)), "CBA": failed(OutcomeKind.PACING, code=162, text="API historical data query pacing violation")}
    for symbol, outcome in answers.items():
        window = Window(instruments[symbol], Timeframe.DAY1, days[0], days[-1])
        timed = replace(outcome, asked_at=now - timedelta(seconds=2), answered_at=now)
        store(connection, None, None, window, timed, now, sessions=sessions)
