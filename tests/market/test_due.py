"""What is due: derived from the calendar and from what is known, so that any run makes up for every missed one."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from datetime import time as datetime_time
from zoneinfo import ZoneInfo

import pytest

from scizor.base.config import CollectConfig
from scizor.base.errors import UsageError
from scizor.market.calendar import sessions
from scizor.market.coverage import after, dates_of
from scizor.market.due import SPLIT_SESSIONS, due_at, latest_today, parse_date, windows
from scizor.market.types import (
    Bar,
    Coverage,
    Incomplete,
    Instrument,
    Origin,
    Outcome,
    OutcomeKind,
    Session,
    Span,
    Timeframe,
    Why,
    Window,
)

SYDNEY = ZoneInfo("Australia/Sydney")
TERMS = CollectConfig()
BHP = Instrument(1, "BHP", "ASX", "XASX", "AUD", 4036812, 1)
IBM = Instrument(2, "IBM", "NYSE", "XNYS", "USD", 8314, 2)
XASX = sessions("XASX", date(2004, 1, 1), date(2027, 12, 31))
XNYS = sessions("XNYS", date(2004, 1, 1), date(2027, 12, 31))
CALENDARS = {"XASX": XASX, "XNYS": XNYS}
DATES = dates_of(XASX)
NOW = datetime(2025, 1, 15, 6, 0, tzinfo=UTC)  # Wednesday, 17:00 in Sydney: due since 05:57


def place(text: str) -> int:
    return DATES.index(date.fromisoformat(text))


def known(*spans: tuple[str, str], incomplete: tuple[Incomplete, ...] = (), refetched_to: str | None = "2025-01-13") -> Coverage:
    return Coverage(
        1, Timeframe.DAY1, Origin(), tuple(Span(date.fromisoformat(one), date.fromisoformat(two)) for one, two in spans),
        incomplete, date.fromisoformat(refetched_to) if refetched_to else None,
    )  # fmt: skip


def asked(coverage: Coverage | None, now: datetime = NOW, instrument: Instrument = BHP, **more: object) -> list[tuple[str, str]]:
    coverages = {} if coverage is None else {instrument.symbol_id: coverage}
    found = windows([instrument], coverages, CALENDARS, now, TERMS, **more)  # type: ignore[arg-type]
    return [(each.first.isoformat(), each.last.isoformat()) for each in found]


def test_the_first_load_is_one_request_of_twenty_years() -> None:
    assert asked(None) == [("2005-01-17", "2025-01-15")]
    assert asked(None, instrument=BHP._replace(listed_from=date(2018, 11, 21))) == [("2018-11-21", "2025-01-15")]


def test_a_watch_list_may_reach_back_less_far_or_further() -> None:
    assert asked(None, instrument=BHP._replace(daily_years=1)) == [("2024-01-15", "2025-01-15")]
    assert asked(None, instrument=BHP._replace(daily_years=21)) == [("2004-01-15", "2025-01-15")]
    assert asked(None, datetime(2024, 2, 29, 9, 0, tzinfo=UTC), BHP._replace(daily_years=1)) == [("2023-02-28", "2024-02-29")]


def test_a_session_is_due_45_minutes_after_its_closing_auction_and_not_a_second_before() -> None:
    session = XASX[place("2025-01-15")]
    assert due_at(session, TERMS.settle_minutes) == datetime(2025, 1, 15, 5, 57, tzinfo=UTC)
    coverage = known(("2005-01-03", "2025-01-14"), refetched_to="2025-01-14")
    assert asked(coverage, datetime(2025, 1, 15, 5, 56, 59, tzinfo=UTC)) == []
    assert asked(coverage, datetime(2025, 1, 15, 5, 57, tzinfo=UTC)) == [("2025-01-15", "2025-01-15")]


def test_nothing_is_due_when_everything_is_known() -> None:
    assert asked(known(("2005-01-03", "2025-01-15"), refetched_to="2025-01-13")) == []


def test_the_newest_five_are_fetched_once_more_with_the_next_session_and_then_no_more() -> None:
    coverage = known(("2005-01-03", "2025-01-14"))
    assert asked(coverage) == [("2025-01-08", "2025-01-15")]
    assert asked(replace(coverage, refetched_to=date(2025, 1, 14))) == [("2025-01-15", "2025-01-15")]


def test_an_old_hole_is_asked_by_itself_and_twenty_years_are_not_asked_again() -> None:
    coverage = known(("2005-01-03", "2009-03-04"), ("2009-03-06", "2025-01-14"))
    assert asked(coverage) == [("2025-01-08", "2025-01-15"), ("2009-03-05", "2009-03-05")]


def test_holes_nearer_than_a_request_is_worth_are_asked_together() -> None:
    near = DATES[place("2025-01-15") - SPLIT_SESSIONS + 1]
    before, behind = DATES[DATES.index(near) - 1], DATES[DATES.index(near) + 1]
    coverage = known(("2005-01-03", before.isoformat()), (behind.isoformat(), "2025-01-14"), refetched_to="2025-01-14")
    assert asked(coverage) == [(near.isoformat(), "2025-01-15")]


def test_what_is_explained_or_waits_for_its_time_is_not_asked() -> None:
    def with_gap(why: Why, next_at: datetime | None = None) -> Coverage:
        gap = Incomplete(date(2009, 3, 5), why, 3, next_at)
        return known(("2005-01-03", "2009-03-04"), ("2009-03-06", "2025-01-15"), incomplete=(gap,))

    for why in Why:
        assert asked(with_gap(why)) == ([] if why.is_explained else [("2009-03-05", "2009-03-05")]), why
        assert asked(with_gap(why, NOW + timedelta(seconds=1))) == []
        assert asked(with_gap(why, NOW)) == ([] if why.is_explained else [("2009-03-05", "2009-03-05")])
    (found,) = windows([BHP], {1: with_gap(Why.DEFERRED)}, CALENDARS, NOW, TERMS)
    assert found.attempt == 4


def test_given_dates_are_asked_alone_at_once_and_only_where_something_is_missing() -> None:
    gap = Incomplete(date(2009, 3, 5), Why.DEFERRED, 3, NOW + timedelta(hours=5))
    coverage = known(("2005-01-03", "2009-03-04"), ("2009-03-06", "2025-01-14"), incomplete=(gap,))
    assert asked(coverage, only={date(2009, 3, 5)}) == [("2009-03-05", "2009-03-05")]
    assert asked(coverage, only={date(2009, 3, 6)}) == []
    assert asked(coverage, only={date(2025, 1, 18), date(2025, 12, 25), date(2025, 1, 16)}) == []  # closed, closed, not over
    assert asked(None, only={date(2025, 1, 14), date(2025, 1, 13), date(2009, 3, 5)}) == [
        ("2025-01-13", "2025-01-14"), ("2009-03-05", "2009-03-05")
    ]  # fmt: skip
    assert asked(None, only={date(2004, 3, 5)}) == [("2004-03-05", "2004-03-05")]  # before the horizon, but a person asks


def test_retry_failed_asks_what_failed_before_and_nothing_else() -> None:
    gap = Incomplete(date(2009, 3, 5), Why.DEFERRED, 3, NOW + timedelta(hours=5))
    coverage = known(("2005-01-03", "2009-03-04"), ("2009-03-06", "2025-01-14"), incomplete=(gap,))
    assert asked(coverage, retry_failed=True) == [("2009-03-05", "2009-03-05")]
    assert asked(replace(coverage, incomplete=()), retry_failed=True) == []
    assert asked(None, retry_failed=True) == []


def test_row_48_refused_instruments_and_sessions_outside_a_life_give_no_windows() -> None:
    assert asked(None, instrument=BHP._replace(refused="left the market in January 2022, successor SQ2")) == []
    gone = BHP._replace(listed_from=date(2017, 6, 29), listed_to=date(2022, 1, 19))
    assert asked(None, instrument=gone) == [("2017-06-29", "2022-01-19")]
    assert asked(None, instrument=gone, only={date(2022, 1, 20), date(2022, 1, 19)}) == [("2022-01-19", "2022-01-19")]
    assert asked(None, instrument=BHP._replace(listed_from=date(2025, 1, 16))) == []


def test_the_newest_sessions_of_all_come_first_then_holes_each_by_priority() -> None:
    low = BHP._replace(symbol_id=3, symbol="ZIP", priority=3)
    holed = known(("2005-01-03", "2009-03-04"), ("2009-03-06", "2025-01-14"), refetched_to="2025-01-14")
    coverages = {1: holed, 2: replace(holed, symbol_id=2), 3: replace(holed, symbol_id=3)}
    found = windows([low, IBM, BHP], coverages, CALENDARS, NOW, TERMS)
    assert [(each.instrument.symbol, each.last.year) for each in found] == [
        ("BHP", 2025), ("ZIP", 2025), ("BHP", 2009), ("IBM", 2009), ("ZIP", 2009)
    ]  # fmt: skip
    assert windows([low, IBM, BHP], coverages, CALENDARS, NOW, TERMS) == found  # New York's 14 January is known, 15 not over


@pytest.mark.parametrize(
    "text",
    ["2025-02-30", "20250230", "2025-01-16", "20260101", "1900", "19000101", "1969-12-31", "yesterday;rm", "yesterday", "", "2025-1-15",
     "25-01-15", "2025/01/15", "2025-01-15T00:00", " 2025-01-15", "2025-01-15\n", "٢٠٢٥٠١١٥", "-2025011", "2025-0115", "0000-00-00",
     "99999999", "tomorrow", "$(id)", "2025-01-1５"],
)  # fmt: skip
def test_row_07_a_bad_date_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_date(text, date(2025, 1, 15))
    assert caught.value.exit == 2
    assert "\n" not in caught.value.message


def test_row_07_both_spellings_of_a_date_are_read_and_a_holiday_is_no_mistake() -> None:
    today = date(2026, 1, 15)
    assert parse_date("2025-01-15", today) == parse_date("20250115", today) == date(2025, 1, 15)
    assert parse_date("2025-12-25", today) == date(2025, 12, 25)
    assert parse_date("2025-01-18", today) == date(2025, 1, 18)
    assert parse_date("2026-01-15", today) == today


def test_row_07_the_morning_of_an_exchange_that_is_ahead_of_utc_is_not_the_future() -> None:
    morning = datetime(2025, 1, 14, 22, 30, tzinfo=UTC)  # 09:30 on the 15th in Sydney
    assert parse_date("2025-01-15", latest_today(morning)) == date(2025, 1, 15)
    with pytest.raises(UsageError, match="lies in the future"):
        parse_date("2025-01-16", latest_today(morning))


def run_once(coverage: Coverage, now: datetime, terms: CollectConfig = TERMS, fail: Collection[date] = ()) -> tuple[Coverage, list[Window]]:
    """One run of the job against a market in which every session has a bar; `fail`: days on which the Gateway is silent."""
    found = windows([BHP], {1: coverage}, CALENDARS, now, terms)
    for window in found:
        bars = tuple(
            Bar(each.session_date, 1.0, 1.0, 1.0, 1.0, 1.0) for each in _between(window) if each.last <= now
        )  # fmt: skip
        if now.date() in fail:
            coverage = after(coverage, window, Outcome(OutcomeKind.TIMEOUT, asked_at=now), XASX, (), (), now)
        else:
            present = [each.start for each in bars if not isinstance(each.start, datetime)]
            coverage = after(coverage, window, Outcome(OutcomeKind.OK, bars, asked_at=now), XASX, present, (), now)
    return coverage, found


def _between(window: Window) -> Iterator[Session]:
    return (each for each in XASX if window.first <= each.session_date <= window.last)


def live_through(starts: Collection[datetime], until: datetime, silent: Collection[date] = ()) -> Coverage:
    coverage = Coverage(1, Timeframe.DAY1, Origin())
    for now in (*sorted(starts), until):
        coverage, _ = run_once(coverage, now, replace(TERMS, daily_years=1), () if now == until else silent)
    return coverage


def missed_schedules(seeds: range) -> None:
    """Fifteen-minute cron through some months; 1 to 200 runs dropped, the host off for days, the Gateway silent on others."""
    for seed in seeds:
        chance = random.Random(seed)
        begin = datetime(2024, chance.randrange(1, 10), 1, tzinfo=UTC)
        until = begin + timedelta(days=chance.randrange(40, 100), hours=9)
        fires = [begin + timedelta(days=day, hours=hour) for day in range((until - begin).days) for hour in (5, 7, 9, 21)]
        off = begin + timedelta(days=chance.randrange(0, 30))
        days_off = timedelta(days=chance.randrange(1, 31))
        dropped = set(chance.sample(range(len(fires)), min(chance.randrange(1, 201), len(fires) - 1)))
        kept = [each for number, each in enumerate(fires) if number not in dropped and not off <= each < off + days_off]
        silent = {(begin + timedelta(days=chance.randrange(0, 60))).date() for _ in range(chance.randrange(0, 10))}
        never_missed = live_through(fires, until)
        # a failure just before the last run may still wait for its time: one more run when every wait is over
        made_up = live_through(kept, until, silent)
        late, _ = run_once(made_up, until + timedelta(hours=25), replace(TERMS, daily_years=1))
        early, _ = run_once(never_missed, until + timedelta(hours=25), replace(TERMS, daily_years=1))
        assert not late.incomplete, f"seed {seed}"
        assert late.spans[-1] == early.spans[-1]._replace(first=late.spans[-1].first), f"seed {seed}"
        assert late.refetched_to == early.refetched_to, f"seed {seed}"


def test_I7_any_missed_schedule_is_made_up_by_the_next_run() -> None:
    missed_schedules(range(12))


@pytest.mark.exhaustive
def test_I7_any_missed_schedule_is_made_up_by_the_next_run_2000_times() -> None:
    missed_schedules(range(2000))


@pytest.mark.parametrize("zone", ["UTC", "Australia/Sydney", "America/New_York", "Asia/Kolkata"])
def test_I8_every_session_of_22_years_is_chosen_when_it_is_due_whatever_the_hosts_zone(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oracle is the wall clock of Sydney: a session is due when it shows 16:56 or 16:57, on half days 14:56, 14:57 (15:02 in 2006)."""
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        chosen = [each for each in XASX if each.session_date.year >= 2006]
        coverage = known(("2004-01-05", "2005-12-30"), refetched_to=None)
        terms = replace(TERMS, refetch_sessions=0)
        for session in chosen:
            due = datetime.combine(session.session_date, _due_in_sydney(session), SYDNEY).astimezone(UTC)
            axis = {"XASX": XASX[max(DATES.index(session.session_date) - 3, 0) : DATES.index(session.session_date) + 2]}
            assert windows([BHP], {1: coverage}, axis, due - timedelta(seconds=1), terms) == []
            (window,) = windows([BHP], {1: coverage}, axis, due, terms)
            assert (window.first, window.last) == (session.session_date, session.session_date)
            coverage = replace(coverage, spans=(Span(date(2004, 1, 5), session.session_date),))
        assert len(chosen) == 5569
    finally:
        os.environ.pop("TZ")
        time.tzset()


def _due_in_sydney(session: Session) -> datetime_time:
    if not session.is_half_day:
        return datetime_time(16, 57) if session.session_date < date(2025, 6, 23) else datetime_time(16, 56)
    if session.session_date.year == 2006:
        return datetime_time(15, 2)
    return datetime_time(14, 57) if session.session_date < date(2025, 6, 23) else datetime_time(14, 56)


def test_choosing_for_309_symbols_with_nothing_due_is_quick() -> None:
    instruments = [BHP._replace(symbol_id=each, symbol=f"S{each}") for each in range(309)]
    coverage = known(("2005-01-03", "2025-01-15"))
    coverages = {each: replace(coverage, symbol_id=each) for each in range(309)}
    started = time.perf_counter()
    assert windows(instruments, coverages, CALENDARS, NOW, TERMS) == []
    assert time.perf_counter() - started < 2  # measured 0.15 s; the whole idle run has 2 s
