"""The gateway's price basis: IB's, adjusted as of its virtual today, or as the prices were traded."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from scizor.base.clock import StoppedClock
from scizor.base.config import Config
from scizor.market.types import Bar, Kind, Timeframe
from scizor.replay.sources import Pattern
from scizor.replay.tws import process
from scizor.run.script import make_parser

LINES = "symbol,date,open,high,low,close,volume\nCSL,20071016,102,104,101,103,1000\nCSL,20071017,103,104,102,103.1,900\nCSL,20071018,34,35,33.5,34.32,3100\n"


def served(folder: Path, today: date, *words: str) -> list[Bar]:
    args = make_parser("replay-gateway", "", process.arguments).parse_args(["--recordings", str(folder), *words])
    now = datetime(today.year, today.month, today.day, 8, tzinfo=UTC)
    source, _ = process._source(args, Config(), StoppedClock(now))
    (row,) = source.contracts(Pattern(symbol="CSL", exchange="ASX", sec_type="STK"), today)
    return source.bars(row.con_id, Timeframe.DAY1, Kind.TRADES, True, date(2007, 10, 1), today, now)


def test_history_is_adjusted_as_of_the_virtual_today_and_a_switch_leaves_it_as_traded(tmp_path: Path) -> None:
    (tmp_path / "CSL.csv").write_text(LINES)
    eve, day = date(2007, 10, 17), date(2007, 10, 18)
    assert [each.close for each in served(tmp_path, eve)] == [103.0, 103.1]
    assert [each.close for each in served(tmp_path, day)] == [34.3333, 34.3667, 34.32]
    assert [each.volume for each in served(tmp_path, day)] == [3000.0, 2700.0, 3100.0]
    for today in (eve, day):
        traded = served(tmp_path, today, "--as-traded")
        assert [each.close for each in traded] == [103.0, 103.1, 34.32][: len(traded)] and len(traded) == (2 if today == eve else 3)


def test_the_gateway_says_that_its_prices_are_as_traded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "CSL.csv").write_text(LINES)
    for words, says in (([], False), (["--as-traded"], True)):
        assert process.main("", ["--recordings", str(tmp_path), "--describe", *words]) == 0
        assert ("as traded, never adjusted" in capsys.readouterr().out) is says
