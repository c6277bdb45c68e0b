"""One transaction a window: what may change bars and coverage, and what never may."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from scizor.base.clock import StoppedClock
from scizor.base.errors import BusyError, ConfigurationError, FindingError
from scizor.db import calendar, migrate, runs, series
from scizor.db.retry import Link
from scizor.db.windows import store
from scizor.market import calendar as exchange
from scizor.market.bars import raw_text
from scizor.market.types import Bar, Origin, OutcomeKind, Span, Timeframe, Why
from scizor.market.validate import RULES, Severity
from tests.db.conftest import HOUR, NOW, Connection, Market, failed, ok

DAY = timedelta(days=1)
Rows = Callable[..., list[tuple[Any, ...]]]

VAIN = [
    OutcomeKind.PACING, OutcomeKind.TIMEOUT, OutcomeKind.ERROR, OutcomeKind.CANCELLED, OutcomeKind.NO_PERMISSION,
    OutcomeKind.EMPTY_UNCONFIRMED,
]  # fmt: skip


@pytest.mark.parametrize("kind", VAIN)
def test_a_request_in_vain_never_covers_a_session_and_is_stored_as_what_it_is(
    kind: OutcomeKind, collector: Connection, market: Market, rows: Rows
) -> None:
    done = store(collector, None, None, market.window(), failed(kind, code=162, text="said the wire"), NOW, sessions=market.sessions)
    assert done.kind is kind
    assert rows("SELECT outcome, status, ib_code, error_message, records_collected FROM collection_logs") == [
        (kind.value, "failed", 162, "said the wire", 0)
    ]
    assert rows("SELECT complete::text FROM coverage") == [("{}",)]
    assert rows("SELECT count(*) FROM coverage_gaps WHERE is_explained AND resolved_at IS NULL") == [(0,)]
    assert rows("SELECT min(session_date), max(session_date) FROM missing_sessions") == [(market.dates()[0], market.dates()[-1])]
    assert not done.coverage.spans
    # the same statements do see a session that is covered
    done = store(collector, None, None, market.window(), ok(market.bars()), NOW, sessions=market.sessions)
    assert rows("SELECT complete::text FROM coverage") != [("{}",)]
    assert done.coverage.spans


@pytest.mark.parametrize("kind", VAIN)
def test_a_request_in_vain_takes_nothing_from_what_is_complete(kind: OutcomeKind, collector: Connection, market: Market) -> None:
    before = store(collector, None, None, market.window(), ok(market.bars()), NOW, sessions=market.sessions).coverage
    after = store(collector, None, None, market.window(), failed(kind), NOW, sessions=market.sessions).coverage
    assert (after.spans, after.incomplete) == (before.spans, before.incomplete)


def test_an_empty_list_is_not_an_answer(collector: Connection, market: Market) -> None:
    assert store(collector, None, None, market.window(), ok([]), NOW).kind is OutcomeKind.EMPTY_UNCONFIRMED


def test_row_20_an_emptiness_is_confirmed_by_a_second_fetch_half_a_day_later_and_by_nothing_less(
    collector: Connection, market: Market, rows: Rows
) -> None:
    empty = OutcomeKind.EMPTY_UNCONFIRMED
    earlier = market.sessions[-9].open
    store(collector, None, None, market.window(40), ok(market.bars(40)[:-9], earlier), earlier, sessions=market.sessions)
    first = store(collector, None, None, market.window(5), failed(empty), NOW, sessions=market.sessions)
    soon = store(collector, None, None, market.window(5), failed(empty, NOW + 11 * HOUR), NOW + 11 * HOUR, sessions=market.sessions)
    assert (first.kind, soon.kind) == (empty, empty)
    assert rows("SELECT count(*) FROM missing_sessions WHERE why = 'no-trade'") == [(0,)]
    late = store(collector, None, None, market.window(5), failed(empty, NOW + 12 * HOUR), NOW + 12 * HOUR, sessions=market.sessions)
    assert late.kind is OutcomeKind.EMPTY_CONFIRMED
    assert rows("SELECT status FROM collection_logs ORDER BY id DESC LIMIT 1") == [("completed",)]
    # the evidence: both answers, half a day apart
    evidence = rows("""
        SELECT DISTINCT g.why, second.started_at - first.started_at, first.id, second.id
        FROM missing_sessions m JOIN coverage_gaps g ON g.request_id = m.request_id
        JOIN collection_logs first ON first.id = g.empty_request_id JOIN collection_logs second ON second.id = g.request_id
        WHERE m.why = 'no-trade'""")  # fmt: skip
    assert evidence == [("no-trade", timedelta(hours=12), first.request, late.request)]


def test_row_20_a_hole_inside_answers_is_no_trade_after_the_second_one(collector: Connection, market: Market, rows: Rows) -> None:
    bars = market.bars(30)
    hole = bars.pop(15).start
    store(collector, None, None, market.window(30), ok(bars), NOW, sessions=market.sessions)
    assert rows("SELECT session_date, why, is_explained FROM missing_sessions") == [(hole, "unknown", False)]
    store(collector, None, None, market.window(30), ok(bars, NOW + 13 * HOUR), NOW + 13 * HOUR, sessions=market.sessions)
    assert rows("SELECT session_date, why, is_explained FROM missing_sessions") == [(hole, "no-trade", True)]
    store(collector, None, None, market.window(30), ok(market.bars(30), NOW + 2 * DAY), NOW + 2 * DAY, sessions=market.sessions)
    assert rows("SELECT count(*) FROM missing_sessions") == [(0,)]
    assert rows("SELECT count(*) FROM coverage_gaps WHERE resolved_at IS NOT NULL") == [(1,)]


def test_sessions_before_the_first_bar_of_a_longer_answer_are_not_listed_and_that_answer_is_the_evidence(
    collector: Connection, market: Market, rows: Rows
) -> None:
    done = store(collector, None, None, market.window(), ok(market.bars(50)), NOW, sessions=market.sessions)
    found = rows("SELECT why, min(session_date), max(session_date), count(*), min(request_id) FROM missing_sessions GROUP BY why")
    before = [day for day in market.dates() if day < market.dates(50)[0]]
    assert found == [("not-listed", before[0], before[-1], len(before), done.request)]


def test_a_session_that_an_override_closes_is_explained_by_it(collector: Connection, market: Market, rows: Rows) -> None:
    bars = market.bars(30)
    hole = bars.pop(15).start
    store(collector, None, None, market.window(30), ok(bars), NOW, sessions=market.sessions)
    calendar.override(collector, "XASX", hole, "a day of mourning", NOW)
    sessions = calendar.load(collector, "XASX")
    assert hole not in {each.session_date for each in sessions}
    store(collector, None, None, market.window(30), ok(bars, NOW + HOUR), NOW + HOUR, sessions=sessions)
    assert rows("SELECT why, closed_on FROM coverage_gaps WHERE resolved_at IS NULL") == [("closed", hole)]
    again = store(collector, None, None, market.window(30), ok(bars, NOW + HOUR), NOW + HOUR, sessions=sessions)
    assert rows("SELECT why, closed_on FROM coverage_gaps WHERE resolved_at IS NULL") == [("closed", hole)]
    assert Why.UNKNOWN not in {each.why for each in again.coverage.incomplete}


BAD: dict[str, list[dict[str, Any]]] = {
    "price_domain": [
        {"open": float("nan")}, {"high": float("inf")}, {"low": 0.0}, {"close": -1.0}, {"open": 1e400}, {"close": None},
        {"high": 2e9}, {"low": float("-inf")},
    ],
    "scale": [{"low": 99.123456789}],
    "high_below_low": [{"high": 90.0, "low": 120.0, "open": 100.0, "close": 100.0}],
    "high_below_open": [{"high": 100.0, "open": 101.0, "low": 99.0, "close": 99.5}],
    "high_below_close": [{"high": 100.0, "open": 99.5, "low": 99.0, "close": 101.0}],
    "low_above_open": [{"low": 100.0, "open": 99.0, "high": 103.0, "close": 101.0}],
    "low_above_close": [{"low": 100.0, "open": 101.0, "high": 103.0, "close": 99.0}],
    "volume_domain": [{"volume": -7.0}, {"volume": float("nan")}, {"volume": 1e16}, {"volume": 1.123456789}],
    "trades_domain": [{"trades": -3}, {"trades": 2**31}],
    "wap_domain": [{"wap": -5.0}, {"wap": float("inf")}],
    "wap_range": [{"wap": 1.0}],
    "outside_session": [{"start": date(2025, 1, 11)}],
}  # fmt: skip


@pytest.mark.parametrize(("rule", "change"), [(rule, change) for rule, changes in BAD.items() for change in changes])
def test_rows_29_30_31_33_35_a_bad_bar_is_in_quarantine_under_its_rule_and_blocks_nobody(
    rule: str, change: dict[str, Any], collector: Connection, market: Market, rows: Rows
) -> None:
    bars = market.bars(20)
    bars[7] = bars[7]._replace(**change)
    done = store(collector, None, None, market.window(20), ok(bars), NOW, sessions=market.sessions)
    assert done.rules == {rule: 1}
    assert (done.received, done.stored, done.quarantined) == (20, 19, 1)
    assert rows("SELECT rule, raw FROM quarantine") == [(rule, raw_text(bars[7]))]
    assert rows("SELECT count(*) FROM bars") == [(19,)]
    why = "unknown" if rule == "outside_session" else "quarantined"
    assert rows("SELECT session_date, why FROM missing_sessions") == [(market.dates(20)[7], why)]
    again = store(collector, None, None, market.window(20), ok(bars), NOW, sessions=market.sessions)
    assert (again.stored, again.revised, again.unchanged, again.quarantined) == (0, 0, 19, 1)
    assert rows("SELECT count(*) FROM quarantine") == [(1,)]


def test_every_hard_rule_is_planted_here() -> None:
    """A rule that is added must show that the screen in front of the rules lets nothing of it through."""
    elsewhere = {"naive_time", "dup_conflict", "unfinished", "stale_session"}
    assert {each.name for each in RULES if each.severity is Severity.HARD} == set(BAD) | elsewhere


def test_row_27_what_is_out_of_order_is_sorted_and_what_is_said_twice_counts_once(
    collector: Connection, market: Market, rows: Rows
) -> None:
    bars = market.bars(20)
    done = store(collector, None, None, market.window(20), ok([*bars[::-1], bars[3], bars[3], bars[9]]), NOW, sessions=market.sessions)
    assert (done.received, done.stored, done.duplicates, done.quarantined) == (23, 20, 3, 0)
    assert rows("SELECT count(*) FROM missing_sessions") == [(0,)]


def test_row_28_two_values_for_one_start_are_both_refused(collector: Connection, market: Market, rows: Rows) -> None:
    bars = market.bars(20)
    twin = bars[4]._replace(close=bars[4].close + 0.25)
    done = store(collector, None, None, market.window(20), ok([*bars, twin, bars[7]]), NOW, sessions=market.sessions)
    assert (done.stored, done.duplicates, done.rules) == (19, 1, {"dup_conflict": 2})
    assert rows("SELECT session_date, why FROM missing_sessions") == [(bars[4].start, "quarantined")]


@pytest.mark.parametrize("split", [10, 11, 20])
def test_row_39_of_two_sessions_with_the_same_bar_what_was_stored_before_is_believed_and_nothing_else(
    split: int, collector: Connection, market: Market, rows: Rows
) -> None:
    """Inside one answer neither; across two answers the stored one stands, whichever it is, and comes again unharmed."""
    bars = market.bars(20)
    bars[10] = bars[9]._replace(start=bars[10].start)
    first, second = (bars[:10], bars[10:]) if split == 10 else (bars[10:], bars[:10]) if split == 11 else (bars, [])
    store(collector, None, None, market.window(20), ok(first), NOW, sessions=market.sessions)
    if second:
        done = store(collector, None, None, market.window(20), ok(second), NOW, sessions=market.sessions)
        assert done.rules == {"stale_session": 1}
    wrong = {10: [10], 11: [9], 20: [9, 10]}[split]
    expected = [("stale_session", bars[each].start) for each in wrong]
    assert rows("SELECT rule, session_date FROM quarantine ORDER BY 2") == expected
    again = store(collector, None, None, market.window(20), ok(bars), NOW, sessions=market.sessions)
    assert (again.stored, again.revised, again.quarantined) == (0, 0, len(wrong))
    assert rows("SELECT rule, session_date FROM quarantine ORDER BY 2") == expected
    assert rows("SELECT session_date FROM missing_sessions WHERE why = 'quarantined' ORDER BY 1") == [(day,) for _, day in expected]


def test_row_34_the_bar_of_a_session_that_is_not_over_is_neither_stored_nor_refused(
    collector: Connection, market: Market, rows: Rows
) -> None:
    during = market.sessions[-1].open + HOUR
    done = store(collector, None, None, market.window(20), ok(market.bars(20), during), during, sessions=market.sessions)
    assert (done.received, done.stored, done.unfinished, done.quarantined) == (20, 19, 1, 0)
    assert rows("SELECT count(*) FROM quarantine") == [(0,)]
    assert rows("SELECT count(*) FROM missing_sessions") == [(0,)]  # nobody asked for it yet
    assert done.coverage.spans[-1].last == market.dates()[-2]


def test_row_31_volumes_none_and_huge(collector: Connection, market: Market, rows: Rows) -> None:
    bars = market.bars(20)
    bars[3] = bars[3]._replace(volume=-1.0, wap=-1.0, trades=-1)
    bars[4] = bars[4]._replace(volume=2.5e9)
    bars[5] = bars[5]._replace(volume=948837.22)
    store(collector, None, None, market.window(20), ok(bars), NOW, sessions=market.sessions)
    found = rows("SELECT volume::text, wap::text, trades FROM bars WHERE session_date = ANY(%s) ORDER BY 1", [each.start for each in bars[3:6]])
    assert [each[0] for each in found] == ["2500000000", "948837.22", None]
    assert found[2] == (None, None, None)


def test_I4_the_same_answer_again_changes_no_bar_and_writes_next_to_nothing(
    collector: Connection, market: Market, rows: Rows
) -> None:
    store(collector, None, None, market.window(), ok(market.bars()), NOW, sessions=market.sessions)
    state = "SELECT sum(hashtextextended(b::text, 0)::numeric), (SELECT count(*) FROM bars_history) FROM bars b"
    before, xmin = rows(state), rows("SELECT max(xmin::text::bigint) FROM bars")
    rows("SELECT pg_stat_clear_snapshot()")
    start = rows("SELECT pg_current_wal_insert_lsn()")[0][0]
    done = store(collector, None, None, market.window(), ok(market.bars(), NOW + DAY), NOW + DAY, sessions=market.sessions)
    written = rows("SELECT pg_current_wal_insert_lsn() - %s::pg_lsn", start)[0][0]
    assert (done.stored, done.revised, done.unchanged) == (0, 0, len(market.sessions))
    assert (rows(state), rows("SELECT max(xmin::text::bigint) FROM bars")) == (before, xmin)
    assert written < 40_000  # the request's row; pages that a checkpoint makes whole
    changed = market.bars()
    changed[5] = changed[5]._replace(close=changed[5].close + 0.25)
    done = store(collector, None, None, market.window(), ok(changed, NOW + DAY), NOW + DAY, sessions=market.sessions)
    assert (done.stored, done.revised, done.unchanged) == (0, 1, len(market.sessions) - 1)
    assert rows(state) != before


def test_I13_revisions_leave_a_chain_without_gap_or_overlap(collector: Connection, market: Market, rows: Rows) -> None:
    bars = market.bars(10)
    for step in range(5):
        at = NOW + step * HOUR
        moved = [each._replace(close=each.close + 0.01 * step) if i % (step + 1) == 0 else each for i, each in enumerate(bars)]
        store(collector, None, None, market.window(10), ok(moved, at), at, sessions=market.sessions)
    chain = rows("""
        SELECT session_date, revision, known_from, known_to,
               lead(known_from) OVER w AS next_from, lead(revision) OVER w AS next_revision
        FROM (SELECT session_date, revision, known_from, known_to FROM bars_history
              UNION ALL SELECT session_date, revision, known_from, NULL FROM bars) v
        WINDOW w AS (PARTITION BY session_date ORDER BY revision)""")  # fmt: skip
    assert len(chain) > 20
    for _, revision, known_from, known_to, next_from, next_revision in chain:
        assert known_to == next_from
        if known_to is not None:
            assert known_from < known_to and next_revision == revision + 1
    then = rows("SELECT session_date, close FROM bars_as_known(%s) ORDER BY 1", NOW + HOUR / 2)
    assert then == [(each.start, Decimal(repr(each.close))) for each in bars]


def test_row_02_a_run_that_lost_its_lock_writes_nothing(collector: Connection, market: Market, rows: Rows) -> None:
    place = runs.Place("here", 1, "boot", "code")
    paused = runs.start(collector, job="collect-daily", scope="", place=place, now=NOW)
    other = runs.start(collector, job="collect-daily", scope="", place=place, now=NOW)
    with pytest.raises(BusyError, match="lost lock epoch 1, now 2"):
        store(collector, paused, None, market.window(), ok(market.bars()), NOW, sessions=market.sessions)
    assert rows("SELECT (SELECT count(*) FROM bars), (SELECT count(*) FROM collection_logs)") == [(0, 0)]
    assert store(collector, other, None, market.window(), ok(market.bars()), NOW, sessions=market.sessions).stored > 0


def test_row_36_an_answer_without_a_zone_is_refused_whole(collector: Connection, market: Market, rows: Rows) -> None:
    naive = [Bar(datetime(2025, 1, 15, 10, minute), 1.0, 1.0, 1.0, 1.0, 1.0) for minute in range(5)]  # noqa: DTZ001
    window = market.window(2, timeframe=Timeframe.MIN1)
    with pytest.raises(FindingError, match="without zone"):
        store(collector, None, None, window, ok(naive), NOW, sessions=market.sessions)
    assert rows("SELECT count(*) FROM bars") == [(0,)]


def test_shorter_bars_complete_a_session_when_continuous_trading_has_them_all(
    collector: Connection, market: Market, rows: Rows
) -> None:
    session = market.sessions[-2]
    count = int((session.close - session.open).total_seconds() // 300)
    bars = [Bar(session.open + i * timedelta(minutes=5), 10.0, 10.5, 9.5, 10.0 + 0.001 * (i % 7), 100.0 + i) for i in range(count)]
    late = bars[0]._replace(start=session.last + HOUR)
    window = market.window(1, timeframe=Timeframe.MIN5, first=session.session_date, last=session.session_date)
    done = store(collector, None, None, window, ok([*bars[:-1], late]), NOW, sessions=market.sessions)
    assert done.rules == {"outside_session": 1}
    assert not done.coverage.spans
    done = store(collector, None, None, window, ok(bars, NOW + HOUR), NOW + HOUR, sessions=market.sessions)
    assert (done.stored, done.unchanged) == (1, count - 1)
    assert done.coverage.spans == (Span(session.session_date, session.session_date),)
    assert rows("SELECT bar_count FROM historical_data_metadata WHERE timeframe = '5min'") == [(count,)]


def test_row_61_a_year_without_a_partition_names_the_command(collector: Connection, market: Market) -> None:
    link = Link(lambda: collector, StoppedClock(NOW), collector)
    old = tuple(exchange.sessions("XASX", date(1985, 1, 1), date(1985, 2, 1)))
    bars = [Bar(each.session_date, 1.0 + i, 2.0 + i, 0.5 + i, 1.5 + i, 100.0 + i) for i, each in enumerate(old)]
    window = market.window(first=old[0].session_date, last=old[-1].session_date)
    with pytest.raises(ConfigurationError, match=r"no partition.*HINT: bin/make-partitions"):
        link.run(lambda connection: store(connection, None, None, window, ok(bars), NOW, sessions=old))
    migrate.make_partitions(collector, 1985, 1985)
    assert link.run(lambda connection: store(connection, None, None, window, ok(bars), NOW, sessions=old)).stored == len(bars)


def test_market_data_shows_the_official_bars_and_each_has_its_own_id(collector: Connection, market: Market, rows: Rows) -> None:
    store(collector, None, None, market.window(), ok(market.bars()), NOW, sessions=market.sessions)
    recorded = Origin(source="recorded")
    store(collector, None, None, market.window(30, origin=recorded), ok(market.bars(30)), NOW, sessions=market.sessions)
    assert rows("SELECT count(*), count(DISTINCT id), min(id) > 0 FROM market_data") == [(len(market.sessions),) * 2 + (True,)]
    series.make_official(collector, recorded)
    assert rows("SELECT count(*) FROM market_data") == [(30,)]
