"""bin/import-legacy against databases of a previous product with planted faults: every row is found again, or named."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from scizor.base.clock import StoppedClock
from scizor.base.config import Config, DatabaseConfig
from scizor.base.errors import ConfigurationError, RefusedError, UsageError
from scizor.base.exit import Exit
from scizor.base.paths import ROOT
from scizor.db import symbols
from scizor.db.connect import connect
from scizor.db.embedded import Embedded
from scizor.jobs import import_legacy
from scizor.market.universe import Life
from scizor.run.context import Result
from tests.conftest import as_superuser, fresh_database
from tests.db.conftest import NOW, listed, xasx
from tests.jobs.previous import BARE, NAIVE, VARIANTS, ZONED, Variant, build, put
from tests.jobs.scripts import Call, caller
from tests.run.configured import write

Connection = psycopg.Connection[Any]
DAYS = [each.session_date for each in xasx() if each.last < NOW][-60:]
OPENS = {each.session_date: each.open for each in xasx()}


class Place:
    """A database with the previous product's tables in it, and a person at the command line."""

    def __init__(self, server: Embedded, config: DatabaseConfig, state: Path) -> None:
        self.config = replace(Config(), mode="replay", database=config, paths=replace(Config().paths, state=str(state / "s"), logs=str(state / "l")))
        self.superuser = as_superuser(server, config.name)
        self.superuser.execute("SET search_path TO scizor; SET timezone TO 'Australia/Sydney'")  # as the previous product's writer had it
        self.collector = connect(config, application="tests")
        self.clock = StoppedClock(NOW)
        symbols.store_listed(self.collector, [listed("CBA"), listed("TLS")], NOW)
        self.call: Call = caller(self.config, self.collector, self.clock)

    def source(self, schema: str, variant: Variant) -> str:
        build(self.superuser, schema, variant)
        self.superuser.execute(f"GRANT USAGE ON SCHEMA {schema} TO scizor_collector; GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO scizor_collector".encode())
        return schema

    def run(self, schema: str, *words: str) -> Result:
        return self.call("import-legacy", "--source-schema", schema, "--time-zone", "Australia/Sydney", *words)

    def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        return self.superuser.execute(statement.encode(), values).fetchall()

    def clear(self) -> None:
        """What an import wrote goes, so that the next variant begins anew in the same database."""
        self.superuser.execute("SET session_replication_role TO replica")
        for table in ("bars", "bars_history", "quarantine", "coverage", "coverage_gaps", "collection_logs", "historical_data_metadata", "legacy_refused"):
            self.superuser.execute(f"DELETE FROM {table}".encode())
        self.superuser.execute("SET session_replication_role TO origin")


