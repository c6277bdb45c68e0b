"""scizor.read: what a notebook gets is what the table says, whether a year lies there or in a file."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from scizor import read
from scizor.base.clock import StoppedClock
from scizor.base.config import Config
from scizor.base.errors import FindingError, UsageError
from scizor.db import symbols
from scizor.market.types import Timeframe, Window
from tests.jobs.archived import FIRST, LAST, NOW, daily, fill, put, sessions
from tests.jobs.scripts import Call, caller

Connection = psycopg.Connection[tuple[Any, ...]]


@pytest.fixture
def call(config: Config, collector: Connection, clock: StoppedClock) -> Call:
    fill(collector)
    return caller(config, collector, clock)


def test_a_frame_holds_the_table_s_bars_exactly_as_asked_and_says_where_each_came_from(config: Config, collector: Connection, call: Call) -> None:
    found = read.bars("cba", "1day", config=config)
    assert list(found["close"]) == [each.close for each in daily(100.0)]
    assert found["volume"].isna().sum() == 1 and str(found.index.tz) == "UTC"
    assert list(found.index.date) == list(found["session_date"].dt.date) == [each.session_date for each in sessions()]
    assert found["request_id"].nunique() == 1 and (found["known_from"] == NOW).all()
    exact = read.bars("CBA", "1day", config=config, exact=True)
    assert exact["high"].iloc[0] == Decimal("101.125") and isinstance(exact["high"].iloc[0], Decimal)
    assert read.bars("CBA", "1day", kind="BID", config=config).empty
    assert list(read.bars("CBA", "1day", kind="BID", config=config).columns) == list(found.columns)


def test_dates_are_session_dates_both_included_and_instants_are_half_open(collector: Connection, call: Call) -> None:
    days = [each.session_date for each in sessions()]
    found = read.bars("CBA", "1min", str(days[1]), days[2], connection=collector)
    assert sorted(set(found["session_date"].dt.date)) == days[1:3] and len(found) == 60
    opened = sessions()[1].open  # 23:00 UTC of the day before
    found = read.bars("CBA", "1min", opened, opened + timedelta(minutes=5), connection=collector)
    assert list(found.index) == [opened + timedelta(minutes=n) for n in range(5)]
    assert opened.date() < days[1]


def test_a_year_that_left_the_table_is_read_from_its_files_and_a_lost_file_is_no_hole(config: Config, collector: Connection, call: Call) -> None:
    before = {size: read.bars("BHP", size, connection=collector) for size in ("1day", "1min")}
    call("export", "--year", "2023", "--detach")
    assert collector.execute("SELECT count(*) FROM bars WHERE timestamp < '2024-01-01'").fetchone() == (0,)
    for size, frame in before.items():
        assert read.bars("BHP", size, connection=collector).equals(frame)
    # fetched again, on another basis: the table's bars win, where it has them
    held = {each.symbol: each for each in symbols.load_instruments(collector, NOW)}
    later = NOW + timedelta(days=1)
    put(collector, Window(held["BHP"], Timeframe.DAY1, FIRST, LAST), [each._replace(close=each.close + 0.01) for each in daily(45.0)], later)
    assert list(read.bars("BHP", "1day", connection=collector)["close"]) == [each.close + 0.01 for each in daily(45.0)]
    # and what was known before that stays what it was
    assert read.bars("BHP", "1day", as_known=NOW, connection=collector)["close"].equals(before["1day"]["close"])
    file = Path(config.paths.state) / "archive" / "1min/BHP/TRADES-ib-regular/2023.parquet"
    file.unlink()
    with pytest.raises(FindingError, match=r"2023\.parquet is not there"):
        read.bars("BHP", "1min", connection=collector)
    assert len(read.bars("BHP", "1min", "2024-01-03", connection=collector)) > 0


@pytest.mark.parametrize(
    ("words", "says"),
    [(("CBB", "1day"), "did you mean CBA"), (("CBA", "2min"), "none of 5sec"), (("CBA", "1day", "yesterday"), "neither a date nor an instant"),
     (("CBA", "1day", "2024-01-03T00:30"), "no zone"), (("CBA", "1day", date(2024, 1, 3), date(2023, 1, 3)), "nothing lies between")],
)  # fmt: skip
def test_what_cannot_be_read_is_said(collector: Connection, words: tuple[Any, ...], says: str) -> None:
    from scizor.db import symbols as stored
    from tests.db.conftest import listed

    stored.store_listed(collector, [listed("CBA")], datetime(2025, 1, 1, tzinfo=UTC))
    with pytest.raises(UsageError, match=says):
        read.bars(*words, connection=collector)
