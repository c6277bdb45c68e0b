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


def act(database: Connection, symbol: str, ex_date: str, type_: str, new: int | None = None, old: int | None = None, amount: str | None = None) -> None:
    database.execute(
        "INSERT INTO corporate_actions (symbol_id, ex_date, type, ratio_new, ratio_old, amount, evidence, noticed_at, state)"
        " SELECT id, %s, %s, %s, %s, %s, '{}', %s, 'confirmed' FROM symbols WHERE symbol = %s",
        [ex_date, type_, new, old, Decimal(amount) if amount else None, NOW, symbol],
    )


def test_every_basis_is_what_the_database_says_and_stays_so_when_a_year_lies_in_files_while_sql_refuses_to_leave_it_out(
    collector: Connection, database: Connection, call: Call
) -> None:
    act(database, "CBA", "2023-12-28", "split", 3, 1)  # in them when they were fetched
    act(database, "CBA", "2024-01-09", "split", 2, 7)
    act(database, "CBA", "2023-12-22", "dividend", amount="1.37")
    act(database, "CBA", "2024-01-05", "dividend", amount="0.113")
    act(database, "BHP", "2024-01-04", "code-change", 3, 8)
    database.execute("UPDATE symbols SET successor = 'CBA' WHERE symbol = 'BHP'")
    database.execute("UPDATE bars SET known_from = '2024-01-08Z', close = close + 0.01, high = high + 0.01 WHERE session_date < '2023-12-27'")
    day = date(2024, 1, 10)
    columns = ["open", "high", "low", "close", "volume", "wap"]
    sql = {
        "traded": "SELECT {} FROM as_traded WHERE symbol = 'CBA' AND timeframe = '{}' AND session_date <= '2150-01-01'",
        "split": "SELECT {} FROM adjusted_to('2024-01-10') WHERE symbol = 'CBA' AND timeframe = '{}'",
        "total": "SELECT {} FROM total_return('CBA', '2024-01-10', '{}') WHERE true",
    }  # fmt: skip

    def told(statement: str, size: str, more: str = "") -> list[tuple[Any, ...]]:
        chosen = statement.format(", ".join(columns), size) + f'{more} ORDER BY "timestamp"'
        return [tuple(each) for each in collector.execute(chosen.encode())]

    def found(prices: str, size: str) -> list[tuple[Any, ...]]:
        frame = read.bars("CBA", size, prices=prices, as_of=day, exact=True, connection=collector)
        return [tuple(None if each is None or each != each else each for each in row) for row in frame[columns].itertuples(index=False)]

    whole = {(prices, size): told(statement, size) for prices, statement in sql.items() for size in ("1day", "1min")}
    for (prices, size), rows in whole.items():
        assert rows and found(prices, size) == rows, (prices, size)
    assert len({tuple(map(tuple, whole[prices, "1day"])) for prices in sql}) == 3
    one = "SELECT {} FROM continuous('BHP', '{}', '2024-01-10') WHERE true"
    history = told(one, "1day")
    company = read.continuous("BHP", as_of=day, exact=True, connection=collector)
    assert list(company["close"]) == [row[3] for row in history] and set(company["symbol"]) == {"CBA"}
    known = collector.execute("SELECT count(*) FROM bars_as_known(now())").fetchone()
    database.execute("INSERT INTO origins (kind, source, regular_hours) VALUES ('BID', 'ib', true)")
    other = "INSERT INTO archived_sessions SELECT s.id, '1day', o.id, 2023, '2023-12-20', 1 FROM symbols s, origins o WHERE s.symbol = %s AND o.is_official = %s"
    for values in (["BHP", True], ["CBA", False]):
        database.execute(other, values)
    for join in ("on", "off"):  # whatever the plan
        collector.execute(f"SET enable_nestloop = {join}".encode())
        assert all(told(statement, "1day") == whole[prices, "1day"] for prices, statement in sql.items()), "of somebody else, or of bids"
    collector.execute("RESET enable_nestloop")
    database.execute("DELETE FROM archived_sessions")
    call("export", "--year", "2023", "--detach")
    for (prices, size), rows in whole.items():
        assert found(prices, size) == rows, (prices, size)
        for more in ("", " AND session_date > '2023-12-28'"):
            with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match=f"the {'1day' if prices == 'total' else size} bars of CBA of 2023 are in files"):
                told(sql[prices], size, more)
        since = told(sql[prices], size, " AND session_date >= '2024-01-02'") if prices != "total" else []
        assert since == (rows[-len(since) :] if since else []) and (since or prices == "total"), "what is in the table is given"
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
        told(one, "1day")
    assert list(read.continuous("BHP", as_of=day, exact=True, connection=collector)["close"]) == [row[3] for row in history]
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="in files and not in the table"):
        collector.execute("SELECT count(*) FROM bars_as_known(now())")
    with collector.transaction():
        collector.execute("SET LOCAL scizor.archived = 'leave out'")
        left = collector.execute("SELECT count(*) FROM bars_as_known(now())").fetchone()
        assert left is not None and known is not None and 0 < left[0] < known[0]
    with pytest.raises(UsageError, match="was not known then"):
        read.bars("CBA", "1day", prices="total", as_known=NOW, connection=collector)
    with pytest.raises(UsageError, match="none of fetched, traded, split, total"):
        read.bars("CBA", "1day", prices="adjusted", connection=collector)
    database.execute("DELETE FROM corporate_actions WHERE type = 'dividend'")
    act(database, "CBA", "2024-06-03", "dividend", amount="1")
    with pytest.raises(FindingError, match="has no close before it"):
        read.bars("CBA", "1day", prices="total", connection=collector)
