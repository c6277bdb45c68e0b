"""Refused bars and verdicts: a released bar enters by the one path, with its provenance, and is not refused again; an impossible
one never enters; a verdict is final, and what was refused never changes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import psycopg
import pytest

from scizor.base.errors import UsageError
from scizor.db import quality_verdicts as verdicts
from scizor.db import windows
from scizor.market.types import Bar, Origin, Timeframe, Window
from tests.db.conftest import HOUR, NOW, Market, ok

Connection = psycopg.Connection[tuple[Any, ...]]
Rows = Callable[..., list[tuple[Any, ...]]]
LATER = NOW + 2 * HOUR


@pytest.fixture
def stale(collector: Connection, market: Market) -> list[Bar]:
    """Ten daily bars stored, of which the ninth came with the bar of the eighth and is refused: the market's own repetition."""
    bars = market.bars(10)
    first = bars[:7]
    windows.store(collector, None, None, market.window(10), ok(first), NOW)
    bars[8] = bars[7]._replace(start=bars[8].start)
    windows.store(collector, None, None, market.window(10), ok(bars), NOW + HOUR)
    return bars


def undecided(collector: Connection) -> list[int]:
    return [each["id"] for each in reversed(verdicts.listed(collector))]


def test_a_released_bar_is_stored_by_a_request_of_its_own_with_who_and_why(collector: Connection, stale: list[Bar], rows: Rows) -> None:
    numbers = undecided(collector)
    assert [each["rule"] for each in verdicts.listed(collector)] == ["stale_session"] * 2
    row = verdicts.load(collector, numbers[0])
    done = verdicts.release(collector, None, row, "anna", "the exchange's own file has it", LATER)
    assert (done.stored, done.quarantined) == (1, 0)
    stored = rows("SELECT b.session_date, b.close, b.request_id, b.known_from, c.error_message FROM bars b JOIN collection_logs c ON c.id = b.request_id WHERE b.request_id = %s", done.request)
    assert stored == [(row.session_date, stored[0][1], done.request, LATER, f"released from quarantine {row.id} (stale_session) by anna: the exchange's own file has it")]
    assert float(stored[0][1]) == stale[7].close
    kept = rows("SELECT verdict, verdict_by, verdict_at, verdict_note, released_request_id FROM quarantine WHERE id = %s", row.id)
    assert kept == [("accepted", "anna", LATER, "the exchange's own file has it", done.request)]


def test_the_coverage_is_complete_once_the_bars_are_released_and_a_second_release_changes_nothing(collector: Connection, market: Market, stale: list[Bar], rows: Rows) -> None:
    days = "SELECT count(*) FROM missing_sessions WHERE why = 'quarantined'"
    assert rows(days) == [(2,)]
    for number in undecided(collector):
        verdicts.release(collector, None, verdicts.load(collector, number), "anna", "both are right", LATER)
    assert rows(days) == [(0,)]
    assert rows("SELECT count(*) FROM bars WHERE timeframe = '1day'") == [(10,)]
    before = rows("SELECT count(*), max(xmin::text::bigint) FROM bars")
    row = verdicts.load(collector, rows("SELECT min(id) FROM quarantine")[0][0])
    again = verdicts.release(collector, None, row, "anna", "both are right", LATER + HOUR)
    assert (again.stored, again.revised, again.unchanged) == (0, 0, 1)
    assert rows("SELECT count(*), max(xmin::text::bigint) FROM bars") == before
    assert rows("SELECT count(*) FROM quarantine") == [(2,)]


def test_the_same_bar_from_the_vendor_is_not_refused_again_and_another_one_is(collector: Connection, market: Market, stale: list[Bar], rows: Rows) -> None:
    for number in undecided(collector):
        verdicts.release(collector, None, verdicts.load(collector, number), "anna", "both are right", LATER)
    again = windows.store(collector, None, None, market.window(10), ok(stale, LATER + HOUR), LATER + HOUR)
    assert (again.unchanged, again.quarantined) == (10, 0)
    other = [*stale[:6], stale[5]._replace(start=stale[6].start), *stale[7:]]
    assert windows.store(collector, None, None, market.window(10), ok(other, LATER + 2 * HOUR), LATER + 2 * HOUR).quarantined == 1


