"""How complete a series is, recounted in bars."""

from __future__ import annotations

from datetime import UTC, date, datetime

from tests.market.test_due import BHP

from scizor.market import calendar
from scizor.market.completeness import UNASKED, completeness
from scizor.market.types import Coverage, Incomplete, Origin, Span, Timeframe, Why

SESSIONS = calendar.sessions("XASX", date(2024, 12, 16), date(2025, 1, 15))
DATES = [each.session_date for each in SESSIONS]
HALF = date(2024, 12, 24)
NOW = datetime(2025, 1, 15, 8, tzinfo=UTC)


def known(*spans: Span, incomplete: tuple[Incomplete, ...] = ()) -> Coverage:
    return Coverage(1, Timeframe.MIN5, Origin(), spans, incomplete)


def whole(day: date) -> int:
    return 48 if day in (HALF, date(2024, 12, 31)) else 72


FULL = {day: whole(day) for day in DATES}


def test_a_half_day_has_fewer_bars_and_all_of_them_are_all() -> None:
    found = completeness(known(Span(DATES[0], DATES[-1])), BHP, Timeframe.MIN5, SESSIONS, FULL)
    assert (found.sessions, found.expected, found.stored, found.missing) == (len(DATES), sum(FULL.values()), sum(FULL.values()), 0)
    assert found.percent == 100.0 and not found.why and not found.contradicted


def test_what_is_not_there_is_missing_by_its_reason_or_explained() -> None:
    gaps = (Incomplete(DATES[3], Why.UNKNOWN, 1), Incomplete(DATES[5], Why.NO_TRADE, 2), Incomplete(DATES[6], Why.OUTAGE, 1))
    counted = {**FULL, DATES[3]: 70, DATES[5]: 60, DATES[6]: 0}
    coverage = known(Span(DATES[0], DATES[2]), Span(DATES[4], DATES[4]), Span(DATES[7], DATES[-2]), incomplete=gaps)
    del counted[DATES[-1]]
    found = completeness(coverage, BHP, Timeframe.MIN5, SESSIONS, counted)
    assert found.why == {"outage": whole(DATES[6]), UNASKED: 72, "no-trade": whole(DATES[5]) - 60, "unknown": whole(DATES[3]) - 70}
    assert (found.explained, found.missing) == (whole(DATES[5]) - 60, whole(DATES[6]) + 72 + whole(DATES[3]) - 70)
    assert found.expected == found.stored + found.explained + found.missing
    assert found.missing_days == (DATES[3], DATES[6], DATES[-1])
    assert found.contradicted == ()


def test_the_ledger_and_the_bars_are_held_against_each_other() -> None:
    lost = {**FULL, DATES[4]: FULL[DATES[4]] - 1}
    found = completeness(known(Span(DATES[0], DATES[-1])), BHP, Timeframe.MIN5, SESSIONS, lost)
    assert (found.contradicted, found.missing, found.why) == ((DATES[4],), 1, {"contradicted": 1})
    unknown = known(Span(DATES[1], DATES[-1]), incomplete=(Incomplete(DATES[0], Why.UNKNOWN, 1),))
    assert completeness(unknown, BHP, Timeframe.MIN5, SESSIONS, FULL).contradicted == (DATES[0],)


def test_more_bars_than_continuous_trading_has_stand_for_no_others() -> None:
    more = {**FULL, DATES[0]: FULL[DATES[0]] + 5, DATES[1]: FULL[DATES[1]] - 1}
    found = completeness(known(Span(DATES[0], DATES[-1])), BHP, Timeframe.MIN5, SESSIONS, more)
    assert found.missing == 1


def test_nothing_is_expected_outside_of_a_contract_s_life() -> None:
    gone = BHP._replace(listed_from=DATES[2], listed_to=DATES[4])
    found = completeness(None, gone, Timeframe.DAY1, SESSIONS, {})
    assert (found.sessions, found.missing, found.why) == (3, 3, {UNASKED: 3})
    early = known(Span(DATES[3], DATES[-1]), incomplete=(Incomplete(DATES[0], Why.NOT_LISTED, 0, None, DATES[2]),))
    assert completeness(early, BHP, Timeframe.MIN5, SESSIONS, {day: whole(day) for day in DATES[3:]}).sessions == len(DATES) - 3
