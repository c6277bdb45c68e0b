"""What no answer, no login, no time zone and no restore may do to the tables."""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from itertools import product
from typing import Any

import psycopg
import pytest

from scizor.base.config import DatabaseConfig
from scizor.db import symbols
from scizor.db.connect import connect
from scizor.db.embedded import PORT, SUPERUSER, Embedded
from scizor.db.windows import store
from scizor.market.types import Bar, Origin, OutcomeKind, Timeframe
from tests.db.conftest import NOW, Connection, Market, failed, listed, ok
from tests.market.test_validate import random_bars
from tests.rows.recount import disagreements

Rows = Callable[..., list[tuple[Any, ...]]]
RANKS = "low > 0 AND low <= open AND low <= close AND high >= open AND high >= close AND high < 'Infinity' AND coalesce(volume, 0) >= 0"


def more_symbols(collector: Connection, count: int) -> list[str]:
    names = [f"S{number:03}" for number in range(count)]
    symbols.store_listed(collector, [listed(each) for each in names], NOW)
    return names


def with_symbols(collector: Connection, market: Market, count: int) -> tuple[Market, list[str]]:
    names = more_symbols(collector, count)
    found = {each.symbol: each for each in symbols.load_instruments(collector, NOW)}
    return Market(market.sessions, found), names


# ---- I10: bit for bit ------------------------------------------------------------------------------------------------


def extreme_bars(chance: random.Random, days: list[date]) -> list[Bar]:
    """Good bars at the edges of what a price and a volume may be, and doubles whose shortest text is long."""

    def price() -> float:
        if chance.random() < 0.4:
            return chance.choice((1e-8, 999999999.0, 0.1, 0.30000001, 123456.12345678, 1e-05, 948837.22, 0.001, 100.0, 1e8, 7e-07))
        return round(chance.uniform(1e-8, 10 ** chance.randrange(-2, 8)), 8) or 1e-8

    def volume() -> float | None:
        return chance.choice((None, -1.0, 0.0, 2.5e9, 948837.22, 1e14, 0.5, 1e-08, float(chance.randrange(10**9))))

    bars = []
    for day in days:
        low, *inner, high = sorted(price() for _ in range(5))
        trades = chance.choice((-1, 0, 1, 2**31 - 1, chance.randrange(10**6)))
        bars.append(Bar(day, inner[0], high, low, inner[1], volume(), chance.choice((None, 0.0, -1.0, inner[2])), trades))
    return bars


def exactly(bar: Bar) -> tuple[Decimal | None, ...]:
    """As it must stand in the table: -1 is IB's "none", and so is a wap of 0."""
    none = [False] * 4 + [bar.volume == -1, bar.wap in (-1, 0), bar.trades == -1]
    return tuple(None if value is None or is_none else Decimal(repr(value)) for value, is_none in zip(bar[1:8], none, strict=True))


def stored_exactly(collector: Connection, market: Market, seeds: range) -> int:
    seen = 0
    for seed in seeds:
        symbol = ("CBA", "BHP")[seed % 2]
        origin = Origin(source=f"seed-{seed}")  # each a series of its own: other bars of the same days would be another contract's
        bars = extreme_bars(random.Random(seed), market.dates())
        at = NOW + timedelta(days=seed)
        done = store(collector, None, None, market.window(symbol=symbol, origin=origin), ok(bars, at), at, sessions=market.sessions)
        assert (done.received, done.quarantined) == (len(bars), 0), f"seed {seed}: {done.rules}"
        found = collector.execute(
            "SELECT session_date, open, high, low, close, volume, wap, trades::numeric FROM bars b JOIN origins o ON o.id = b.origin "
            "WHERE o.source = %s ORDER BY 1", [origin.source],
        ).fetchall()  # fmt: skip
        assert [(day, tuple(values)) for day, *values in found] == [(bar.start, exactly(bar)) for bar in bars], f"seed {seed}"
        seen += len(found)
    return seen


def test_I10_extreme_bars_stand_in_the_table_digit_for_digit(collector: Connection, market: Market) -> None:
    assert stored_exactly(collector, market, range(20)) == 20 * len(market.sessions)


