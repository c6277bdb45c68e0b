"""bin/indicators: over the whole series, stored once, and again only where a bar has changed."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from scizor import read
from scizor.base.config import Config
from scizor.base.errors import UsageError
from scizor.base.exit import Exit
from scizor.db import symbols
from scizor.features.indicators import NAMES
from scizor.market.types import Timeframe, Window
from tests.jobs.archived import FIRST, LAST, NOW, fill, minutes, put
from tests.jobs.scripts import Call

Connection = psycopg.Connection[tuple[Any, ...]]


@pytest.fixture
def filled(collector: Connection) -> Connection:
    fill(collector)
    return collector


def test_stored_indicators_are_those_of_the_whole_series_and_follow_a_corrected_bar(filled: Connection, call: Call, clock: Any) -> None:
    import talib

    count = filled.execute("SELECT count(*) FROM bars").fetchone()
    assert count is not None
    clock.move(60)
    assert call("indicators", "--store").summary == f"4 of 4 series, {count[0]} rows"
    frame = read.bars("CBA", "1min", connection=filled)
    column = "SELECT {} FROM indicators i JOIN symbols s ON s.id = symbol_id WHERE s.symbol = 'CBA' AND timeframe = '1min' ORDER BY timestamp"
    expected = {"sma_200": talib.SMA(frame["close"].to_numpy(), 200), "rsi_14": talib.RSI(frame["close"].to_numpy(), 14)}
    for name, values in expected.items():
        assert [row[0] for row in filled.execute(column.format(name).encode())] == [None if value != value else value for value in values]
    clock.move(60)
    again = call("indicators", "--store")
    assert again.was_idle and again.summary == "0 of 4 series, 0 rows"
    held = {each.symbol: each for each in symbols.load_instruments(filled, NOW)}
    changed = minutes(100.0)
    place = len(changed) - 40
    changed[place] = changed[place]._replace(close=round(changed[place].close + 0.01, 2))
    put(filled, Window(held["CBA"], Timeframe.MIN1, FIRST, LAST), changed, clock.now() + timedelta(seconds=1))
    clock.move(60)
    after = call("indicators", "--store")
    assert after.summary == "1 of 4 series, 40 rows"  # what came before the corrected bar stands
    assert filled.execute("SELECT bars, revisions FROM indicator_series ORDER BY revisions DESC LIMIT 1").fetchone() == (len(changed), 1)


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_exported_indicators_are_the_stored_ones_and_a_range_is_cut_after_computing(filled: Connection, call: Call, config: Config, form: str) -> None:
    import pandas

    call("indicators", "--store")
    done = call("indicators", "--export", "--format", form, "--symbol", "CBA", "--timeframe", "1min", "--from", "2024-01-10")
    assert done.status is Exit.DONE
    file = Path(config.paths.state) / "indicators" / f"1min/CBA/TRADES-ib-regular.{form}"
    found = pandas.read_parquet(file) if form == "parquet" else pandas.read_csv(file, parse_dates=["timestamp"])
    assert list(found.columns) == ["timestamp", "session_date", "close", *NAMES]
    rows = filled.execute(
        f"SELECT {', '.join(NAMES)} FROM indicators i JOIN symbols s ON s.id = symbol_id WHERE s.symbol = 'CBA' AND timeframe = '1min' "
        "AND timestamp >= '2024-01-10' ORDER BY timestamp".encode()
    ).fetchall()  # fmt: skip
    assert len(rows) == 60 and [tuple(each) for each in found[list(NAMES)].itertuples(index=False)] == rows
    assert found["timestamp"].min().date().isoformat() == "2024-01-10"


def test_years_that_left_the_table_count_and_the_values_do_not_change(filled: Connection, call: Call, clock: Any) -> None:
    call("indicators", "--store")
    before = filled.execute("SELECT * FROM indicators ORDER BY 1, 2, 3, 4").fetchall()
    call("export", "--year", "2023", "--detach")
    clock.move(60)
    call("indicators", "--store")
    assert filled.execute("SELECT * FROM indicators ORDER BY 1, 2, 3, 4").fetchall() == before


def test_a_person_sees_the_newest_values_and_a_dry_run_computes_nothing(filled: Connection, call: Call, capsys: pytest.CaptureFixture[str]) -> None:
    call("indicators", "--symbol", "CBA")
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split()[:2] == ["symbol", "size"] and "rsi_14" in head
    assert [line.split()[:3] for line in lines] == [["CBA", "1day", "2024-01-12"], ["CBA", "1min", "2024-01-11"]]
    assert " - " in lines[0], "seventeen daily bars have no mean of two hundred"
    call("indicators", "--store", "--dry-run")
    assert capsys.readouterr().out.startswith("4 series of 4")
    assert filled.execute("SELECT count(*) FROM indicators").fetchone() == (0,)


def test_options_that_do_not_go_together_are_refused(call: Call) -> None:
    for words in ("--folder x", "--store --from 2024-01-01", "--timeframe 2min", "--export --from 2024-01-05 --to 2024-01-04"):
        with pytest.raises(UsageError):
            call("indicators", *words.split())