def test_without_the_verdict_the_same_bar_would_be_refused_for_ever(collector: Connection, market: Market, stale: list[Bar]) -> None:
    again = windows.store(collector, None, None, market.window(10), ok(stale, LATER), LATER)
    assert again.quarantined == 2


def test_a_release_that_died_after_its_verdict_is_finished_by_running_it_again(collector: Connection, stale: list[Bar], rows: Rows) -> None:
    row = verdicts.load(collector, undecided(collector)[0])
    verdicts.decide(collector, row, "accepted", "anna", "it is right", LATER)
    assert rows("SELECT count(*) FROM bars WHERE session_date = %s", row.session_date) == [(0,)]
    row = verdicts.load(collector, row.id)
    assert verdicts.release(collector, None, row, "bert", "again", LATER + HOUR).stored == 1
    assert rows("SELECT verdict_by FROM quarantine WHERE id = %s", row.id) == [("anna",)]


def test_a_bar_that_takes_the_place_of_another_makes_a_revision_and_the_former_one_is_kept(collector: Connection, market: Market, rows: Rows) -> None:
    bars = market.bars(10)
    windows.store(collector, None, None, market.window(10), ok(bars), NOW)
    day = bars[4].start
    assert isinstance(day, date)
    double = [*bars[:5], bars[4]._replace(close=bars[4].low), *bars[5:]]
    assert windows.store(collector, None, None, market.window(10), ok(double, NOW + HOUR), NOW + HOUR).quarantined == 2
    chosen = next(each for each in verdicts.listed(collector) if each["raw"].split(",")[3] == f"{bars[4].low:g}")
    done = verdicts.release(collector, None, verdicts.load(collector, chosen["id"]), "anna", "the auction", LATER)
    assert done.revised == 1
    assert rows("SELECT revision, close FROM bars WHERE session_date = %s", day)[0][0] == 1
    assert [float(close) for (close,) in rows("SELECT close FROM bars_history WHERE session_date = %s", day)] == [bars[4].close]


def test_what_cannot_have_happened_is_never_released(collector: Connection, market: Market, rows: Rows) -> None:
    bars, whole = market.bars(9), market.bars(9)
    for place, change in ((1, {"high": 1.0}), (3, {"close": float("nan")}), (5, {"volume": -7.0}), (7, {"open": 100.123456789, "high": 200.0})):
        bars[place] = bars[place]._replace(**change)
    windows.store(collector, None, None, market.window(9), ok(bars), NOW)
    refused = undecided(collector)
    assert len(refused) == 4
    for number in refused:
        with pytest.raises(UsageError, match="cannot be overruled"):
            verdicts.release(collector, None, verdicts.load(collector, number), "anna", "I want it", LATER)
    assert rows("SELECT DISTINCT verdict FROM quarantine") == [(None,)]
    assert rows("SELECT count(*) FROM bars") == [(len(whole) - 4,)]


def test_one_of_two_conflicting_rows_that_is_impossible_by_itself_is_not_released(collector: Connection, market: Market) -> None:
    bars = market.bars(5)
    windows.store(collector, None, None, market.window(5), ok([*bars[:3], bars[2]._replace(high=1.0), *bars[3:]]), NOW)
    bad = next(each for each in verdicts.listed(collector) if each["raw"].split(",")[1] == "1")
    assert "it also breaks high_below_low" in verdicts.obstacle(verdicts.load(collector, bad["id"]))