@pytest.mark.exhaustive
def test_I10_a_million_extreme_bars(collector: Connection, market: Market) -> None:
    assert stored_exactly(collector, market, range(1_000_000 // len(market.sessions) + 1)) >= 1_000_000


# ---- I11, I12: nothing impossible, nothing lost ----------------------------------------------------------------------


def one_batch(collector: Connection, market: Market, symbol: str, seed: int, share: float) -> tuple[Counter[str], int]:
    """An answer of which about `share` is spoiled in one way or several. Returns the rules that were broken and the bars stored."""
    chance = random.Random(seed)
    days = market.dates()
    good = {each.start: each for each in market.bars()}
    bad = random_bars(chance, len(days))
    answer = []
    for place, day in enumerate(days):
        if chance.random() >= share:
            answer.append(good[day])
            continue
        spoiled = bad[place % len(bad)]
        answer.append(spoiled._replace(start=day))
        if chance.random() < 0.2:
            answer.append(chance.choice((good[day], spoiled._replace(start=day), spoiled._replace(start=day, close=chance.uniform(1, 9)))))
    chance.shuffle(answer)
    done = store(collector, None, None, market.window(symbol=symbol), ok(answer), NOW, sessions=market.sessions)
    assert done.received == len(answer)
    assert done.received == done.stored + done.quarantined + done.duplicates + done.unfinished, f"seed {seed}"
    return Counter(done.rules), done.stored


def spoil(collector: Connection, market: Market, rows: Rows, seeds: range) -> None:
    market, names = with_symbols(collector, market, len(seeds))
    rules: Counter[str] = Counter()
    stored = 0
    for seed, symbol in zip(seeds, names, strict=True):
        broken, kept = one_batch(collector, market, symbol, seed, (seed % 100 + 1) / 100)
        rules += broken
        stored += kept
    assert rows(f"SELECT count(*), count(*) FILTER (WHERE {RANKS}) FROM bars") == [(stored, stored)]
    refused: dict[str, int] = dict(rows("SELECT rule, count(*) FROM quarantine GROUP BY 1"))
    assert set(refused) == set(rules)
    assert all(refused[rule] <= rules[rule] for rule in rules), "the same bad bar, said twice, is one row"
    assert sum(refused.values()) > len(seeds) * 10 and stored > len(seeds) * 10
    assert rows("SELECT count(*) FROM quarantine q JOIN bars b USING (symbol_id, timeframe, origin, \"timestamp\")") == [(0,)]
    assert disagreements(rows) == {}


def test_I11_I12_I15_no_impossible_bar_is_stored_none_is_lost_and_coverage_agrees(collector: Connection, market: Market, rows: Rows) -> None:
    """Planted: what a rule forgot, the table itself would refuse."""
    spoil(collector, market, rows, range(0, 100, 9))
    for change in ("low = high + 1", "high = 'NaN'", "open = 0", "close = -1", "volume = -7", "high = 'Infinity'", "open = 1.123456789"):
        with pytest.raises(psycopg.errors.CheckViolation):
            collector.execute(f"UPDATE bars SET {change}, request_id = request_id + 1, known_from = known_from + interval '1 hour'".encode())


@pytest.mark.exhaustive
def test_I12_in_full(collector: Connection, market: Market, rows: Rows) -> None:
    spoil(collector, market, rows, range(2000))


# ---- I15 under storms ------------------------------------------------------------------------------------------------


KINDS = [each for each in OutcomeKind if each not in (OutcomeKind.OK, OutcomeKind.EMPTY_CONFIRMED)]


def storm(collector: Connection, market: Market, rows: Rows, seed: int, steps: int) -> None:
    """Answers, half answers, failures and restatements in any order; after each the coverage is counted again."""
    chance = random.Random(seed)
    days = market.dates()
    bars = {each.start: each for each in market.bars()}
    for step in range(steps):
        at = NOW + timedelta(hours=7 * step)
        first = chance.randrange(len(days) - 1)
        last = min(len(days) - 1, first + chance.choice((0, 1, 5, 40, 200)))
        window = market.window(symbol=chance.choice(("CBA", "BHP")), first=days[first], last=days[last])
        answer = [bars[day] for day in days[first : last + 1] if chance.random() > 0.1]
        if chance.random() < 0.3:
            answer = [each._replace(close=each.close + 0.25) if chance.random() < 0.1 else each for each in answer]
        if chance.random() < 0.3:
            answer = [each._replace(low=each.high + 1) if chance.random() < 0.1 else each for each in answer]
        outcome = ok(answer, at) if chance.random() < 0.7 else failed(chance.choice(KINDS), at)
        store(collector, None, None, window, outcome, at, sessions=market.sessions)
        assert disagreements(rows) == {}, f"seed {seed}, step {step}"
    assert rows("SELECT count(*) > 0 FROM quarantine") == [(True,)]


def test_I15_coverage_agrees_with_the_bars_after_every_step_of_a_storm(collector: Connection, market: Market, rows: Rows) -> None:
    storm(collector, market, rows, 1, 30)


@pytest.mark.exhaustive
@pytest.mark.parametrize("seed", range(3, 103))
def test_I15_in_full(collector: Connection, market: Market, rows: Rows, seed: int) -> None:
    storm(collector, market, rows, seed, 200)


# ---- I39: what the collector's login cannot do -----------------------------------------------------------------------

FORBIDDEN = [
    "CREATE ROLE mallory", "ALTER ROLE scizor_collector SUPERUSER", "DROP ROLE scizor_reader", "SET ROLE scizor_owner",
    "SELECT rolpassword FROM pg_authid", "SELECT passwd FROM pg_shadow",
    "SELECT pg_read_file('/etc/passwd')", "SELECT pg_ls_dir('/')", "SELECT lo_import('/etc/passwd')", "COPY scizor.bars TO PROGRAM 'cat'",
    "COPY scizor.bars TO '/var/bars'", "COPY scizor.symbols FROM '/etc/passwd'", "CREATE TABLE scizor.mine (a int)", "CREATE TABLE public.mine (a int)",
    "CREATE SCHEMA mine", "DROP SCHEMA scizor CASCADE", "ALTER SCHEMA scizor RENAME TO mine",
    "DROP FUNCTION scizor.keep_revision", "ALTER SYSTEM SET fsync TO off", "SELECT pg_reload_conf()", "CHECKPOINT", "CREATE DATABASE mine",
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'postgres'", "SET session_replication_role TO replica",
    "CREATE FUNCTION scizor.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "INSERT INTO scizor.schema_versions VALUES (99, 'x', 'x', now())", "INSERT INTO scizor.bars_history SELECT b.*, now() FROM scizor.bars b",
    "UPDATE scizor.schema_versions SET name = 'x'", "UPDATE scizor.installation SET mode = 'live'", "REASSIGN OWNED BY scizor_owner TO scizor_collector",
]  # fmt: skip
#: What identifies a row, or says when it came to be: never changed.
FIXED = {
    "bars": ("symbol_id", "timeframe", "origin", '"timestamp"', "revision"), "symbols": ("symbol",), "job_runs": ("job", "scope", "day"),
    "collection_logs": ("run_id", "symbol_id", "start_date", "end_date", "started_at"), "quarantine": ("rule", "raw", "request_id"),
    "coverage": ("symbol_id", "timeframe", "origin"), "pacing_requests": ("key", "rule", "weight", "reserved_at"), "sessions": ("calendar", "session_date"),
    "origins": ("kind", "source"), "connection_events": ("at", "event"), "kpis": (), "bars_history": ("close", "known_to"),
}  # fmt: skip


def statements_against(database: Connection) -> list[str]:
    found = list(FORBIDDEN)
    tables = [row[0] for row in database.execute(
        "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'scizor' AND c.relkind IN ('r', 'p')"
    )]  # fmt: skip
    for table in tables:
        found += [
            f"DELETE FROM scizor.{table}", f"TRUNCATE scizor.{table}", f"DROP TABLE scizor.{table}", f"ALTER TABLE scizor.{table} ADD COLUMN mine int",
            f"ALTER TABLE scizor.{table} DISABLE TRIGGER ALL", f"CREATE TRIGGER mine BEFORE INSERT ON scizor.{table} EXECUTE FUNCTION scizor.keep_revision()",
            f"ALTER TABLE scizor.{table} OWNER TO scizor_collector", f"CREATE INDEX ON scizor.{table} ((1))",
        ]  # fmt: skip
    found += [f"UPDATE scizor.{table} SET {column} = {column}" for table, columns in FIXED.items() for column in columns]
    return found


def test_I39_the_collectors_login_cannot_delete_truncate_alter_or_read_secrets(database: Connection, collector: Connection) -> None:
    statements = statements_against(database)
    assert len(statements) > 200
    allowed = []
    for each in statements:
        is_alone = each.startswith(("ALTER SYSTEM", "CREATE DATABASE"))  # not inside a transaction, whoever asks
        try:
            with contextlib.nullcontext() if is_alone else collector.transaction(force_rollback=True):
                collector.execute(each.encode())
            allowed.append(each)
        except psycopg.errors.InsufficientPrivilege:
            pass
    assert allowed == []
    refused = 0  # planted: the owner is stopped by none of that
    for table in ("bars", "coverage", "coverage_gaps", "historical_data_metadata"):
        for each in (f"DELETE FROM scizor.{table}", f"TRUNCATE scizor.{table}", f"ALTER TABLE scizor.{table} ADD COLUMN mine int"):
            with database.transaction(force_rollback=True):
                try:
                    database.execute(each.encode())
                except psycopg.errors.InsufficientPrivilege:
                    refused += 1
    assert refused == 0


def test_I39_a_reader_reads_and_does_nothing_else(database: Connection, database_config: DatabaseConfig) -> None:
    with connect(database_config, application="tests", user="scizor_reader", read_only=True) as reader:
        assert reader.execute("SELECT count(*) FROM market_data").fetchone() == (0,)
        reader.execute("SET default_transaction_read_only TO off")  # whoever asks for it still may not
        for each in ("INSERT INTO scizor.installation VALUES (true, 'live', now())", "UPDATE scizor.symbols SET name = ''", *statements_against(database)[:60]):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                reader.execute(each.encode())


# ---- I43: time zones -------------------------------------------------------------------------------------------------

ZONES = ("UTC", "Australia/Sydney", "America/New_York", "Asia/Kolkata")


def test_I43_row_10_no_time_zone_of_host_session_or_database_changes_what_is_stored(
    database: Connection, database_config: DatabaseConfig, collector: Connection, market: Market, rows: Rows,
    superuser_of: Callable[[str], Connection], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """48 combinations: the host's zone, the database's setting, the client library's variable. A symbol each, one hash."""
    market, names = with_symbols(collector, market, 48)
    superuser = superuser_of("postgres")
    session = market.sessions[-3]
    minutes = [Bar(session.open + timedelta(minutes=5 * i), 10.0 + i, 11.0 + i, 9.0 + i, 10.5 + i, 100.0 + i, None, 5) for i in range(60)]
    for symbol, (host, base, client) in zip(names, product(ZONES, ZONES, (None, "Asia/Tokyo", "America/Los_Angeles")), strict=True):
        monkeypatch.setenv("TZ", host)
        time.tzset()
        superuser.execute(f"ALTER DATABASE \"{database_config.name}\" SET timezone TO '{base}'".encode())
        if client:
            monkeypatch.setenv("PGTZ", client)
        else:
            monkeypatch.delenv("PGTZ", raising=False)
        with connect(database_config, application="tests") as connection:
            store(connection, None, None, market.window(20, symbol), ok(market.bars(20)), NOW, sessions=market.sessions)
            window = market.window(1, symbol, timeframe=Timeframe.MIN5, first=session.session_date, last=session.session_date)
            store(connection, None, None, window, ok(minutes), NOW, sessions=market.sessions)
    superuser.close()
    monkeypatch.undo()
    time.tzset()
    hashes = rows("""
        SELECT md5(string_agg(concat_ws('|', timeframe, extract(epoch FROM "timestamp"), session_date - DATE '1970-01-01', open, high, low,
            close, volume, wap, trades, extract(epoch FROM known_from)), E'\\n' ORDER BY timeframe, "timestamp")), count(*)
        FROM bars GROUP BY symbol_id""")  # fmt: skip
    assert len(hashes) == 48 and len(set(hashes)) == 1 and hashes[0][1] == 80
    spans = rows("SELECT array_agg(complete::text ORDER BY timeframe) FROM coverage GROUP BY symbol_id")
    assert len(spans) == 48 and len({str(each) for each in spans}) == 1
    # what a person sees in his own zone is another text for the same instant
    seen = set()
    for zone in ZONES:
        database.execute(f"SET timezone TO '{zone}'".encode())
        seen.add(str(rows("SELECT min(\"timestamp\")::text FROM bars WHERE timeframe = '5min'")))
    assert len(seen) == len(ZONES)


# ---- I38: restore ----------------------------------------------------------------------------------------------------


def test_I38_a_dump_restores_whole_into_an_empty_database_and_not_at_all_into_another(
    server: Embedded, database: Connection, database_config: DatabaseConfig, collector: Connection, market: Market, rows: Rows,
    superuser_of: Callable[[str], Connection], tmp_path: Any,
) -> None:  # fmt: skip
    """Sequences end past the greatest id, so that the next insert works; a database that holds something stays as it is."""
    store(collector, None, None, market.window(), ok(market.bars()), NOW, sessions=market.sessions)
    dump, target = tmp_path / "all.dump", f"{database_config.name}_restored"
    common = ["-h", str(server.socket_directory), "-p", str(PORT), "-U", SUPERUSER]
    subprocess.run([server.binaries / "pg_dump", *common, "-Fc", "-f", dump, database_config.name], check=True, timeout=120, env={"PATH": os.environ["PATH"]})

    def restore(into: str) -> int:
        words = [server.binaries / "pg_restore", *common, "--exit-on-error", "--single-transaction", "-d", into, dump]
        return subprocess.run(words, check=False, capture_output=True, timeout=120).returncode

    counts = "SELECT (SELECT count(*) FROM scizor.bars), (SELECT count(*) FROM scizor.collection_logs), (SELECT max(id) FROM scizor.symbols)"
    before = rows(counts)
    assert restore(database_config.name) != 0
    assert rows(counts) == before
    with superuser_of("postgres") as superuser:
        superuser.execute(f'CREATE DATABASE "{target}" TEMPLATE template0'.encode())
    try:
        assert restore(target) == 0
        with superuser_of(target) as restored:
            assert restored.execute(counts.encode()).fetchall() == before
            behind = behind_sequences(restored)
            assert behind == []
            restored.execute("SELECT setval(pg_get_serial_sequence('scizor.symbols', 'id'), 1, false)")
            assert behind_sequences(restored) == ["symbols"], "planted: the fault of a partial dump"
    finally:
        with superuser_of("postgres") as superuser:
            superuser.execute(f'DROP DATABASE IF EXISTS "{target}" WITH (FORCE)'.encode())


def behind_sequences(database: Connection) -> list[str]:
    """Tables whose next id is one that somebody has already."""
    columns = database.execute(
        "SELECT c.relname, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname = 'scizor' AND a.attidentity <> '' AND c.relkind IN ('r', 'p')"
    ).fetchall()  # fmt: skip
    assert len(columns) > 5
    found = []
    for table, column in columns:
        with database.transaction(force_rollback=True):
            row = database.execute(
                f"SELECT nextval(pg_get_serial_sequence('scizor.{table}', '{column}')) > coalesce((SELECT max({column}) FROM scizor.{table}), 0)".encode()
            ).fetchone()
        if row != (True,):
            found.append(table)
    return found


# ---- rows of the table that only the table shows ---------------------------------------------------------------------


def test_row_32_a_price_off_the_tick_is_stored_with_its_flag(collector: Connection, market: Market, rows: Rows) -> None:
    bars = market.bars(10)
    bars[4] = bars[4]._replace(close=round(bars[4].close + 0.005, 3))
    store(collector, None, None, market.window(10), ok(bars), NOW, sessions=market.sessions)
    assert rows("SELECT session_date FROM bars WHERE flags <> 0") == [(bars[4].start,)]
    assert rows("SELECT count(*) FROM quarantine") == [(0,)]


def test_row_38_an_answer_with_the_bars_of_another_contract_is_refused_as_a_whole(collector: Connection, market: Market, rows: Rows) -> None:
    chance = random.Random(38)
    store(collector, None, None, market.window(20), ok(market.bars(20)), NOW, sessions=market.sessions)
    before = rows("SELECT md5(string_agg(b::text, '' ORDER BY session_date)) FROM bars b")
    theirs = []
    for day in market.dates(20):
        price = round(chance.uniform(20, 30), 2)
        theirs.append(Bar(day, price, price + 1, price - 1, price, float(chance.randrange(10**6)), price, 5))
    at = NOW + timedelta(days=1)
    done = store(collector, None, None, market.window(20), ok(theirs, at), at, sessions=market.sessions)
    assert (done.stored, done.revised, done.quarantined) == (0, 0, 20)
    assert rows("SELECT md5(string_agg(b::text, '' ORDER BY session_date)) FROM bars b") == before
