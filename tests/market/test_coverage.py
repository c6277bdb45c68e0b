"""The ledger: what an answer explains, what it does not, and that nothing is ever complete without its bar."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import pairwise

import pytest

from scizor.market import coverage as ledger
from scizor.market.calendar import sessions
from scizor.market.coverage import COMPLETE, Mark, after, confirmed, count, dates_of, fold, next_retry, unfold
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

BHP = Instrument(1, "BHP", "ASX", "XASX", "AUD", 4036812, 1)
SESSIONS = sessions("XASX", date(2024, 11, 1), date(2025, 3, 31))
DATES = dates_of(SESSIONS)
EMPTY = Coverage(1, Timeframe.DAY1, Origin())
FAILURES = [each for each in OutcomeKind if each not in (OutcomeKind.OK, OutcomeKind.EMPTY_CONFIRMED, OutcomeKind.EMPTY_UNCONFIRMED)]


def at(session: Session, hours: float) -> datetime:
    return session.last + timedelta(hours=hours)


def window(first: int, last: int, instrument: Instrument = BHP) -> Window:
    return Window(instrument, Timeframe.DAY1, DATES[first], DATES[last])


def outcome(kind: OutcomeKind, asked_at: datetime, dates: Iterable[date] = (), **more: object) -> Outcome:
    bars = tuple(Bar(each, 1.0, 1.0, 1.0, 1.0, 1.0) for each in dates)
    return replace(Outcome(kind, bars, asked_at=asked_at, answered_at=asked_at), **more)  # type: ignore[arg-type]


def told(
    known: Coverage, first: int, last: int, kind: OutcomeKind, asked_at: datetime, present: Collection[date] = (),
    refused: Collection[date] = (), instrument: Instrument = BHP, **more: object,
) -> Coverage:  # fmt: skip
    answer = outcome(kind, asked_at, present, **more)
    return after(known, window(first, last, instrument), answer, SESSIONS, present, refused, asked_at)


@pytest.mark.parametrize("kind", FAILURES)
def test_I9_a_failure_never_covers_and_never_explains(kind: OutcomeKind) -> None:
    """Not even when bars came with it, and not when it is told a hundred times."""
    now = at(SESSIONS[40], 1)
    known = told(EMPTY, 0, 9, OutcomeKind.OK, now, DATES[:10])
    for attempt in range(1, 101):
        now += timedelta(days=8)
        known = told(known, 5, 20, kind, now, DATES[5:21])
        assert known.spans == (Span(DATES[0], DATES[9]),)
        (gap,) = known.incomplete
        assert (gap.session_date, gap.last, gap.attempts) == (DATES[10], DATES[20], attempt)
        assert not gap.why.is_explained
        assert gap.next_at is not None
        assert gap.next_at > now
    planted = told(known, 5, 20, OutcomeKind.OK, now, DATES[5:21])  # the same bars with an answer do cover
    assert planted.spans == (Span(DATES[0], DATES[20]),)


def test_pacing_and_timeouts_are_deferred_and_the_other_failures_carry_their_own_reason() -> None:
    now = at(SESSIONS[40], 1)
    reasons = {
        kind: told(EMPTY, 3, 3, kind, now).incomplete[0].why
        for kind in FAILURES
    }  # fmt: skip
    assert reasons == {
        OutcomeKind.PACING: Why.DEFERRED, OutcomeKind.TIMEOUT: Why.DEFERRED, OutcomeKind.CANCELLED: Why.DEFERRED,
        OutcomeKind.NO_PERMISSION: Why.NO_PERMISSION, OutcomeKind.ERROR: Why.ERROR,
    }  # fmt: skip
    assert told(EMPTY, 3, 3, OutcomeKind.ERROR, now, code=200).incomplete[0].why is Why.NO_CONTRACT
    assert told(EMPTY, 3, 3, OutcomeKind.ERROR, now, code=1100).incomplete[0].why is Why.OUTAGE


def test_a_failed_load_of_all_sessions_is_one_row_not_one_a_session() -> None:
    known = told(EMPTY, 0, len(DATES) - 1, OutcomeKind.TIMEOUT, at(SESSIONS[-1], 1))
    assert len(known.incomplete) == 1
    assert known.incomplete[0].last == DATES[-1]


def test_attempts_wait_15_minutes_doubling_to_a_day_and_a_permanent_cause_waits_a_week() -> None:
    minutes = [next_retry(attempts).total_seconds() / 60 for attempts in (0, 1, 2, 3, 4, 5, 6, 7, 8, 50, 10_000)]
    assert minutes == [15, 15, 30, 60, 120, 240, 480, 960, 1440, 1440, 1440]
    assert next_retry(1, permanent=True) == timedelta(days=7)
    now = at(SESSIONS[40], 1)
    known = told(EMPTY, 3, 3, OutcomeKind.NO_PERMISSION, now, is_permanent=True)
    assert known.incomplete[0].next_at == now + timedelta(days=7)


def test_row_20_an_emptiness_is_confirmed_by_a_second_answer_twelve_hours_later_and_not_before() -> None:
    known = told(EMPTY, 0, 9, OutcomeKind.OK, at(SESSIONS[9], 1), DATES[:10])
    first = at(SESSIONS[10], 1)
    known = told(known, 10, 10, OutcomeKind.EMPTY_UNCONFIRMED, first)
    assert known.incomplete == (Incomplete(DATES[10], Why.UNKNOWN, 1, first + timedelta(minutes=15), None, first),)
    for hours in (1, 11.99):
        answer = outcome(OutcomeKind.EMPTY_UNCONFIRMED, first + timedelta(hours=hours))
        assert confirmed(known, window(10, 10), answer, SESSIONS) == answer
    answer = outcome(OutcomeKind.EMPTY_UNCONFIRMED, first + timedelta(hours=12))
    raised = confirmed(known, window(10, 10), answer, SESSIONS)
    assert raised.kind is OutcomeKind.EMPTY_CONFIRMED
    final = after(known, window(10, 10), raised, SESSIONS, (), (), first + timedelta(hours=12))
    assert [(each.session_date, each.why, each.since) for each in final.incomplete] == [(DATES[10], Why.NO_TRADE, first)]
    unraised = after(known, window(10, 10), answer, SESSIONS, (), (), first + timedelta(hours=12))
    assert [each.why for each in unraised.incomplete] == [Why.UNKNOWN]  # unconfirmed explains nothing, however often


def test_only_an_emptiness_is_ever_confirmed() -> None:
    known = told(EMPTY, 10, 10, OutcomeKind.TIMEOUT, at(SESSIONS[10], 1))
    later = at(SESSIONS[12], 1)
    for kind in OutcomeKind:
        answer = outcome(kind, later)
        assert confirmed(known, window(10, 10), answer, SESSIONS) == answer, "a timeout before is no first emptiness"


def test_a_bar_that_two_whole_answers_lack_is_no_trade_and_one_that_one_lacks_is_missing() -> None:
    present = [each for each in DATES[:10] if each != DATES[4]]
    first = at(SESSIONS[20], 1)
    known = told(EMPTY, 0, 9, OutcomeKind.OK, first, present)
    assert known.spans == (Span(DATES[0], DATES[3]), Span(DATES[5], DATES[9]))
    assert known.incomplete == (Incomplete(DATES[4], Why.UNKNOWN, 1, first + timedelta(hours=12), None, first),)
    again = told(known, 0, 9, OutcomeKind.OK, first + timedelta(hours=13), present)
    assert [(each.session_date, each.why) for each in again.incomplete] == [(DATES[4], Why.NO_TRADE)]
    healed = told(again, 0, 9, OutcomeKind.OK, first + timedelta(days=9), DATES[:10])
    assert healed.spans == (Span(DATES[0], DATES[9]),)
    assert not healed.incomplete


def test_a_failure_between_two_emptinesses_does_not_forget_the_first() -> None:
    known = told(EMPTY, 0, 9, OutcomeKind.OK, at(SESSIONS[9], 1), DATES[:10])
    first = at(SESSIONS[10], 1)
    known = told(known, 10, 10, OutcomeKind.EMPTY_UNCONFIRMED, first)
    known = told(known, 10, 10, OutcomeKind.TIMEOUT, first + timedelta(hours=1))
    assert (known.incomplete[0].why, known.incomplete[0].since, known.incomplete[0].attempts) == (Why.UNKNOWN, first, 2)


def test_what_lies_before_the_first_bar_of_an_answer_that_reached_back_is_not_listed() -> None:
    known = told(EMPTY, 0, 30, OutcomeKind.OK, at(SESSIONS[30], 1), DATES[20:31])
    assert known.incomplete == (Incomplete(DATES[0], Why.NOT_LISTED, last=DATES[19]),)
    assert known.spans == (Span(DATES[20], DATES[30]),)
    listed = BHP._replace(listed_from=DATES[10])
    known = told(EMPTY, 0, 30, OutcomeKind.OK, at(SESSIONS[30], 1), DATES[20:31], instrument=listed)
    assert [(each.why, each.session_date, each.last) for each in known.incomplete] == [
        (Why.NOT_LISTED, DATES[0], DATES[9]), (Why.UNKNOWN, DATES[10], DATES[19])
    ]  # fmt: skip


def test_a_contract_of_known_life_that_never_had_a_bar_is_never_explained() -> None:
    listed = BHP._replace(listed_from=DATES[0])
    known, now = EMPTY, at(SESSIONS[30], 1)
    for _ in range(5):
        answer = confirmed(known, window(0, 30, listed), outcome(OutcomeKind.EMPTY_UNCONFIRMED, now), SESSIONS)
        known = after(known, window(0, 30, listed), answer, SESSIONS, (), (), now)
        now += timedelta(days=1)
    assert {each.why for each in known.incomplete} == {Why.UNKNOWN}


def test_sessions_taken_for_not_listed_are_asked_for_again_when_older_bars_turn_up() -> None:
    now = at(SESSIONS[30], 1)
    known = told(EMPTY, 20, 30, OutcomeKind.EMPTY_CONFIRMED, now)
    assert known.incomplete == (Incomplete(DATES[20], Why.NOT_LISTED, last=DATES[30]),)
    known = told(known, 0, 10, OutcomeKind.OK, now, DATES[:11])
    assert not known.incomplete
    assert unfold(known, DATES)[20:31] == [None] * 11


def test_sessions_outside_the_life_of_a_contract_are_not_listed() -> None:
    gone = BHP._replace(listed_from=DATES[5], listed_to=DATES[15])
    known = told(EMPTY, 0, 20, OutcomeKind.OK, at(SESSIONS[20], 1), DATES[5:16], instrument=gone)
    assert [(each.why, each.session_date, each.last) for each in known.incomplete] == [
        (Why.NOT_LISTED, DATES[0], DATES[4]), (Why.NOT_LISTED, DATES[16], DATES[20])
    ]  # fmt: skip


def test_row_34_a_session_that_was_not_over_when_asked_stays_unasked() -> None:
    before_auction = SESSIONS[10].close
    known = told(EMPTY, 0, 10, OutcomeKind.OK, before_auction, DATES[:11])
    assert known.spans == (Span(DATES[0], DATES[9]),)
    assert not known.incomplete
    assert told(EMPTY, 10, 10, OutcomeKind.TIMEOUT, before_auction) == EMPTY


def test_a_quarantined_bar_is_missing_and_old_ones_are_asked_for_weekly() -> None:
    now = at(SESSIONS[10], 1)
    known = told(EMPTY, 0, 10, OutcomeKind.OK, now, [*DATES[:4], *DATES[5:10]], [DATES[4], DATES[10]])
    assert [(each.session_date, each.why, each.next_at) for each in known.incomplete] == [
        (DATES[4], Why.QUARANTINED, now + timedelta(days=7)), (DATES[10], Why.QUARANTINED, now + timedelta(minutes=15))
    ]  # fmt: skip
    found = count(known, BHP, SESSIONS[:11])
    assert (found.expected, found.present, found.explained, found.missing) == (11, 9, {}, {Why.QUARANTINED: 2})
    good = told(known, 4, 4, OutcomeKind.OK, now, DATES[4:5], DATES[4:5])  # an earlier good bar lies in the table
    assert [each.session_date for each in good.incomplete] == [DATES[10]]


def test_the_second_fetch_is_remembered_up_to_the_newest_session_but_one() -> None:
    known = told(EMPTY, 0, 9, OutcomeKind.OK, at(SESSIONS[9], 1), DATES[:10])
    assert known.refetched_to == DATES[8]
    known = told(known, 10, 10, OutcomeKind.OK, at(SESSIONS[10], 1), DATES[10:11])
    assert known.refetched_to == DATES[8], "the ninth has not been asked again"
    known = told(known, 6, 11, OutcomeKind.OK, at(SESSIONS[11], 1), DATES[6:12])
    assert known.refetched_to == DATES[10]
    known = told(known, 2, 3, OutcomeKind.OK, at(SESSIONS[11], 1), DATES[2:4])
    assert known.refetched_to == DATES[10]


def test_what_is_known_outside_of_the_given_sessions_stays() -> None:
    known = told(EMPTY, 0, 60, OutcomeKind.OK, at(SESSIONS[60], 1), [*DATES[:20], *DATES[21:61]])
    known = told(known, 61, 80, OutcomeKind.TIMEOUT, at(SESSIONS[80], 1))
    for low, high in ((30, 50), (20, 61), (0, 101), (60, 90), (10, 21)):
        part = DATES[low:high]
        assert fold(known, unfold(known, part), part) == known, (low, high)
    part = DATES[30:50]
    cut = fold(known, [None] * len(part), part)
    assert [each for each in unfold(cut, DATES)[30:50] if each] == []
    assert unfold(cut, DATES)[:30] == unfold(known, DATES)[:30]
    assert unfold(cut, DATES)[50:] == unfold(known, DATES)[50:]


def random_history(seed: int, steps: int) -> tuple[Coverage, set[date], datetime]:
    """A series that lives through random requests: what is known of it, and the bars that it really stored."""
    chance = random.Random(seed)
    known, stored, now = EMPTY, set[date](), at(SESSIONS[0], 1)
    for _ in range(steps):
        now += timedelta(hours=chance.choice((1, 5, 13, 30)))
        low = chance.randrange(0, 60)
        high = min(low + chance.choice((0, 1, 5, 60)), 80)
        kind = chance.choice([OutcomeKind.OK] * 4 + [*OutcomeKind])
        over = [each.session_date for each in SESSIONS[low : high + 1] if each.last <= now]
        answered = [each for each in over if chance.random() < 0.9] if kind is OutcomeKind.OK else []
        refused = {each for each in answered if chance.random() < 0.05}
        if kind is OutcomeKind.OK and not answered:
            kind = OutcomeKind.EMPTY_UNCONFIRMED
        stored |= set(answered) - refused
        answer = outcome(kind, now, answered)
        answer = confirmed(known, window(low, high), answer, SESSIONS)
        present = {each for each in stored if DATES[low] <= each <= DATES[high]}
        known = after(known, window(low, high), answer, SESSIONS, present, refused, now)
    return known, stored, now


@pytest.mark.parametrize("seed", range(60))
def test_I15_a_recount_of_the_bars_equals_the_ledger(seed: int) -> None:
    known, stored, now = random_history(seed, 60)
    states = unfold(known, DATES)
    assert {each for each, state in zip(DATES, states, strict=True) if state is COMPLETE} == stored
    assert fold(known, states, DATES) == known
    due = [each for each in SESSIONS if each.last <= now]
    found = count(known, BHP, due)
    assert found.expected == found.present + sum(found.explained.values()) + sum(found.missing.values())
    assert found.present == len(stored)
    bounds = [(each.first, each.last) for each in known.spans] + [(each.session_date, each.last or each.session_date) for each in known.incomplete]
    bounds.sort()
    assert all(one[1] < two[0] for one, two in pairwise(bounds)), "ranges never overlap"
    planted = replace(known, spans=(*known.spans, Span(DATES[81], DATES[-1])))
    assert {each for each, state in zip(DATES, unfold(planted, DATES), strict=True) if state is COMPLETE} != stored


def test_I16_an_explanation_always_has_its_two_answers_or_its_life() -> None:
    for seed in range(40):
        known, stored, _ = random_history(seed, 60)
        for each in known.incomplete:
            assert not set(DATES) & stored & {each.session_date}
            if each.why is Why.NO_TRADE:
                assert each.attempts >= 2
                assert each.since is not None
            if not each.why.is_explained:
                assert each.next_at is not None


def test_unfold_is_quick_enough_for_a_run_with_nothing_due() -> None:
    """309 symbols of twenty years: well under a second."""
    days = [date(2000, 1, 1) + timedelta(each) for each in range(5_000)]
    known = replace(EMPTY, spans=(Span(days[0], days[-1]),), incomplete=())
    for _ in range(309):
        states = unfold(known, days)
    assert states.count(COMPLETE) == 5_000
    assert isinstance(ledger.COMPLETE, str)
    assert Mark(Why.UNKNOWN) != COMPLETE
