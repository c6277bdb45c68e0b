"""bin/reconcile on a real database: minutes against days, and a second vendor's file."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from scizor.base.clock import StoppedClock
from scizor.base.errors import UsageError
from scizor.base.exit import Exit
from scizor.db import windows
from scizor.market.types import Bar, Timeframe
from tests.db.conftest import Market, market, ok, rows  # noqa: F401  (fixtures)
from tests.jobs.scripts import Call

NOW = datetime(2025, 1, 16, 8, 0, tzinfo=UTC)
DAYS = (date(2025, 1, 14), date(2025, 1, 15), date(2025, 1, 16))
Rows = Callable[..., list[tuple[Any, ...]]]
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock(NOW)


def store(connection: psycopg.Connection, there: Market, bars: Sequence[Bar], timeframe: Timeframe, days: Sequence[date], at: datetime = NOW) -> None:
    window = there.window(timeframe=timeframe, first=days[0], last=days[-1])
    windows.store(connection, None, None, window, ok(bars, at), at, sessions=there.sessions)


def fives(there: Market, day: date) -> list[Bar]:
    """All five-minute bars of a session, the closing auction's too."""
    (session,) = (each for each in there.sessions if each.session_date == day)
    count = -(-int((session.last - session.open).total_seconds()) // 300)
    price = 100.0 + DAYS.index(day)
    return [
        Bar(session.open + timedelta(minutes=5 * i), price, round(price + 0.2 + (i % 7) * 0.01, 2), price - 0.2, round(price + (i % 5) * 0.02, 2), 10.0 + i % 3)
        for i in range(count)
    ]


def whole(day: date, parts: Sequence[Bar]) -> Bar:
    return Bar(day, parts[0].open, max(each.high for each in parts), min(each.low for each in parts), parts[-1].close, sum(each.volume or 0 for each in parts))


@pytest.fixture
def stocked(collector: psycopg.Connection, market: Market) -> Market:  # noqa: F811
    """Three sessions: on the second the minutes have a spike and on the third the daily bar lacks what they traded in."""
    parts = {day: fives(market, day) for day in DAYS}
    store(collector, market, [whole(day, parts[day]) for day in DAYS], Timeframe.DAY1, DAYS)
    parts[DAYS[1]][30] = parts[DAYS[1]][30]._replace(high=106.0)
    parts[DAYS[2]][40:44] = [each._replace(high=103.5, close=103.0) for each in parts[DAYS[2]][40:44]]
    store(collector, market, [bar for day in DAYS for bar in parts[day]], Timeframe.MIN5, DAYS)
    return market


def test_minutes_that_contradict_the_day_are_found_and_somebody_is_named(
    stocked: Market, call: Call, rows: Rows, collector: psycopg.Connection, clock: StoppedClock  # noqa: F811
) -> None:
    found = call("reconcile", "--symbol", "CBA")
    assert found.status is Exit.FINDING
    assert found.summary == "3 sessions of 1 series compared: 1 the daily bar wrong, 1 the shorter ones wrong"
    noted = rows("SELECT session_date, against, field, wrong FROM reconciliations ORDER BY 1")
    assert noted == [(DAYS[1], "5min", "high", "theirs"), (DAYS[2], "5min", "high", "ours")]
    assert any("one print at" in each for each in found.failures) and any("4 bars go beyond it" in each for each in found.failures)
    again = whole(DAYS[2], fives(stocked, DAYS[2]))._replace(high=103.5)
    store(collector, stocked, [again], Timeframe.DAY1, DAYS[2:])
    clock.move(60)
    assert call("reconcile", "--from", "2025-01-16").status is Exit.DONE
    assert rows("SELECT wrong, reason FROM reconciliations WHERE session_date = %s", DAYS[2]) == [("neither", "the sources agree since")]


def test_from_cron_it_looks_at_the_last_days_and_is_idle_where_there_is_nothing_to_compare(
    stocked: Market, call: Call, rows: Rows, database: psycopg.Connection  # noqa: F811
) -> None:
    assert call("reconcile", "--days", "1").summary.startswith("2 sessions of 1 series compared: ")
    assert [day for (day,) in rows("SELECT session_date FROM reconciliations ORDER BY 1")] == list(DAYS[1:])
    database.execute("DELETE FROM historical_data_metadata WHERE timeframe = '5min'")
    idle = call("reconcile")
    assert idle.was_idle and idle.status is Exit.DONE


def test_a_dry_run_notes_nothing_and_what_is_split_meanwhile_is_no_difference(
    stocked: Market, call: Call, rows: Rows, database: psycopg.Connection  # noqa: F811
) -> None:
    call("reconcile", "--dry-run")
    assert rows("SELECT count(*) FROM reconciliations") == [(0,)]
    database.execute(
        "INSERT INTO corporate_actions (symbol_id, ex_date, type, ratio_new, ratio_old, evidence, noticed_at, state, effective_at)"
        " VALUES (%s, '2025-01-17', 'split', 2, 1, '{}', %s, 'confirmed', %s)", [stocked.instruments["CBA"].symbol_id, NOW, NOW + timedelta(hours=1)],
    )  # fmt: skip
    database.execute("UPDATE bars SET open = round(open / 2, 4), high = round(high / 2, 4), low = round(low / 2, 4), close = round(close / 2, 4), volume = volume * 2, known_from = %s WHERE timeframe = '1day'", [NOW + timedelta(days=1)])
    assert call("reconcile", "--to", "2025-01-14").summary == "1 sessions of 1 series compared, and they agree"


def test_a_second_vendors_file_is_judged_symbol_by_symbol(
    stocked: Market, call: Call, rows: Rows, tmp_path: Path, capsys: Capture  # noqa: F811
) -> None:
    ours = [whole(day, fives(stocked, day)) for day in DAYS]
    lines = [f"CBA,{each.start:%Y%m%d},{each.open},{each.high},{each.low},{each.close},{each.volume:.0f}" for each in ours]
    file = tmp_path / "vendor.txt"
    file.write_text("\n".join(lines) + "\n")
    assert call("reconcile", file).summary == "3 sessions of 1 series compared, and they agree"
    lines[1] = "CBA,20250115,101,101.26,100.8,10008,824"
    file.write_text("\n".join(lines) + "\n")
    assert call("reconcile", file, "--json").status is Exit.DONE, "the file is wrong, not we"
    said = json.loads(capsys.readouterr().out.split("agree\n")[-1])
    assert [(each["symbol"], each["field"], each["theirs"], each["wrong"]) for each in said] == [("CBA", "close", 10008.0, "theirs")]
    assert rows("SELECT session_date, field, wrong, reason FROM reconciliations WHERE against = 'vendor.txt'") == [
        (DAYS[1], "close", "theirs", "no order among its prices")
    ]
    header = tmp_path / "five.csv"
    minute = fives(stocked, DAYS[0])
    header.write_text("datetime,open,high,low,close,volume\n" + "".join(
        f"{each.start.isoformat()},{each.open},{each.high},{each.low},{each.close},{each.volume}\n" for each in minute
    ))  # fmt: skip
    assert call("reconcile", header, "--symbol", "CBA", "--timeframe", "5min").summary == "1 sessions of 1 series compared, and they agree"


def test_a_mistake_is_answered_with_what_is_right(stocked: Market, call: Call, tmp_path: Path) -> None:
    file = str(tmp_path / "other.csv")
    Path(file).write_text("QQQ,20250114,1,1,1,1,1\n")
    for argv, says in (
        (["nothing.csv"], "cannot read"), ([file, "--from", "2025-01-14"], "a file says itself"), ([file], "nothing is stored of"),
        (["--symbol", "BHP"], "no symbol with daily bars and shorter ones"), ([file, "--timeframe", "5min"], "these bars are daily"),
        (["--from", "soon"], "is not a date"), (["--days", "3", "--from", "2025-01-14"], "both say when to begin"),
    ):  # fmt: skip
        with pytest.raises(UsageError, match=says):
            call("reconcile", *argv)
