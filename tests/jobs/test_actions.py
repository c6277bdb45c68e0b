"""bin/actions on a real database: from the answer that came back otherwise to the last restated bar."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from scizor.base.clock import RunningClock, StoppedClock
from scizor.base.config import Config
from scizor.base.errors import UsageError
from scizor.base.exit import Exit
from scizor.db import windows
from scizor.market.types import Bar, Outcome, OutcomeKind, Timeframe
from scizor.replay.sources import Source, master
from scizor.replay.sources.asx_daily import AsxDaily
from tests.db.conftest import Market, market, ok, rows  # noqa: F401  (fixtures)
from tests.jobs.scripts import Call
from tests.jobs.stage import stage

NOW = datetime(2025, 1, 16, 8, 0, tzinfo=UTC)
EX = date(2025, 1, 16)
Capture = pytest.CaptureFixture[str]
Rows = Callable[..., list[tuple[Any, ...]]]


def store(connection: psycopg.Connection, there: Market, bars: Sequence[Bar], at: datetime, timeframe: Timeframe = Timeframe.DAY1) -> windows.Stored:
    days = [each.start if not isinstance(each.start, datetime) else each.start.date() for each in bars]
    window = there.window(timeframe=timeframe, first=days[0], last=days[-1])
    return windows.store(connection, None, None, window, ok(bars, at), at, sessions=there.sessions)


def scaled(bar: Bar, new: int, old: int) -> Bar:
    prices = [round(each * old / new, 4) for each in bar[1:5]]
    return bar._replace(open=prices[0], high=prices[1], low=prices[2], close=prices[3], volume=round((bar.volume or 0) * new / old, 2),
                        wap=None if bar.wap is None else round(bar.wap * old / new, 4))  # fmt: skip


def minutes(day: date, price: float) -> list[Bar]:
    begin = datetime.combine(day, datetime.min.time(), UTC)
    return [Bar(begin + timedelta(minutes=i), price, price + 0.5, price - 0.5, round(price + 0.01 * i, 2), 100.0 + i, price, 3) for i in range(20)]


@pytest.fixture
def clock() -> StoppedClock:
    """An hour after the newest answer."""
    return StoppedClock(NOW + timedelta(hours=1))


@pytest.fixture
def split(collector: psycopg.Connection, market: Market) -> Market:  # noqa: F811
    """CBA is stored to the day before, then splits 3:1: the next answer has the newest five sessions on the new basis."""
    past = market.bars()[:-1]
    store(collector, market, past, NOW - timedelta(days=1))
    store(collector, market, minutes(date(2025, 1, 14), 300.0), NOW - timedelta(days=1), Timeframe.MIN1)
    store(collector, market, [scaled(each, 3, 1) for each in market.bars()[-6:]], NOW)
    return market


def test_row_40_a_split_is_a_candidate_with_an_alert_and_the_bars_are_stored(
    split: Market, call: Call, rows: Rows, capsys: Capture  # noqa: F811
) -> None:
    found = call("actions", "detect")
    assert found.status is Exit.FINDING
    assert rows("SELECT type, ex_date, ratio_new, ratio_old, state FROM corporate_actions") == [("split", EX, 3, 1, "candidate")]
    assert rows("SELECT severity, resolved_at FROM alerts") == [("high", None)]
    assert rows("SELECT count(*) FROM bars WHERE timeframe = '1day' AND revision = 1") == [(5,)], "the answer's; nothing else was touched"
    assert rows("SELECT count(*) FROM quarantine") == [(0,)]
    assert call("actions", "detect", "--all").status is Exit.FINDING
    assert rows("SELECT count(*), sum(times) FROM corporate_actions, alerts") == [(1, 1)], "found again is not a second one"
    call("actions", "list", "--json")
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["symbol"], row["ratio"], row["evidence"]["volumes"], row["evidence"]["sessions"]) == ("CBA", "3:1", "scaled", 5)


def test_a_confirmed_split_converts_intraday_as_revisions_and_makes_the_daily_history_due(
    split: Market, call: Call, rows: Rows, capsys: Capture  # noqa: F811
) -> None:
    call("actions", "detect")
    (number,) = rows("SELECT id FROM corporate_actions")[0]
    before = rows("SELECT * FROM bars ORDER BY 1, 2, 3, 4")
    assert "would be confirmed" in call("actions", "confirm", number, "--dry-run").summary
    assert rows("SELECT * FROM bars ORDER BY 1, 2, 3, 4") == before and rows("SELECT count(*) FROM restatements") == [(0,)]
    said = call("actions", "confirm", number).summary
    assert "1min TRADES of ib: 20 bars converted by 3:1" in said and "due for one fetch" in said
    shown = rows("SELECT open, high, volume, wap, trades, revision FROM bars WHERE timeframe = '1min' ORDER BY \"timestamp\" LIMIT 1")
    assert shown == [(Decimal(100), Decimal("100.16666667"), Decimal(300), Decimal(100), 3, 1)]
    kept = rows("SELECT open, volume, revision FROM bars_history WHERE timeframe = '1min' ORDER BY \"timestamp\" LIMIT 1")
    assert kept == [(Decimal(300), Decimal(100), 0)]
    assert rows("SELECT method, bars FROM restatements") == [("converted", 20)]
    assert rows("SELECT resolved_at IS NULL FROM alerts") == [(False,)]
    assert call("actions", "refetch", "--dry-run").was_idle
    assert "CBA 2024-07-01..2025-01-16, TRADES" in capsys.readouterr().out
    with pytest.raises(UsageError, match="confirmed already"):
        call("actions", "confirm", number)


def test_views_give_what_was_traded_and_what_any_day_would_have_shown_before_and_after_the_refetch(
    split: Market, call: Call, rows: Rows, collector: psycopg.Connection  # noqa: F811
) -> None:
    call("actions", "detect")
    call("actions", "confirm", rows("SELECT id FROM corporate_actions")[0][0])
    truth = {each.start: each for each in split.bars()}

    def seen() -> None:
        traded = dict(rows("SELECT session_date, (open, volume)::text FROM as_traded WHERE symbol = 'CBA' AND timeframe = '1day'"))
        for day, bar in truth.items():
            wanted = bar if day < EX else scaled(bar, 3, 1)
            open_, volume = map(float, traded[day].strip("()").split(","))
            assert open_ == pytest.approx(wanted.open, abs=1e-3 if day < EX else 0) and volume == pytest.approx(wanted.volume, rel=1e-5)
        today = dict(rows("SELECT session_date, close::float8 FROM adjusted_to('2025-01-16') WHERE symbol = 'CBA' AND timeframe = '1day'"))
        assert all(close == pytest.approx(truth[day].close / 3, abs=1e-4) for day, close in today.items()) and len(today) == len(truth)
        eve = dict(rows("SELECT session_date, close::float8 FROM adjusted_to('2025-01-15') WHERE symbol = 'CBA' AND timeframe = '1day'"))
        assert all(close == pytest.approx(truth[day].close, abs=1e-3) for day, close in eve.items()) and EX not in eve

    seen()
    store(collector, split, [scaled(each, 3, 1) for each in split.bars()], NOW + timedelta(days=1))
    seen()
    assert rows("SELECT max(open) FROM as_traded WHERE symbol = 'CBA' AND timeframe = '1min'") == [(Decimal(300),)]


def test_row_40_a_gap_that_no_overlap_explains_is_a_candidate_with_its_doubt_and_what_the_overlap_says_later_takes_its_place(
    collector: psycopg.Connection, market: Market, call: Call, rows: Rows, capsys: Capture, clock: StoppedClock  # noqa: F811
) -> None:
    store(collector, market, market.bars()[:-1], NOW - timedelta(days=1))
    late = [*market.bars()[-6:-1], scaled(market.bars()[-1], 3, 1)]
    store(collector, market, late, NOW)
    assert call("actions", "detect").status is Exit.FINDING
    assert rows("SELECT ratio_new > 2 * ratio_old, ex_date, evidence ->> 'method', state FROM corporate_actions") == [(True, EX, "gap", "candidate")]
    assert rows("SELECT count(*) FROM alerts") == [(1,)]
    call("actions", "list")
    assert "doubt: an overnight gap" in capsys.readouterr().out
    call("actions", "reject", rows("SELECT id FROM corporate_actions")[0][0])
    assert call("actions", "detect", "--all").status is Exit.DONE, "bad news, somebody thought"
    store(collector, market, [scaled(each, 3, 1) for each in market.bars()[-6:]], NOW + timedelta(hours=1))
    assert call("actions", "detect", "--all").status is Exit.FINDING
    assert rows("SELECT ratio_new, ratio_old, evidence ->> 'method' FROM corporate_actions") == [(3, 1, "overlap")]


def test_a_rejected_candidate_is_not_suggested_again_and_changes_no_bar(split: Market, call: Call, rows: Rows) -> None:  # noqa: F811
    call("actions", "detect")
    before = rows("SELECT * FROM bars ORDER BY 1, 2, 3, 4")
    assert "no bar is touched" in call("actions", "reject", rows("SELECT id FROM corporate_actions")[0][0]).summary
    assert call("actions", "detect", "--all").status is Exit.DONE
    assert rows("SELECT state FROM corporate_actions") == [("rejected",)]
    assert rows("SELECT * FROM bars ORDER BY 1, 2, 3, 4") == before
    assert rows("SELECT count(*) FROM as_traded WHERE factor <> 1") == [(0,)]


def test_what_was_confirmed_by_mistake_is_undone_newest_first(
    collector: psycopg.Connection, market: Market, call: Call, rows: Rows, database: psycopg.Connection, clock: StoppedClock  # noqa: F811
) -> None:
    store(collector, market, minutes(date(2025, 1, 6), 300.0), datetime(2025, 1, 6, 8, tzinfo=UTC), Timeframe.MIN1)
    for day, new in (("2025-01-08", 2), ("2025-01-10", 5)):
        database.execute(
            "INSERT INTO corporate_actions (symbol_id, ex_date, type, ratio_new, ratio_old, evidence, noticed_at) VALUES (%s, %s, 'split', %s, 1, '{}', %s)",
            [market.instruments["CBA"].symbol_id, day, new, NOW],
        )
    first, second = (number for (number,) in rows("SELECT id FROM corporate_actions ORDER BY ex_date"))
    for number in (first, second):
        call("actions", "confirm", number)
        clock.move(60)
    with pytest.raises(UsageError, match="another split has converted"):
        call("actions", "reject", first)
    assert "20 bars have their former values again" in call("actions", "reject", second).summary
    assert rows("SELECT max(open), max(revision) FROM bars") == [(Decimal(150), 3)]
    assert rows("SELECT max(open) FROM as_traded") == [(Decimal(300),)]
    with pytest.raises(UsageError, match="is rejected already"):
        call("actions", "reject", second)


def test_the_first_of_one_conversion_can_be_undone_to_the_letter(
    collector: psycopg.Connection, market: Market, call: Call, rows: Rows, database: psycopg.Connection  # noqa: F811
) -> None:
    store(collector, market, minutes(date(2025, 1, 6), 301.7), datetime(2025, 1, 6, 8, tzinfo=UTC), Timeframe.MIN1)
    shown = "SELECT \"timestamp\", open, high, low, close, volume, wap, trades FROM bars ORDER BY 1"
    before = rows(shown)
    database.execute(
        "INSERT INTO corporate_actions (symbol_id, ex_date, type, ratio_new, ratio_old, evidence, noticed_at) VALUES (%s, '2025-01-08', 'split', 7, 3, '{}', %s)",
        [market.instruments["CBA"].symbol_id, NOW],
    )
    call("actions", "confirm", 1)
    assert rows(shown) != before
    assert "would be rejected" in call("actions", "reject", 1, "--dry-run").summary and rows(shown) != before
    call("actions", "reject", 1)
    assert rows(shown) == before
    assert rows("SELECT method, bars FROM restatements ORDER BY id") == [("converted", 20), ("reverted", 20)]
    assert rows("SELECT count(*) FROM bars_history") == [(40,)]


def test_splits_that_are_confirmed_in_the_wrong_order_convert_as_in_the_right_one(
    collector: psycopg.Connection, market: Market, call: Call, rows: Rows, database: psycopg.Connection  # noqa: F811
) -> None:
    store(collector, market, minutes(date(2025, 1, 6), 300.0), datetime(2025, 1, 6, 8, tzinfo=UTC), Timeframe.MIN1)
    for day, new in (("2025-01-08", 2), ("2025-01-10", 5)):
        database.execute(
            "INSERT INTO corporate_actions (symbol_id, ex_date, type, ratio_new, ratio_old, evidence, noticed_at) VALUES (%s, %s, 'split', %s, 1, '{}', %s)",
            [market.instruments["CBA"].symbol_id, day, new, NOW],
        )
    first, second = (number for (number,) in rows("SELECT id FROM corporate_actions ORDER BY ex_date"))
    call("actions", "confirm", second)
    call("actions", "confirm", first)
    assert rows("SELECT max(open), max(revision) FROM bars WHERE timeframe = '1min'") == [(Decimal(30), 2)]
    assert rows("SELECT max(open) FROM as_traded WHERE timeframe = '1min'") == [(Decimal(300),)]
    assert rows("SELECT max(open) FROM adjusted_to('2025-01-09') WHERE timeframe = '1min'") == [(Decimal(150),)]


def test_another_companys_answer_is_a_new_owner_of_the_code(
    collector: psycopg.Connection, market: Market, call: Call, rows: Rows  # noqa: F811
) -> None:
    store(collector, market, market.bars()[:-1], NOW - timedelta(days=1))
    theirs = [Bar(each.start, 7.0, 7.5, 6.5, 7.0 + (i * 37 % 11) / 25, 1e5 + i * 7919) for i, each in enumerate(market.bars()[-6:])]
    assert store(collector, market, theirs, NOW).rules == {"another_contract": 6}
    assert call("actions", "detect").status is Exit.FINDING
    assert rows("SELECT type, ex_date, state FROM corporate_actions") == [("code-change", EX, "candidate")]


def test_what_was_mended_by_the_vendor_is_no_action(collector: psycopg.Connection, market: Market, call: Call, rows: Rows) -> None:  # noqa: F811
    store(collector, market, market.bars()[:-1], NOW - timedelta(days=1))
    again = [*market.bars()[-6:]]
    again[2] = again[2]._replace(high=again[2].high + 5, close=again[2].high + 3)
    assert store(collector, market, again, NOW).revised == 1
    assert call("actions", "detect").summary == "1 answers searched, nothing to decide"
    assert rows("SELECT count(*) FROM corporate_actions") == [(0,)]


def test_a_mistake_is_answered_with_what_is_right(split: Market, call: Call, rows: Rows) -> None:  # noqa: F811
    call("actions", "detect")
    number = str(rows("SELECT id FROM corporate_actions")[0][0])
    for argv, says in (
        (["confirm", "99"], "there is no corporate action 99"), (["reject", "99"], "there is no corporate action 99"), (["confirm", number, "--ratio", "3"], "is no ratio"),
        (["confirm", number, "--ratio", "3:3"], "is no ratio"), (["confirm", number, "--ex-date", "soon"], "is not a date"),
        (["confirm", number, "--ex-date", "2025-01-20"], "takes effect at 2025-01-19 13:00 UTC"), (["list", "--symbol", "../etc"], "symbol"),
    ):  # fmt: skip
        with pytest.raises(UsageError, match=says):
            call("actions", *argv)
    assert rows("SELECT state FROM corporate_actions") == [("candidate",)]


def test_recorded_the_split_of_CSL_goes_from_the_wire_to_a_history_on_one_basis(
    recordings: Path, config: Config, database: psycopg.Connection, tmp_path: Path, capsys: Capture
) -> None:
    """Through the replay gateway, which serves history adjusted as of its clock: the evening before the ex-date, that day's
    evening, and the fetch that the confirmed split has made due."""
    config = replace(config, collect=replace(config.collect, daily_years=2))

    def source(clock: RunningClock) -> Source:
        return AsxDaily([recordings / "asx_daily/by_symbol_18_to_2021/CSL.csv"], [], master.load())

    for day in (17, 18):
        with stage(config, database, tmp_path, source=source, at=datetime(2007, 10, day, 8, 0, tzinfo=UTC), speed=30.0) as there:
            there.list_symbols("CSL")
            assert there.run("collect-daily") is Exit.DONE
            status = there.run("actions", "detect")
            assert status is (Exit.FINDING if day == 18 else Exit.DONE)
            if day == 18:
                ((number, ex_date, new, old),) = there.rows("SELECT id, ex_date, ratio_new, ratio_old FROM corporate_actions")
                assert (ex_date, new, old) == (date(2007, 10, 18), 3, 1)
                assert there.run("actions", "confirm", str(number)) is Exit.DONE
                assert there.run("actions", "refetch") is Exit.DONE
                assert there.run("actions", "refetch") is Exit.DONE
                assert there.run("actions", "detect", "--all") is Exit.DONE, "its own restatement is no second split"
                assert there.rows("SELECT method, bars > 400 FROM restatements") == [("fetched", True)]
                eve = "session_date = '2007-10-17'"
                assert there.rows(f"SELECT close FROM bars WHERE {eve}") == [(Decimal("34.3667"),)]
                assert there.rows(f"SELECT close FROM as_traded WHERE {eve}") == [(Decimal("103.1"),)]
                assert there.run("explain", "CSL", "1day", "2007-10-17") is Exit.DONE
                assert "as traded: close 103.1" in capsys.readouterr().out
                assert there.run("reconcile", "--days", "7") is Exit.DONE
                jumps = there.rows("SELECT max(greatest(c / p, p / c)) FROM (SELECT close AS c, lag(close) OVER (ORDER BY session_date) AS p FROM bars) x")
                assert jumps[0][0] < Decimal("1.3")
    capsys.readouterr()


def test_an_answer_without_bars_is_nothing_to_search(collector: psycopg.Connection, market: Market, call: Call) -> None:  # noqa: F811
    windows.store(collector, None, None, market.window(5), Outcome(OutcomeKind.TIMEOUT, asked_at=NOW), NOW, sessions=market.sessions)
    result = call("actions", "detect")
    assert result.was_idle and result.status is Exit.DONE


def test_a_dividend_that_somebody_enters_is_a_candidate_until_it_is_confirmed_and_then_total_return_has_it(
    market: Market, collector: psycopg.Connection, call: Call, rows: Rows, capsys: Capture  # noqa: F811
) -> None:
    store(collector, market, market.bars()[-4:], NOW)
    day = str(market.sessions[-2].session_date)
    words = ("actions", "add", "cba", "--dividend", "1.25", "--ex-date", day)
    call(*words, "--dry-run")
    assert rows("SELECT count(*) FROM corporate_actions") == [(0,)]
    first = "SELECT close FROM total_return('CBA', '2025-01-16') ORDER BY session_date LIMIT 1"
    plain = rows(first)
    call(*words)
    [(number, amount)] = rows("SELECT id, amount FROM corporate_actions WHERE state = 'candidate' AND type = 'dividend'")
    assert amount == Decimal("1.25") and rows(first) == plain
    call(*words)  # again: it is known
    assert rows("SELECT count(*) FROM corporate_actions") == [(1,)]
    call("actions", "list")
    assert "entered by" in capsys.readouterr().out
    call("actions", "confirm", str(number))
    before = Decimal(str(market.bars()[-3].close))
    assert rows(first)[0][0] == round(plain[0][0] * (before - amount) / before, 8) != plain[0][0]
    for bad in (("--dividend", "1,25"), ("--dividend", "0"), ("--dividend", "2.5"), ("--ratio", "1:1"), ("--dividend", "1", "--ratio", "2:1"), ()):
        with pytest.raises(UsageError):
            call("actions", "add", "CBA", "--ex-date", day, *bad)
    call("actions", "add", "CBA", "--ratio", "3:1", "--ex-date", day)
    assert rows("SELECT ratio_new, ratio_old FROM corporate_actions WHERE type = 'split'") == [(3, 1)]
