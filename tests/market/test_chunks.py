"""Windows of shorter bars and of holes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from tests.market.test_due import BHP

from scizor.market import calendar, chunks
from scizor.market.chunk_size import SESSIONS
from scizor.market.chunks import SMALL_BARS_DAYS, Want
from scizor.market.types import Coverage, Incomplete, Origin, Session, Span, Timeframe, Why, Window

FIRST, LAST = date(2024, 1, 1), date(2025, 1, 15)
NOW = datetime(2025, 1, 15, 8, 0, tzinfo=UTC)
XASX: Sequence[Session] = tuple(calendar.sessions("XASX", FIRST, LAST + timedelta(days=30)))
DATES = [each.session_date for each in XASX if each.session_date <= LAST]
WANT = Want(BHP, Timeframe.MIN1, FIRST)


def found(want: Want = WANT, coverage: Coverage | None = None, now: datetime = NOW, **options: bool) -> list[Window]:
    return list(chunks.windows(want, coverage, XASX, now, 45, **options))


def asked(windows: Sequence[Window]) -> list[date]:
    return sorted(day for each in windows for day in DATES if each.first <= day <= each.last)


def known(*spans: Span, incomplete: Sequence[Incomplete] = ()) -> Coverage:
    return Coverage(1, Timeframe.MIN1, Origin(), spans, tuple(incomplete))


@pytest.mark.parametrize("timeframe", list(Timeframe))
def test_every_due_session_is_asked_once_newest_first_and_no_window_is_too_long(timeframe: Timeframe) -> None:
    windows = found(WANT._replace(timeframe=timeframe))
    begin = NOW.date() - timedelta(days=SMALL_BARS_DAYS)
    assert asked(windows) == [each for each in DATES if timeframe.seconds > 30 or each >= begin], "IB keeps small bars for six months"
    assert [each.last for each in windows] == sorted((each.last for each in windows), reverse=True)
    assert all(len(asked([each])) <= SESSIONS[timeframe] for each in windows)


def test_a_year_of_one_minute_bars_is_as_many_windows_as_it_has_weeks() -> None:
    assert 51 <= len(found(WANT._replace(first=date(2024, 1, 16)))) <= 53


def test_a_window_reaches_from_midnight_to_midnight_at_the_exchange_through_daylight_saving() -> None:
    windows = {each.last: each for each in found(WANT._replace(timeframe=Timeframe.SEC30))}
    winter, summer = windows[date(2024, 7, 22)], windows[date(2024, 12, 3)]
    assert (winter.start, winter.end) == (datetime(2024, 7, 21, 14, tzinfo=UTC), datetime(2024, 7, 22, 14, tzinfo=UTC))
    assert (summer.start, summer.end) == (datetime(2024, 12, 2, 13, tzinfo=UTC), datetime(2024, 12, 3, 13, tzinfo=UTC))


def test_a_session_is_due_when_its_last_phase_has_settled() -> None:
    session = next(each for each in XASX if each.session_date == LAST)
    assert found(now=session.last + timedelta(minutes=45))[0].last == LAST
    assert found(now=session.last + timedelta(minutes=44))[0].last == DATES[-2]


def test_a_chunk_without_an_answer_in_time_is_asked_again_in_halves() -> None:
    late = [Incomplete(DATES[-20], Why.DEFERRED, 1, None, DATES[-1])]
    assert [len(asked([each])) for each in found(WANT._replace(first=DATES[-20]), known(incomplete=late))] == [2] * 10
    often = [Incomplete(DATES[-20], Why.DEFERRED, 9, None, DATES[-1])]
    assert [len(asked([each])) for each in found(WANT._replace(first=DATES[-3]), known(incomplete=often))] == [1] * 3


def test_what_is_complete_or_explained_is_never_asked_and_what_waits_not_before_its_time() -> None:
    wait = Incomplete(DATES[-3], Why.DEFERRED, 2, NOW + timedelta(hours=1))
    quiet = Incomplete(DATES[-5], Why.NO_TRADE, 2)
    coverage = known(Span(DATES[0], DATES[-6]), Span(DATES[-4], DATES[-4]), incomplete=[quiet, wait])
    assert asked(found(coverage=coverage)) == DATES[-2:]
    assert asked(found(coverage=coverage, is_forced=True)) == DATES[-3:]
    assert [each.attempt for each in found(coverage=coverage, is_forced=True)] == [3]
    assert asked(found(coverage=coverage, now=NOW + timedelta(hours=1))) == DATES[-3:]


def test_holes_are_what_lies_between_and_what_has_failed_and_nothing_else() -> None:
    failed = Incomplete(DATES[50], Why.UNKNOWN, 1, NOW)
    coverage = known(Span(DATES[20], DATES[49]), Span(DATES[51], DATES[90]), Span(DATES[93], DATES[100]), incomplete=[failed])
    windows = found(coverage=coverage, holes=True)
    assert asked(windows) == [DATES[50], DATES[91], DATES[92]]
    assert [(each.first, each.last) for each in windows] == [(DATES[91], DATES[92]), (DATES[50], DATES[50])]
    assert found(holes=True) == []


def test_the_life_of_a_contract_and_the_wish_bound_what_is_asked() -> None:
    listed = WANT.instrument._replace(listed_from=DATES[10], listed_to=DATES[20])
    assert asked(found(WANT._replace(instrument=listed))) == DATES[10:21]
    assert asked(found(WANT._replace(first=DATES[15], last=DATES[17]))) == DATES[15:18]
    assert found(WANT._replace(instrument=listed._replace(refused="left the market"))) == []


def test_the_size_is_asked_for_each_window() -> None:
    sizes = iter([1, 2, 4, *[100] * 10])
    windows = list(chunks.windows(WANT, None, XASX, NOW, 45, size=lambda _: next(sizes)))
    assert [len(asked([each])) for each in windows[:4]] == [1, 2, 4, 100]


def test_the_kind_and_the_hours_are_those_of_the_wish() -> None:
    origin = replace(Origin(), regular_hours=False)
    assert {each.origin for each in found(WANT._replace(origin=origin))} == {origin}
