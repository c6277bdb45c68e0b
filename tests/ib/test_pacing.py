"""The pure decision, against IB's sentences and against a recount that shares no code with it."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date, timedelta

import pytest

from scizor.base.config import PacingConfig
from scizor.base.errors import ConfigurationError
from scizor.base.protocols import PacingClass, PacingRequest, PacingRule
from scizor.ib import pacing
from scizor.ib.pacing import Asked, Cause, Limits, decide, next_allowed, rule_for
from scizor.ib.plan import plan
from scizor.market.types import Instrument, Timeframe, Window
from tests.bench.daily_d3 import simulate
from tests.bench.recount import Read, earliest
from tests.conftest import EPOCH

NOW = EPOCH
SEEDS = range(40)


def request(number: int = 0, **changes: object) -> PacingRequest:
    return replace(PacingRequest(f"key {number}", f"contract {number}", PacingRule.HARD), **changes)  # type: ignore[arg-type]


def past(seconds: float, number: int = 0, **changes: object) -> PacingRequest:
    """One that was answered so long ago."""
    at = NOW - timedelta(seconds=seconds)
    return request(number, reserved_at=at, counted_at=at, **changes)


def wait(history: list[PacingRequest], wanted: PacingRequest, limits: Limits | None = None) -> float:
    return (next_allowed(history, wanted, NOW, limits or Limits()) - NOW).total_seconds()


def window(timeframe: Timeframe = Timeframe.DAY1, number: int = 0) -> Window:
    instrument = Instrument(number, f"S{number}", "ASX", "XASX", "AUD", 1000 + number, 1)
    return Window(instrument, timeframe, date(2025, 1, 1), date(2025, 1, 14))


# ---- which rule ------------------------------------------------------------------------------------------------------


def test_bars_of_half_a_minute_head_timestamps_and_real_time_bars_are_hard_and_longer_bars_are_soft() -> None:
    hard = {each for each in (*Timeframe, *Asked) if rule_for(each, "published") is PacingRule.HARD}
    assert hard == {Timeframe.SEC5, Timeframe.SEC30, Asked.HEAD_TIMESTAMP, Asked.REALTIME_BARS}


def test_strict_puts_everything_under_the_hard_rule() -> None:
    assert {rule_for(each, "strict") for each in (*Timeframe, *Asked)} == {PacingRule.HARD}


def test_a_window_is_identical_only_with_its_range() -> None:
    one = pacing.request_for(window(), Limits())
    other = pacing.request_for(replace(window(), first=date(2024, 1, 1)), Limits())
    assert one.contract_key == other.contract_key and one.key != other.key
    assert one.rule is PacingRule.SOFT and one.weight == 1 and pacing.weight_of("BID_ASK") == 2


# ---- each number -----------------------------------------------------------------------------------------------------


def test_the_sixty_first_waits_until_the_first_is_ten_minutes_old() -> None:
    history = [past(500 - number, number) for number in range(59)]
    assert wait(history, request(99)) == 0
    history.append(past(1, 59))
    assert wait(history, request(99)) == 100


def test_bid_ask_counts_twice() -> None:
    history = [past(500 - number, number, weight=2) for number in range(29)]
    assert wait(history, request(99, weight=2)) == 0
    history.append(past(1, 59))
    assert wait(history, request(99)) == 0
    assert wait(history, request(99, weight=2)) == 100


def test_the_sixth_for_one_contract_waits_until_two_seconds_are_over_and_another_contract_does_not() -> None:
    history = [past(1.5 - number / 10, number, contract_key="BHP") for number in range(5)]
    assert wait(history[:4], request(9, contract_key="BHP")) == 0
    assert wait(history, request(9, contract_key="BHP")) == 0.5
    assert decide(history, request(9, contract_key="BHP"), NOW, Limits()).cause is Cause.CONTRACT
    assert wait(history, request(9, contract_key="CBA")) == 0


@pytest.mark.parametrize("rule", PacingRule)
def test_an_identical_request_waits_fifteen_seconds_under_every_rule(rule: PacingRule) -> None:
    decision = decide([past(5, rule=rule)], request(rule=rule), NOW, Limits())
    assert decision.at - NOW == timedelta(seconds=10) and decision.cause.is_own


def test_an_unanswered_request_counts_as_now() -> None:
    unanswered = request(reserved_at=NOW - timedelta(hours=1), is_open=True)
    assert wait([unanswered], request()) == 15
    assert wait([replace(unanswered, key=str(each)) for each in range(60)], request(99), Limits(open_max=99)) == 600


def test_soft_requests_use_nothing_of_the_hard_budget() -> None:
    history = [past(10, number, rule=PacingRule.SOFT) for number in range(500)]
    assert wait(history, request(999)) == 0


def test_the_fifty_first_open_one_waits_and_is_looked_at_again_soon() -> None:
    history = [past(60, number, is_open=True, rule=PacingRule.SOFT) for number in range(50)]
    assert decide(history, request(99, rule=PacingRule.SOFT), NOW, Limits()) == (NOW + timedelta(seconds=1), Cause.OPEN)
    assert wait(history[1:], request(99, rule=PacingRule.SOFT)) == 0


def test_messages_stay_below_fifty_a_second() -> None:
    history = [past(0.5, number, rule=PacingRule.SOFT) for number in range(45)]
    assert wait(history, request(99, rule=PacingRule.SOFT)) == 0.5
    assert wait(history[1:], request(99, rule=PacingRule.SOFT)) == 0


def test_a_request_that_never_fits_is_an_error_and_not_an_endless_wait() -> None:
    with pytest.raises(ConfigurationError, match="never fits"):
        wait([], request(weight=2), Limits(requests_max=1))
    with pytest.raises(ConfigurationError, match="leaves nothing"):
        Limits(requests_max=10, daemon_share=10)


def test_limits_come_from_the_configuration() -> None:
    config = PacingConfig(
        regime="strict", requests_max=58, window_seconds=601, daemon_share=8, open_max=40, soft_open_first=6
    )
    limits = Limits.of(config)
    assert (limits.regime, limits.requests_max, limits.window_seconds) == ("strict", 58, 601)
    assert (limits.daemon_share, limits.open_max, limits.soft_open_first) == (8, 40, 6)


# ---- exactness -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_next_allowed_is_the_first_instant_that_a_brute_force_recount_allows(seed: int) -> None:
    """Random histories, everything answered at once: not a microsecond later, not one earlier."""
    print(f"seed {seed}")
    draw = random.Random(seed)
    for _ in range(10):
        history, reads = [], []
        for number in range(draw.randint(0, 90)):
            rule, weight = draw.choice(list(PacingRule)), draw.choice((1, 1, 2))
            age = round(draw.choice((draw.uniform(0, 3), draw.uniform(0, 20), draw.uniform(0, 700))), 3)
            contract = f"contract {draw.randrange(4)}"
            one = past(age, number % 7, rule=rule, weight=weight, contract_key=contract)
            history.append(one)
            reads.append(Read(-age, one.key, contract, weight, rule is PacingRule.HARD))
        wanted = request(draw.randrange(9), rule=draw.choice(list(PacingRule)), weight=draw.choice((1, 2)),
                         contract_key=f"contract {draw.randrange(4)}")  # fmt: skip
        reads.sort()
        # what was already broken before may not be blamed on the next one, so only windows that fit are compared
        this = Read(0.0, wanted.key, wanted.contract_key, wanted.weight, wanted.rule is PacingRule.HARD)
        limits = Limits(messages_max=1000)
        assert wait(history, wanted, limits) == pytest.approx(earliest(this, reads), abs=2e-6)


@pytest.mark.parametrize("seed", (11, 12))
def test_random_traffic_breaks_no_rule_and_is_hardly_late(seed: int) -> None:
    """As D3, smaller. 1 % of a window is six seconds."""
    print(f"seed {seed}")
    broken, late = simulate(seed, 500, Limits())
    assert not broken and max(late) <= 6


@pytest.mark.parametrize(
    "wrong", [Limits(requests_max=60, window_seconds=590), Limits(contract_max=7), Limits(identical_seconds=5)]
)
def test_the_recount_sees_a_scheduler_that_is_a_little_wrong(wrong: Limits) -> None:
    assert sum((simulate(seed, 500, wrong)[0] for seed in (11, 12, 13)), start=simulate(14, 500, wrong)[0]).total() > 0


# ---- classes ---------------------------------------------------------------------------------------------------------


def test_the_daemon_and_the_jobs_never_draw_on_each_others_share() -> None:
    limits = Limits(daemon_share=10)
    jobs = [past(100, number) for number in range(50)]
    live = [past(100, 100 + number, pacing_class=PacingClass.LIVE) for number in range(10)]
    assert wait(jobs[1:] + live, request(999), limits) == 0
    assert wait(jobs, request(999), limits) == 500
    assert wait(jobs + live[1:], request(999, pacing_class=PacingClass.LIVE), limits) == 0
    assert wait(live, request(999, pacing_class=PacingClass.LIVE), limits) == 500


def test_a_backfill_alone_uses_the_whole_budget() -> None:
    history = [past(100, number, pacing_class=PacingClass.BACKFILL) for number in range(59)]
    assert wait(history, request(99, pacing_class=PacingClass.BACKFILL)) == 0


def test_a_backfill_leaves_room_for_a_daily_job_that_has_begun() -> None:
    daily = [past(10, number) for number in range(10)]
    history = daily + [past(100, 100 + number, pacing_class=PacingClass.BACKFILL) for number in range(40)]
    assert wait(history, request(999, pacing_class=PacingClass.BACKFILL)) == 500
    assert wait(history, request(999)) == 0
    assert wait(history[:-1], request(999, pacing_class=PacingClass.BACKFILL)) == 0


@pytest.mark.parametrize("seed", (21, 22, 23))
def test_a_daily_job_is_at_speed_after_a_window_and_no_class_starves(seed: int) -> None:
    """Three classes want everything, for two hours; each free slot is fought for, and the winner is drawn by lot."""
    print(f"seed {seed}")
    draw = random.Random(seed)
    sent: list[tuple[float, PacingClass]] = []
    classes = (PacingClass.BACKFILL, PacingClass.GAP_FILL, PacingClass.DAILY)
    wake = {PacingClass.BACKFILL: 0.0, PacingClass.GAP_FILL: 300.0, PacingClass.DAILY: 900.0}
    while (now := min(wake.values())) < 7200:
        contender = draw.choice([each for each in classes if wake[each] <= now])
        at = NOW + timedelta(seconds=now)
        history = [
            request(number, counted_at=NOW + timedelta(seconds=when), pacing_class=who)
            for number, (when, who) in enumerate(sent)
            if when > now - 600
        ]
        free = next_allowed(history, request(99999, pacing_class=contender), at, Limits())
        if free <= at:
            sent.append((now, contender))
            wake[contender] = now + 0.05
        else:
            wake[contender] = (free - NOW).total_seconds() + draw.uniform(0, 0.05)
    steady = [who for when, who in sent if when > 2400]
    share = {each: steady.count(each) / len(steady) for each in classes}
    assert len(sent) >= 60 * 12
    assert share[PacingClass.DAILY] >= 0.6, share
    assert min(share.values()) >= 0.02, share


def test_while_a_daily_job_has_open_requests_the_classes_below_keep_two() -> None:
    soft = PacingRule.SOFT
    daily = [past(1, 1, rule=soft, is_open=True)]
    backfill = [past(1, 10 + number, rule=soft, is_open=True, pacing_class=PacingClass.BACKFILL) for number in range(2)]
    wanted = request(99, rule=soft, pacing_class=PacingClass.BACKFILL)
    assert wait(daily + backfill[:1], wanted) == 0
    assert wait(daily + backfill, wanted) == pacing.OPEN_RECHECK_SECONDS
    assert wait(backfill * 10, wanted) == 0


# ---- refusals --------------------------------------------------------------------------------------------------------


def refused(seconds: float, rule: PacingRule) -> PacingRequest:
    at = NOW - timedelta(seconds=seconds)
    return replace(pacing.cool_down(rule), reserved_at=at, counted_at=at)


def test_row_19_after_a_hard_refusal_every_process_keeps_still_for_a_whole_window() -> None:
    assert wait([refused(100, PacingRule.HARD)], request()) == 500
    assert wait([refused(100, PacingRule.HARD)], request(rule=PacingRule.SOFT)) == 0
    assert wait([refused(600, PacingRule.HARD)], request()) == 0


def test_row_19_a_soft_refusal_waits_fifteen_seconds_and_four_times_as_long_when_it_comes_again() -> None:
    wanted = request(rule=PacingRule.SOFT)
    once = [refused(3 + each, PacingRule.SOFT) for each in (0, 0.1, 2)]
    assert wait(once, wanted) == 12
    assert wait([refused(30, PacingRule.SOFT), *once], wanted) == 57
    assert wait([refused(each, PacingRule.SOFT) for each in (500, 400, 300, 200, 0)], wanted) == 600


def test_a_cool_down_uses_none_of_the_budget_and_no_open_slot() -> None:
    row = replace(refused(50, PacingRule.SOFT), is_open=True)
    assert pacing.utilisation([row], NOW, Limits()) == (0, 0, 0)


def test_utilisation_says_how_full_each_limit_is() -> None:
    history = [past(10, number, is_open=number < 25) for number in range(30)]
    assert pacing.utilisation(history, NOW, Limits()) == (0.5, 0.5, 0)


# ---- the plan --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "minutes"), [(1, 0), (60, 0), (61, 10), (309, 50), (360, 50), (954, 150), (4554, 750)]
)
def test_the_plan_is_the_floor_under_ibs_rules(count: int, minutes: int) -> None:
    made = plan([window(Timeframe.SEC30, each) for each in range(count)], Limits(), NOW)
    assert (made.requests, made.rule, made.hard) == (count, PacingRule.HARD, count)
    assert 0 <= (made.eta - NOW).total_seconds() - 60 * minutes <= 60


def test_the_plan_of_daily_bars_is_bound_by_the_service_and_by_nothing_else() -> None:
    windows = [window(number=each) for each in range(309)]
    made = plan(windows, Limits(), NOW, service_seconds=0.5, concurrency=16)
    assert made.rule is PacingRule.SOFT and made.eta - NOW == timedelta(seconds=10)
    assert plan(windows, Limits(regime="strict"), NOW).rule is PacingRule.HARD


def test_the_plan_knows_what_of_the_budget_is_already_used() -> None:
    history = [past(100, 1000 + each) for each in range(60)]
    made = plan([window(Timeframe.SEC30, each) for each in range(60)], Limits(), NOW, history=history)
    assert 500 <= (made.eta - NOW).total_seconds() <= 530


def test_a_plan_of_nothing_is_done_now() -> None:
    assert plan([], Limits(), NOW) == (0, PacingRule.SOFT, NOW, 0, 0)