def test_a_verdict_is_final_and_what_was_refused_never_changes(collector: Connection, database: Connection, stale: list[Bar]) -> None:
    first, second = undecided(collector)
    verdicts.decide(collector, verdicts.load(collector, first), "rejected", "anna", "a copy", LATER)
    with pytest.raises(UsageError, match="final"):
        verdicts.release(collector, None, verdicts.load(collector, first), "bert", "no, it is right", LATER)
    for statement in ("UPDATE quarantine SET verdict = 'accepted' WHERE id = %s", "UPDATE quarantine SET verdict_by = 'eve' WHERE id = %s", "UPDATE quarantine SET raw = 'x' WHERE id = %s"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            database.execute(statement, [first])
    with pytest.raises(psycopg.errors.CheckViolation):
        database.execute("UPDATE quarantine SET verdict = 'accepted', verdict_at = %s WHERE id = %s", [LATER, second])
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        collector.execute("DELETE FROM quarantine")


def test_an_intraday_bar_that_does_not_complete_its_session_says_nothing_about_the_others(collector: Connection, market: Market, rows: Rows) -> None:
    """Of 72 five-minute bars ten came, one of them twice; the release must not be taken for an answer without the other 62."""
    session = market.sessions[-5]
    starts = [session.open + place * timedelta(minutes=5) for place in range(10)]
    bars = [Bar(start, 100.0 + place, 101.5 + place, 99.5 + place, 101.0 + place, 1000.0 + place) for place, start in enumerate(starts)]
    window = Window(market.instruments["CBA"], Timeframe.MIN5, session.session_date, session.session_date, Origin(), session.open, session.close)
    windows.store(collector, None, None, window, ok([*bars, bars[3]._replace(close=100.5 + 3)]), NOW)
    gaps = "SELECT why, since, request_id, attempts FROM coverage_gaps WHERE timeframe = '5min' AND resolved_at IS NULL ORDER BY id"
    before = rows(gaps)
    assert [each[0] for each in before] == ["quarantined"]
    row = verdicts.load(collector, undecided(collector)[0])
    done = verdicts.release(collector, None, row, "anna", "it is right", LATER + 13 * HOUR)
    assert done.stored == 1
    assert rows("SELECT count(*) FROM bars WHERE timeframe = '5min'") == [(10,)]
    assert rows(gaps) == before


def test_the_bar_that_completes_an_intraday_session_closes_its_gap(collector: Connection, market: Market, rows: Rows) -> None:
    session = market.sessions[-5]
    count = int((session.close - session.open) / timedelta(minutes=30))
    starts = [session.open + place * timedelta(minutes=30) for place in range(count)]
    bars = [Bar(start, 100.0 + place, 101.5 + place, 99.5 + place, 101.0 + place, 1000.0 + place) for place, start in enumerate(starts)]
    window = Window(market.instruments["CBA"], Timeframe.MIN30, session.session_date, session.session_date, Origin(), session.open, session.close)
    windows.store(collector, None, None, window, ok([*bars, bars[3]._replace(close=100.5 + 3)]), NOW)
    assert rows("SELECT count(*) FROM missing_sessions WHERE timeframe = '30min'") == [(1,)]
    verdicts.release(collector, None, verdicts.load(collector, undecided(collector)[0]), "anna", "it is right", LATER)
    assert rows("SELECT count(*) FROM missing_sessions WHERE timeframe = '30min'") == [(0,)]


def test_a_list_is_narrowed_by_symbol_rule_session_and_number(collector: Connection, stale: list[Bar]) -> None:
    both = verdicts.listed(collector)
    days = [each["session_date"] for each in both]
    assert days == sorted(days, reverse=True)
    assert [each["session_date"] for each in verdicts.listed(collector, first=days[0])] == days[:1]
    assert len(verdicts.listed(collector, limit=1)) == 1
    assert verdicts.listed(collector, names=["BHP"]) == verdicts.listed(collector, rule="scale") == []
    verdicts.decide(collector, verdicts.load(collector, both[0]["id"]), "rejected", "anna", "a copy", datetime(2025, 1, 17, tzinfo=NOW.tzinfo))
    assert len(verdicts.listed(collector)) == 1
    assert len(verdicts.listed(collector, decided=True)) == 2