@pytest.fixture(scope="module")
def shared(server: Embedded, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with fresh_database(server, template) as config:
        place = Place(server, config, tmp_path_factory.mktemp("legacy"))
        yield place
        place.collector.close()
        place.superuser.close()


@pytest.fixture
def place(shared: Place) -> Iterator[Place]:
    yield shared
    shared.clear()
    for (schema,) in shared.rows("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'old%%'"):
        shared.superuser.execute(f"DROP SCHEMA {schema} CASCADE".encode())


def daily(symbol_id: int, seed: str = "x", hour: str = "00:00", size: str = "1day") -> list[list[Any]]:
    """Good bars of sixty sessions; hour: at which they are stamped."""
    rnd, price, rows = random.Random(seed), 20.0, []
    for day in DAYS:
        low, open_, close, high = sorted(round(price * rnd.gauss(1, 0.01), 2) for _ in range(4))
        rows.append([symbol_id, f"{day} {hour}", size, open_, high, low, close, int(rnd.lognormvariate(11, 0.3))])
        price = close
    return rows


def minutes(symbol_id: int, days: int, size: str = "5min", local: bool = True) -> list[list[Any]]:
    """Five-minute bars of the last sessions, stamped in Sydney's time without a zone, or with one."""
    rnd, rows = random.Random(size), []
    for day in DAYS[-days:]:
        for number in range(72):
            at = OPENS[day] + timedelta(minutes=5 * number)
            stamp = (at + timedelta(hours=11)).replace(tzinfo=None) if local else at
            low, open_, close, high = sorted(round(30 * rnd.gauss(1, 0.001), 2) for _ in range(4))
            rows.append([symbol_id, stamp, size, open_, high, low, close, rnd.randrange(1, 9999)])
    return rows


@pytest.mark.parametrize("name", VARIANTS)
def test_every_row_of_every_variant_is_stored_doubled_or_refused_by_name(place: Place, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    variant = VARIANTS[name]
    old = place.source(f"old_{name}", variant)
    good = daily(1, "cba") + daily(2, "tls", size="1 day" if not variant.keyed else "1D") + minutes(1, 2, local=variant is not ZONED)
    first = daily(1, "cba")[10]
    faults: dict[str, list[Any]] = {
        "high_below_low": [1, f"{DAYS[5]} 00:00", "1day", 10, 8, 9, 9, 100],
        "volume_domain": [1, f"{DAYS[6]} 00:00", "1day", 10, 11, 9, 10, -5],
        "price_domain": [1, f"{DAYS[7]} 00:00", "1day", "NaN", 11, 9, 10, 5],
        "outside_session": [1, "2025-01-11 00:00", "1day", 10, 11, 9, 10, 100],  # a Saturday
        "unfinished": [1, "2025-01-17 00:00", "1day", 10, 11, 9, 10, 100],  # tomorrow
    }
    stamped = {row[1] for row in faults.values()}
    rows = [row for row in good if not (row[0] == 1 and row[1] in stamped)] + list(faults.values())
    unknown = [
        [99, f"{DAYS[0]} 00:00", "1day", 10, 11, 9, 10, 100], [None, f"{DAYS[0]} 00:00", "1day", 10, 11, 9, 10, 100],
        [1, f"{DAYS[0]} 00:00", "1 week", 10, 11, 9, 10, 100], [1, None, "1day", 10, 11, 9, 10, 100],
        [1, "infinity", "1day", 10, 11, 9, 10, 100],
    ]  # fmt: skip
    duplicates = conflicts = 0
    if not variant.keyed:
        put(place.superuser, old, [[*first[:6], first[6], 7]])  # first written, and then corrected below
        rows += [first, [1, f"{DAYS[10]} 16:00", "daily", *first[3:]]]
        duplicates, conflicts = 2, 1
    put(place.superuser, old, rows + unknown)
    result = place.run(old)
    assert result.status is Exit.DONE, result
    told = capsys.readouterr().out
    stored = len(good) - sum(row[0] == 1 and row[1] in stamped for row in good)
    counted = place.rows("SELECT count(*) FROM bars")[0][0]
    total = place.rows(f"SELECT count(*) FROM {old}.market_data")[0][0]
    quarantined = place.rows("SELECT count(*) FROM quarantine")[0][0] + place.rows("SELECT coalesce(sum(times), 0) FROM legacy_refused")[0][0]
    assert counted == stored and total == stored + duplicates + quarantined
    rules = dict(place.rows("SELECT rule, count(*) FROM quarantine GROUP BY 1"))
    assert rules == {**dict.fromkeys(faults, 1), **({"legacy_conflict": conflicts} if conflicts else {})}
    assert dict(place.rows("SELECT rule, sum(times) FROM legacy_refused GROUP BY 1")) == {"unknown_symbol": 2, "unknown_timeframe": 1, "unknown_time": 2}
    assert "unknown_timeframe" in told and "Australia/Sydney" in told
    # the values, to the last digit, under the session that they are of
    wanted = next(row for row in good if row[0] == 2 and row[1].startswith(str(DAYS[3])))
    got = place.rows("SELECT open, high, low, close, volume, session_date FROM bars b JOIN symbols s ON s.id = b.symbol_id WHERE symbol = 'TLS' AND session_date = %s", DAYS[3])
    assert [[*map(float, got[0][:5])], got[0][5]] == [[float(each) for each in wanted[3:]], DAYS[3]]
    assert place.rows("SELECT min(\"timestamp\"), count(DISTINCT session_date) FROM bars WHERE timeframe = '5min'") == [(OPENS[DAYS[-2]], 2)]
    assert place.rows("SELECT count(*) FROM market_data") == [(0,)], "the official series is as it was"
    # again: nothing is stored, nothing is quarantined twice
    again = place.run(old)
    assert again.status is Exit.DONE and again.was_idle and f"{counted:,} unchanged" in again.summary
    assert place.rows("SELECT count(*) FROM bars_history") == [(0,)]
    assert place.rows("SELECT (SELECT count(*) FROM quarantine) + (SELECT sum(times) FROM legacy_refused)") == [(quarantined,)]


def test_of_rows_that_contradict_each_other_the_last_possible_one_is_the_bar(place: Place) -> None:
    old = place.source("old_conflict", BARE._replace(extra=""))
    day = f"{DAYS[0]} 00:00"
    put(place.superuser, old, [[1, day, "1day", 10, 11, 9, 10, 1], [1, day, "1day", 10, 12, 9, 11, 2], [1, day, "1day", 10, 8, 9, 10, 3]])
    assert place.run(old).status is Exit.DONE
    assert place.rows("SELECT high, volume FROM bars") == [(12, 2)]
    assert place.rows("SELECT rule, raw FROM quarantine ORDER BY raw") == [
        ("legacy_conflict", "10,11,9,10,1,,"), ("legacy_conflict", "10,8,9,10,3,,"),
    ]  # fmt: skip
    assert place.rows("SELECT price_basis FROM origins WHERE source = 'legacy'") == [("traded",)], "no split converts them"
    # a person decides for the first one, and no later run overrules him
    (number,) = [each for (each,) in place.rows("SELECT id FROM quarantine WHERE raw = '10,11,9,10,1,,'")]
    assert place.call("quarantine", "release", number, "--note", "the exchange says so", "--by", "tests").status is Exit.DONE
    assert place.run(old).status is Exit.DONE and place.run(old).was_idle
    assert place.rows("SELECT high, volume FROM bars") == [(11, 1)]


@pytest.mark.parametrize(
    ("symbol_id", "stamp", "variant"),
    [
        (1, "2024-10-07 00:00", NAIVE), (1, "2024-10-07 16:00", NAIVE), (1, "2024-10-07 00:00+00", ZONED),
        (1, "2024-10-07 00:00+11", ZONED), (1, "2024-10-06 23:00+11", ZONED), (1, "2024-10-07 05:00+00", ZONED),
        (3, "2024-10-07 00:00", NAIVE), (3, "2024-10-07 00:00+11", ZONED), (3, "2024-10-07 00:00+00", ZONED),
        (3, "2024-10-07 16:00-04", ZONED), (3, "2024-10-07 00:00-04", ZONED),
    ],
)  # fmt: skip
def test_a_daily_bar_lands_on_its_session_however_it_is_stamped(place: Place, symbol_id: int, stamp: str, variant: Variant) -> None:
    """Monday 7 October 2024: the day after Sydney changed to summer time."""
    old = place.source("old_stamp", variant)
    put(place.superuser, old, [[symbol_id, stamp, "1day", 10, 11, 9, 10, 100]])
    assert place.run(old).status is Exit.DONE
    assert place.rows("SELECT session_date, \"timestamp\" FROM bars") == [(date(2024, 10, 7), datetime(2024, 10, 7, tzinfo=UTC))]


def test_a_symbol_that_we_lack_is_made_and_not_collected_and_one_without_a_place_is_counted(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    old = place.source("old_unknown", NAIVE)
    place.superuser.execute(f"INSERT INTO {old}.symbols (symbol, exchange) VALUES ('XYZ', 'MOON'), ('TLS', 'NASDAQ')".encode())
    put(place.superuser, old, [[each, f"{DAYS[0]} 00:00", "1day", 10, 11, 9, 10, 100] for each in (2, 3, 4, 5)])
    place.run(old, "--dry-run")
    assert place.rows("SELECT count(*) FROM symbols WHERE symbol = 'TLS.NASDAQ'") == [(0,)] and place.rows("SELECT count(*) FROM bars") == [(0,)]
    assert place.run(old).status is Exit.DONE
    made = place.rows("SELECT calendar, currency, active FROM symbols WHERE symbol IN ('AAPL', 'TLS.NASDAQ')")
    assert made == [("XNAS", "USD", False)] * 2
    assert place.rows("SELECT count(*) FROM bars") == [(3,)]
    assert place.rows("SELECT rule, raw::jsonb ->> 'symbol_id' FROM legacy_refused") == [("unknown_symbol", "4")]
    assert "XYZ (MOON)" in capsys.readouterr().out


def test_numbers_come_over_to_the_last_digit_or_are_refused_and_a_view_will_do_as_well(place: Place) -> None:
    """A numeric of more digits than a float has, a float whose decimals never end, one beyond all prices."""
    old = place.source("old_exact", ZONED)
    days = [f"{each} 00:00" for each in DAYS[:5]]
    put(place.superuser, old, [
        [1, days[0], "1day", "12345678.12345671", "12345678.12345679", "12345678.12345671", "12345678.12345671", "948837.22"],
        [1, days[1], "1day", 10, 11, "9.123456789", 10, 5], [1, days[2], "1day", 10, "1e305", 9, 10, 5], [1, days[3], "1day", 10, 11, 9, None, -1],
        [1, days[4], "1day", 10, 11, 9, 10, -1],
    ])  # fmt: skip
    place.superuser.execute(f"""CREATE SCHEMA old_view; GRANT USAGE ON SCHEMA old_view TO scizor_collector;
        CREATE VIEW old_view.symbols AS SELECT id, symbol FROM {old}.symbols;
        CREATE VIEW old_view.market_data AS SELECT symbol_id, timestamp, timeframe, open, high, low, close, volume FROM {old}.market_data;
        GRANT SELECT ON old_view.symbols, old_view.market_data TO scizor_collector""".encode())
    for schema in (old, "old_view"):
        assert place.run(schema).status is Exit.DONE
        assert [tuple(map(str, row)) for row in place.rows("SELECT open, high, volume FROM bars ORDER BY \"timestamp\"")] == [
            ("12345678.12345671", "12345678.12345679", "948837.22"), ("10", "11", "None"),
        ]  # fmt: skip
        assert place.rows("SELECT rule FROM quarantine ORDER BY 1") == [("price_domain",), ("scale",)]
    assert place.rows("SELECT DISTINCT rule FROM legacy_refused") == [("absurd_number",)]


def test_stretches_end_between_sessions_and_the_end_is_the_same(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_legacy, "STRETCH_ROWS", 50)
    old = place.source("old_stretch", NAIVE)
    put(place.superuser, old, minutes(1, 4) + daily(2))
    assert place.run(old).status is Exit.DONE
    assert place.rows("SELECT count(*), count(DISTINCT request_id) FROM bars") == [(4 * 72 + 60, 4 + 2)]
    assert place.rows("SELECT count(*) FROM coverage_gaps WHERE resolved_at IS NULL") == [(0,)], "no session was torn apart"


def test_two_of_their_symbols_that_are_one_of_ours_are_one_series(place: Place) -> None:
    """Twice the same code, once written small; and an old code of a company that has a new one."""
    old = place.source("old_twice", NAIVE)
    place.superuser.execute(f"INSERT INTO {old}.symbols (symbol, exchange) VALUES (' cba', 'ASX'), ('TL1', 'ASX')".encode())
    symbols.store_lives(place.collector, [Life("TL1", "ASX", "TLS", None, date(2020, 1, 1), "TLS", "test")])
    put(place.superuser, old, daily(1)[:30] + daily(4)[20:] + daily(2, "t")[:10] + daily(5, "t")[10:20])
    assert place.run(old).status is Exit.DONE
    assert place.rows("SELECT symbol, count(*) FROM bars b JOIN symbols s ON s.id = b.symbol_id GROUP BY 1 ORDER BY 1") == [("CBA", 60), ("TLS", 20)]
    assert place.rows("SELECT count(*) FROM symbols WHERE symbol = 'TL1'") == [(0,)]


def test_a_row_that_vanished_from_the_tables_is_found_out(place: Place) -> None:
    old = place.source("old_lost", NAIVE)
    put(place.superuser, old, daily(1))
    place.superuser.execute("""
        CREATE FUNCTION scizor.lose() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM scizor.bars WHERE volume > 0 AND session_date = '2024-12-20'; RETURN NULL; END $$;
        CREATE TRIGGER lose AFTER INSERT ON scizor.historical_data_metadata FOR EACH STATEMENT EXECUTE FUNCTION scizor.lose()""".replace("2024-12-20", str(DAYS[4])).encode())
    place.superuser.execute("ALTER FUNCTION lose() SECURITY DEFINER; ALTER FUNCTION lose() OWNER TO postgres")
    try:
        result = place.run(old)
    finally:
        place.superuser.execute("DROP FUNCTION IF EXISTS lose() CASCADE")
    assert result.status is Exit.FINDING and "1 are nowhere" in result.summary


def test_what_is_missing_or_forbidden_is_named(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    old = place.source("old_wrong", NAIVE)
    with pytest.raises(UsageError, match=r"name no time zone.*--time-zone"):
        place.call("import-legacy", "--source-schema", old)
    place.superuser.execute("CREATE SCHEMA legacy; COMMENT ON SCHEMA legacy IS 'TimeZone=America/New_York'")
    put(place.superuser, old, [[3, "2025-01-10 16:00", "1day", 10, 11, 9, 10, 100]])
    assert place.call("import-legacy", "--source-schema", old).status is Exit.DONE
    assert "America/New_York, as the database stated before it was migrated" in capsys.readouterr().out
    assert place.rows("SELECT session_date FROM bars") == [(date(2025, 1, 10),)]
    place.superuser.execute("DROP SCHEMA legacy")
    with pytest.raises(UsageError, match="no time zone Mars"):
        place.call("import-legacy", "--source-schema", old, "--time-zone", "Mars")
    with pytest.raises(UsageError, match="no table market_data in the schema nowhere"):
        place.run("nowhere")
    with pytest.raises(UsageError, match="had no BHP"):
        place.run(old, "--symbol", "bhp")
    place.superuser.execute(f"REVOKE SELECT ON {old}.market_data FROM scizor_collector".encode())
    with pytest.raises(RefusedError, match="GRANT SELECT ON"):
        place.run(old)
    place.superuser.execute(f"ALTER TABLE {old}.market_data ALTER volume TYPE text".encode())
    place.superuser.execute(f"GRANT SELECT ON {old}.market_data TO scizor_collector".encode())
    with pytest.raises(ConfigurationError, match="volume is text"):
        place.run(old)
    place.superuser.execute(f"ALTER TABLE {old}.market_data DROP volume".encode())
    with pytest.raises(ConfigurationError, match=r"no column volume.*symbol_id \(integer\)"):
        place.run(old)


def test_I4_killed_in_the_middle_it_ends_where_an_undisturbed_run_ends(place: Place, tmp_path: Path) -> None:
    old = place.source("old_killed", ZONED)
    put(place.superuser, old, daily(1, "cba") + daily(2, "tls"))
    place.superuser.execute(f"""INSERT INTO {old}.market_data (symbol_id, timestamp, timeframe, open, high, low, close, volume)
        SELECT s, t.open + n * interval '1 min', '1min', 10, 11, 9, 10 + (n %% 10) * 0.01, n
        FROM generate_series(1, 2) s, scizor.sessions t, generate_series(0, 359) n
        WHERE t.calendar = 'XASX' AND t.session_date BETWEEN '2024-10-20' AND '2024-12-20'""".replace("%%", "%").encode())
    file = write(place.config, tmp_path / "scizor.toml")
    command = [sys.executable, str(ROOT / "bin" / "import-legacy"), "--config", str(file), "--source-schema", old]
    total = place.rows(f"SELECT count(*) FROM {old}.market_data")[0][0]
    for least in (0, total // 3):  # killed as soon as so many bars are there
        run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ})
        while run.poll() is None and (there := place.rows("SELECT count(*) FROM bars")[0][0]) <= least:
            time.sleep(0.02)
        run.send_signal(signal.SIGKILL)
        assert run.wait() == -signal.SIGKILL and least < there < total, "it was killed in the middle"
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert place.rows("SELECT count(*) FROM bars") == place.rows(f"SELECT count(*) FROM {old}.market_data")
    assert place.rows("SELECT count(*) FROM bars_history") == [(0,)] and "0 " in done.stdout


def test_afterwards_the_users_own_queries_give_sensible_rows_and_coverage_does_not_complain(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """An import is no collection: their query sees the official bars alone, and no hole of the import is asked for."""
    old = place.source("old_seed", NAIVE)
    put(place.superuser, old, daily(1)[:20] + daily(1)[30:])
    assert place.run(old).status is Exit.DONE
    assert place.call("coverage").status is Exit.DONE
    assert "imported" in capsys.readouterr().out
    assert place.call("fill-gaps", "--dry-run").was_idle
    official = "SELECT s.symbol, count(md.id) FROM symbols s LEFT JOIN market_data md ON s.id = md.symbol_id AND md.timeframe = '1day' WHERE s.active = true GROUP BY 1 ORDER BY 1"
    assert place.rows(official) == [("CBA", 0), ("TLS", 0)]
    seed = ROOT.parent / "shared" / "seed_sql"
    if not seed.is_dir():
        pytest.skip("users' SQL absent: expected in ../shared/seed_sql")
    assert sorted(row[0] for row in place.rows((seed / "coverage.sql").read_text())) == ["CBA", "TLS"]
    assert place.rows((seed / "collection_statistics.sql").read_text()) == [], "an import is no historical request"
    place.rows((seed / "recent_collections.sql").read_text())
