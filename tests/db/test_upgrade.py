"""An upgrade from the first release that stored bars, under the bars that are there."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from scizor.base.config import DatabaseConfig
from scizor.db import migrate
from scizor.db.connect import connect
from tests.db.conftest import NOW, Connection
from tests.db.test_migrate import empty as empty  # a fixture
from tests.db.test_seed_sql import SEED_SQL

FIRST_RELEASE = 8  # the schema of the first version that stored bars


def old_schema(folder: Path) -> Path:
    """The files of the first release."""
    folder.mkdir()
    for number, path in migrate.files().items():
        if number <= FIRST_RELEASE:
            shutil.copy(path, folder)
    return folder


@pytest.fixture
def grown(empty: DatabaseConfig, tmp_path: Path) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """A database of the first release with two years of bars of three symbols, as its owner."""
    with connect(empty, application="tests", owner=True) as owner:
        migrate.apply(owner, NOW, old_schema(tmp_path / "schema"))
        owner.execute("INSERT INTO symbols (symbol, exchange, currency, calendar, added_at) "
                      "SELECT unnest(ARRAY['CBA', 'BHP', 'ZIP']), 'ASX', 'AUD', 'XASX', %s", [NOW])  # fmt: skip
        owner.execute("INSERT INTO origins (kind, source, regular_hours, is_official) VALUES ('TRADES', 'ib', true, true) ON CONFLICT DO NOTHING")
        owner.execute(
            "INSERT INTO collection_logs (symbol_id, timeframe, origin, start_date, end_date, outcome, records_collected, stored, started_at, completed_at) "
            "SELECT s.id, '1day', o.id, '2023-01-02', '2024-12-31', 'ok', 522, 522, %s, %s FROM symbols s, origins o", [NOW, NOW],
        )  # fmt: skip
        owner.execute("""
            INSERT INTO bars (symbol_id, timeframe, origin, "timestamp", session_date, open, high, low, close, volume, request_id, known_from)
            SELECT l.symbol_id, '1day', l.origin, day, day::date, 10, 11 + l.symbol_id, 9, 10.5, 1000, l.id, l.completed_at
            FROM collection_logs l, generate_series('2023-01-02'::timestamptz, '2024-12-31', '1 day') AS day
            WHERE extract(isodow FROM day) < 6""")
        owner.execute("UPDATE bars SET close = 10.25, known_from = known_from + interval '1 hour', request_id = request_id WHERE session_date > '2024-12-01'")
        yield owner


def test_I47_an_upgrade_keeps_every_bar_and_revision_and_the_old_readers_work(grown: Connection) -> None:
    def digest() -> list[tuple[Any, ...]]:
        names = "symbol_id, timeframe, origin, \"timestamp\", session_date, open, high, low, close, volume, wap, trades, revision, request_id, known_from"
        return [
            grown.execute(f"SELECT count(*), sum(hashtextextended(row({names})::text, 0)::numeric) FROM {table}".encode()).fetchone() or ()
            for table in ("bars", "bars_history")
        ]

    before = digest()
    assert before[0][0] > 1000 and before[1][0] > 50
    added = migrate.apply(grown, NOW)
    assert len(added) == len(migrate.files()) - sum(number <= FIRST_RELEASE for number in migrate.files()) > 0
    migrate.check(grown)
    assert digest() == before
    file = SEED_SQL / "coverage.sql"
    if not file.is_file():
        pytest.skip(f"users' SQL absent: {file.name}, expected in ../shared/seed_sql; all else was compared")
    coverage = grown.execute(file.read_bytes()).fetchall()
    assert {symbol: points for symbol, _, points, _ in coverage} == dict.fromkeys(("CBA", "BHP", "ZIP"), before[0][0] // 3)
