"""The score is arithmetic over counts; and the faults of sessions in shorter bars."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from scizor.market.quality import intraday
from scizor.market.quality.score import Counts, Held, tally, wrong_symbols
from scizor.market.quality.words import Defect
from scizor.market.types import Bar

DAY = date(2025, 1, 15)
OPENS = {DAY + timedelta(days=each): datetime(2025, 1, 14 + each, 23, 0, tzinfo=UTC) for each in range(3)}


@pytest.mark.parametrize(
    ("counts", "score"),
    [
        (Counts(3, 3, 3, 0, 0), "100.00"), (Counts(3, 3, 2, 1, 0), "100.00"), (Counts(3, 3, 2, 0, 1), "66.66"),
        (Counts(3, 3, 2, 0, 1, wrong=1), "33.33"), (Counts(1, 100_000, 99_999, 0, 1), "99.99"), (Counts(3, 3, 3, 0, 0, doubted=3, revised=2), "100.00"),
        (Counts(2, 2, 0, 0, 2, quarantined=2), "0.00"),
    ],
)  # fmt: skip
def test_the_score_follows_from_the_counts_and_100_means_all(counts: Counts, score: str) -> None:
    assert counts.score == Decimal(score)


def test_where_nothing_was_expected_there_is_no_score() -> None:
    assert Counts(0, 0, 0, 0, 0).score is None


def test_what_an_auction_adds_does_not_stand_for_a_bar_that_is_missing() -> None:
    held = [Held(1, "A", 73, None, False), Held(2, "B", 71, "unknown", False), Held(3, "C", 60, "no-trade", True), Held(4, "D", 0, None, False)]
    counts = tally(held, 72)
    assert (counts.series, counts.expected, counts.stored, counts.explained, counts.missing) == (4, 288, 203, 12, 73)
    assert counts.expected == counts.stored + counts.explained + counts.missing


def test_a_copied_market_makes_every_stored_bar_wrong_and_a_cut_market_none_of_those_that_are_there() -> None:
    held = [Held(1, "A", 1, None, False), Held(2, "B", 1, None, False), Held(3, "C", 0, None, False)]
    assert wrong_symbols([Defect("*", DAY, "copied_session", "x")], held) == {"A", "B"}
    assert wrong_symbols([Defect("*", DAY, "truncated_session", "x"), Defect("C", DAY, "missing_bar", "x")], held) == set()
    assert wrong_symbols([Defect("B", DAY, "ohlc_order", "x"), Defect("A", DAY, "split", "x")], held) == {"B"}


def day(offset: int, seed: int, *, scale: float = 1.0) -> tuple[date, datetime, list[Bar]]:
    rnd, when = random.Random(seed), DAY + timedelta(days=offset)
    bars = []
    for place in range(72):
        low, open_, close, high = sorted(round(25 + rnd.gauss(0, 0.2), 2) for _ in range(4))
        bars.append(Bar(OPENS[when] + place * timedelta(minutes=5), open_, high, low, close, float(int(rnd.lognormvariate(9, 0.5) * scale) + 7)))
    return when, OPENS[when], bars


def test_ordinary_sessions_of_shorter_bars_have_no_fault() -> None:
    assert intraday.faults("CBA", [day(0, 1), day(1, 2), day(2, 3)]) == []


def test_a_session_that_came_back_for_the_next_one_is_named() -> None:
    first = day(0, 1)
    when, opened, _ = day(1, 2)
    copied = when, opened, [each._replace(start=opened + (each.start - first[1])) for each in first[2] if isinstance(each.start, datetime)]
    assert [(each.day, each.kind) for each in intraday.faults("CBA", [first, copied, day(2, 3)])] == [(when, "copied_session")]


def test_a_run_of_the_very_same_bar_is_named_and_a_flat_run_with_volumes_of_its_own_is_not() -> None:
    when, opened, bars = day(0, 1)
    for place in range(20, 55):
        bars[place] = bars[19]._replace(start=bars[place].start)
    assert [each.kind for each in intraday.faults("CBA", [(when, opened, bars)])] == ["flat_run"]
    quiet = [each._replace(open=25.0, high=25.0, low=25.0, close=25.0) for each in day(0, 1)[2]]
    assert intraday.faults("CBA", [(when, opened, quiet)]) == []


def test_a_session_of_another_feed_is_named() -> None:
    found = intraday.faults("CBA", [day(0, 1), day(1, 2, scale=30.0), day(2, 3)])
    assert [(each.day, each.kind) for each in found] == [(DAY + timedelta(days=1), "two_feeds"), (DAY + timedelta(days=2), "two_feeds")]
