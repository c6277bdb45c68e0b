"""Faults of whole sessions and series: each kind planted into a healthy market and named; a healthy market, and its genuine
troubles (a crash, a halt, a share of a tenth of a cent), left alone; and what is known of the recorded days, found."""

from __future__ import annotations

import csv
import gzip
import random
from collections.abc import Callable
from datetime import date
from functools import cache
from pathlib import Path

import pytest
from tests.bench import asx_days
from tests.market.asx_recorded import eighteen

from scizor.market.calendar import sessions
from scizor.market.ladder import ladder
from scizor.market.quality import second, series, whole
from scizor.market.quality.breaks import Record
from scizor.market.quality.words import KIND, KINDS, Defect
from scizor.market.types import Bar

FIRST, LAST = date(2015, 1, 2), date(2015, 12, 31)
DAYS = [each.session_date for each in sessions("XASX", FIRST, LAST)]
CODES = [f"A{letter}{other}" for letter in "ABCDE" for other in "JKLM"]
Market = dict[str, list[Bar]]


def healthy(seed: int = 5) -> Market:
    """Twenty shares that trade every day, of 0.30 to 80 dollars, on the exchange's ladder."""
    return {code: list(bars) for code, bars in _made(seed).items()}


@cache
def _made(seed: int) -> Market:
    steps, rnd, market = ladder("XASX"), random.Random(seed), dict[str, list[Bar]]()
    for code in CODES:
        price, bars = rnd.uniform(0.3, 80.0), list[Bar]()
        for day in DAYS:
            ends = [price * rnd.gauss(1, 0.006), price * rnd.gauss(1, 0.012)]
            high, low = max(ends) * (1 + abs(rnd.gauss(0, 0.005))), min(ends) * (1 - abs(rnd.gauss(0, 0.005)))
            open_, close, high, low = (steps.price(steps.position(each)) for each in (*ends, high, low))
            bars.append(Bar(day, open_, high, low, close, float(int(rnd.lognormvariate(12, 0.4)))))
            price = ends[1]
        market[code] = bars
    return market


def find(market: Market, theirs: list[Market] | None = None, records: list[Record] | None = None) -> list[Defect]:
    found, _ = whole.find(market, DAYS, lambda day: f"closed on {day}", theirs=theirs or [], records=records or [])
    return found


def told(found: list[Defect], symbol: str = "*") -> set[tuple[date, str]]:
    return {(each.day, each.kind) for each in found if each.symbol == symbol}


def replaced(market: Market, day: date, change: Callable[[Bar], Bar | None], codes: list[str] = CODES) -> Market:
    return {
        code: [new for bar in bars if (new := change(bar) if bar.start == day and code in codes else bar) is not None]
        for code, bars in market.items()
    }


def times(factor: float, volume: float = 1.0) -> Callable[[Bar], Bar]:
    return lambda bar: Bar(bar.start, *(round(each * factor, 6) for each in bar[1:5]), volume=(bar.volume or 0) * volume)


def of(market: Market, code: str, day: date) -> Bar:
    return next(each for each in market[code] if each.start == day)


def test_a_healthy_market_has_no_defect() -> None:
    for seed in (5, 6, 7):
        assert find(healthy(seed)) == []


def test_every_kind_is_in_the_table_once_and_says_what_it_means() -> None:
    assert len(KIND) == len(KINDS)
    assert all(len(each.meaning) > 20 for each in KINDS)


@pytest.mark.parametrize("backwards", [False, True])
def test_a_day_that_was_copied_is_named_and_the_gaps_say_which_of_the_two_it_is(backwards: bool) -> None:
    market, day, before = healthy(), DAYS[100], DAYS[99]
    wrong, source = (before, day) if backwards else (day, before)
    copied = {code: [of(market, code, source)._replace(start=wrong) if each.start == wrong else each for each in bars] for code, bars in market.items()}
    found = find(copied)
    assert told(found) == {(wrong, "copied_session")}
    assert "overnight gap" in found[0].evidence


def test_a_copy_with_some_more_volume_and_a_copy_of_last_month_are_named() -> None:
    market, day = healthy(), DAYS[100]
    later = replaced(market, day, lambda bar: None)
    for code in CODES:
        later[code] = sorted([*later[code], of(market, code, DAYS[99])._replace(start=day, volume=(of(market, code, DAYS[99]).volume or 0) * 1.04)])
    assert told(find(later)) == {(day, "copied_session")}
    month = replaced(market, day, lambda bar: None)
    for code in CODES:
        month[code] = sorted([*month[code], of(market, code, DAYS[70])._replace(start=day)])
    assert (day, "copied_session") in told(find(month))
    assert not [each for each in find(month) if each.symbol == "*" and each.day != day]


def test_a_part_of_the_market_that_was_copied_is_named_with_the_codes() -> None:
    market, day = healthy(), DAYS[100]
    some = CODES[:7]
    copied = {code: [of(market, code, DAYS[99])._replace(start=day) if each.start == day and code in some else each for each in bars] for code, bars in market.items()}
    found = find(copied)
    assert told(found) == {(day, "copied_part")}
    assert {each.symbol for each in found if each.kind == "copied_bar"} == set(some)


def test_a_session_that_holds_the_beginning_of_another_is_named() -> None:
    market, day, other = healthy(), DAYS[100], DAYS[102]

    def half(code: str) -> Bar:
        bar = of(market, code, other)
        return Bar(day, bar.open, max(bar.open, bar.low), bar.low, bar.low, (bar.volume or 0) * 0.4)

    cut = {code: [half(code) if each.start == day else each for each in bars] for code, bars in market.items()}
    assert told(find(cut)) == {(day, "partial_session")}


def test_bars_of_a_weekend_or_holiday_are_named_for_the_market_and_for_a_single_code() -> None:
    market, holiday, saturday = healthy(), date(2015, 4, 3), date(2015, 6, 6)
    before = max(day for day in DAYS if day < holiday)
    for code in CODES:
        market[code] = sorted([*market[code], of(market, code, before)._replace(start=holiday)])
    market["AAJ"] = sorted([*market["AAJ"], Bar(saturday, 1.0, 1.1, 1.0, 1.05, 13347.0)])
    found = find(market)
    assert told(found) == {(holiday, "closed_day")}
    assert f"20 of them are the bars of {before}" in next(each.evidence for each in found if each.symbol == "*")
    assert (saturday, "closed_day") in told(found, "AAJ")


def test_a_day_without_anybody_and_a_day_without_many_are_named_and_a_halt_is_not() -> None:
    market, gone, cut, halt = healthy(), DAYS[60], DAYS[120], DAYS[180]
    market = replaced(market, gone, lambda bar: None)
    market = replaced(market, cut, lambda bar: None, CODES[8:])
    market = replaced(market, halt, lambda bar: None, CODES[:1])
    found = find(market)
    assert told(found) == {(gone, "missing_session"), (cut, "truncated_session")}
    assert {each.symbol for each in found if each.kind == "missing_bar"} == set(CODES[8:])
    assert halt not in {each.day for each in found}


def test_a_halt_of_which_a_second_source_has_a_bar_is_a_missing_bar() -> None:
    market, halt = healthy(), DAYS[180]
    assert told(find(replaced(market, halt, lambda bar: None, ["AAJ"]), [market]), "AAJ") == {(halt, "missing_bar")}


def test_a_whole_session_in_cents_and_one_in_lots_are_named() -> None:
    market = replaced(healthy(), DAYS[50], times(100.0))
    market = replaced(market, DAYS[150], times(1.0, 0.001))
    assert told(find(market)) == {(DAYS[50], "price_unit"), (DAYS[150], "volume_outlier")}


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("ohlc_order", lambda bar: bar._replace(high=bar.low, low=bar.high)), ("price_domain", lambda bar: bar._replace(open=0.0)),
        ("price_domain", lambda bar: bar._replace(close=float("nan"))), ("zero_volume", lambda bar: bar._replace(volume=0.0)),
        ("volume_domain", lambda bar: bar._replace(volume=-7.0)), ("volume_domain", lambda bar: bar._replace(volume=4e12)),
        ("high_outlier", lambda bar: bar._replace(high=bar.high * 10)), ("low_outlier", lambda bar: bar._replace(low=round(bar.low / 10, 3))),
        ("price_unit", times(100.0)), ("price_unit", times(0.01)), ("price_unit", times(0.1)), ("spike", times(4.0)), ("spike", times(0.27)),
    ],
)  # fmt: skip
def test_a_bar_that_is_wrong_is_named_by_its_fault(kind: str, change: Callable[[Bar], Bar]) -> None:
    market = healthy()
    code = max(CODES, key=lambda each: market[each][80].close)
    day = next(each for each in DAYS[80:] if of(market, code, each).high > of(market, code, each).low)
    assert told(find(replaced(market, day, change, [code])), code) == {(day, kind)}


def test_a_newest_bar_in_cents_is_named_before_anybody_saw_it_come_back_and_a_split_is_not_taken_for_one() -> None:
    for factor, kinds in ((0.01, {(DAYS[-1], "price_unit")}), (0.1, set())):
        assert told(find(replaced(healthy(), DAYS[-1], times(factor), ["AAJ"])), "AAJ") == kinds


def test_a_fault_of_many_codes_on_one_day_is_told_of_the_market_too() -> None:
    found = find(replaced(healthy(), DAYS[33], lambda bar: bar._replace(open=0.0), CODES[:9]))
    assert told(found) == {(DAYS[33], "price_domain")}
    assert len(found) == 10


def test_an_absurd_volume_is_named_and_a_busy_day_is_not() -> None:
    market, day = healthy(), DAYS[130]
    calm = replaced(market, day, lambda bar: of(market, "AAJ", DAYS[129])._replace(start=day, volume=9e9), ["AAJ"])
    assert told(find(calm), "AAJ") == {(day, "volume_outlier")}
    assert find(replaced(market, day, lambda bar: bar._replace(volume=(bar.volume or 0) * 30), ["AAJ"])) == []


def test_a_row_twice_is_a_conflict_when_its_values_differ() -> None:
    market = healthy()
    market["AAJ"].insert(41, market["AAJ"][40])
    assert find(market) == []
    market["AAJ"][41] = market["AAJ"][41]._replace(close=market["AAJ"][41].low)
    assert told(find(market), "AAJ") <= {(DAYS[40], "dup_conflict")}


@pytest.mark.parametrize(("factor", "lasting"), [(1 / 3, 3.0), (1 / 10, 10.0), (5.0, 0.2), (1 / 2.065, 2.065)])
def test_a_split_is_named_and_a_crash_is_not(factor: float, lasting: float) -> None:
    market = healthy()
    code, day = max(CODES, key=lambda each: market[each][120].close), DAYS[120]
    split = {**market, code: [each if each.start < day else times(factor, lasting)(each) for each in market[code]]}
    assert told(find(split), code) == {(day, "split")}
    news = {**market, code: [each if each.start < day else times(factor, 12 * lasting)(each) for each in market[code]]}
    assert told(find(news), code) == set()


def test_a_code_that_comes_back_as_another_company_is_named_and_a_long_suspension_is_not() -> None:
    market = healthy()
    days = [each.session_date for each in sessions("XASX", date(2010, 1, 4), date(2018, 12, 31))]
    late = [each._replace(start=day) for each, day in zip(market["AAJ"], days[-len(DAYS) :], strict=False)]
    old = [each._replace(start=day) for each, day in zip(market["AAJ"], days, strict=False)]
    for factor, kinds in ((7.0, {"identity_break"}), (1.0, {"identity_break"})):
        both = [*old, *(times(factor)(each) for each in late)]
        found, _ = whole.find({"AAJ": both}, days, str)
        assert {each.kind for each in found} == kinds
    soon = [each._replace(start=day) for each, day in zip(market["AAJ"], days[len(old) + 120 :], strict=False)]
    found, _ = whole.find({"AAJ": [*old, *soon]}, days, str)
    assert found == []
    said = [Record(days[len(old) + 30], "AAJ", "", "AAJ LIMITED left the market")]
    found, _ = whole.find({"AAJ": [*old, *(times(7.0)(each) for each in soon)]}, days, str, records=said)
    assert [(each.kind, each.day) for each in found] == [("identity_break", soon[0].start)]
    assert "left the market" in found[0].evidence


def test_a_change_of_code_joins_the_two_ends() -> None:
    market, day = healthy(), DAYS[100]
    cut = {**market, "AAJ": [each for each in market["AAJ"] if each.start < day], "NEW": [each for each in market["AAJ"] if each.start >= day]}
    found = find(cut, records=[Record(day, "AAJ", "NEW", "Old Limited became New Limited (NEW)")])
    assert [(each.symbol, each.day, each.kind) for each in found] == [("AAJ", day, "code_change")]


def test_two_feeds_in_one_series_are_named_and_a_share_that_fell_asleep_is_not() -> None:
    rnd, market = random.Random(2), healthy()
    mixed = {**market, "AAJ": [each._replace(volume=(each.volume or 0) / 30) if rnd.random() < 0.4 else each for each in market["AAJ"]]}
    assert {each.kind for each in find(mixed)} == {"two_feeds"}
    asleep = {**market, "AAJ": [each._replace(volume=float(int((each.volume or 0) / 30))) if each.start > DAYS[100] else each for each in market["AAJ"]]}
    assert find(asleep) == []


def volumes_of(file: Path) -> list[tuple[date, list[float]]]:
    """The volumes of a file of minutes, by session."""
    days: dict[date, list[float]] = {}
    with gzip.open(file, "rt", newline="") as rows:
        for row in csv.reader(rows):
            if row[-1].replace(".", "").isdigit():
                days.setdefault(date.fromisoformat(row[0][:10]), []).append(float(row[-1]))
    return list(days.items())


def test_the_file_in_which_two_feeds_are_mixed_is_recognised_and_files_of_one_feed_are_not(recordings: Path) -> None:
    mixed = next((recordings / "intraday" / "other").glob("SPY_1min_MIXED*"), None)
    if mixed is None:
        pytest.skip("recordings absent: SPY_1min_MIXED")
    assert [day for day, _ in series.feed_changes(volumes_of(mixed))] == [date(2026, 1, 22), date(2026, 3, 9), date(2026, 3, 12)]
    pure = sorted((recordings / "intraday" / "ib_1min_us").glob("*.csv.gz"))
    assert len(pure) >= 5
    assert [each for file in pure[:5] for each in series.feed_changes(volumes_of(file))] == []


def test_a_share_of_a_tenth_of_a_cent_that_hardly_trades_gives_no_alarm() -> None:
    rnd = random.Random(9)
    bars = [Bar(day, p, p, p, p, float(rnd.choice((1000, 25_000, 100_000)))) for day in DAYS if rnd.random() < 0.5 for p in [rnd.choice((0.001, 0.002, 0.003))]]
    assert find({**healthy(), "AAJ": bars}) == []


def test_a_second_source_decides_and_judges() -> None:
    """A day that was lost and filled with the next one's bars: only the other source can know, adjusted as it is."""
    market, lost = healthy(), DAYS[90]
    adjusted = {code: [Bar(each.start, *(value / 2 for value in each[1:5]), volume=each.volume) for each in bars] for code, bars in market.items()}
    true = {code: list(bars) for code, bars in market.items()}
    shifted = {code: [of(market, code, DAYS[91])._replace(start=lost) if each.start == lost else each for each in bars] for code, bars in market.items()}
    found, judgement = whole.find(shifted, DAYS, str, theirs=[adjusted])
    assert told(found) == {(lost, "copied_session")}
    says = f"second source has 0 of {len(CODES)} bars of {lost} and {len(CODES)} of {len(CODES)} bars of {DAYS[91]} as they stand here"
    assert says in found[0].evidence and "overnight gap in front of it" in found[0].evidence, "both judges are heard"
    assert second.false_alarms(found, judgement) == []
    assert len(judgement.agreed) > 0.95 * len(DAYS) * len(CODES)
    wrong = replaced(true, DAYS[40], times(1.02))
    found, _ = whole.find(wrong, DAYS, str, theirs=[true])
    assert told(found) == {(DAYS[40], "wrong_day")}


def test_a_second_source_of_the_right_day_alone_is_enough_and_one_that_denies_both_days_leaves_it_to_the_gaps() -> None:
    market, lost, next_day = healthy(), DAYS[90], DAYS[91]
    shifted = {code: [of(market, code, next_day)._replace(start=lost) if each.start == lost else each for each in bars] for code, bars in market.items()}
    only = {code: [each for each in bars if each.start != lost] for code, bars in market.items()}
    found = find(shifted, [only])
    assert told(found) == {(lost, "copied_session")} and f"of {next_day} as they stand here" in found[0].evidence
    denies = replaced(replaced(market, lost, times(3.0)), next_day, times(1.5))
    evidence = [each.evidence for each in find(shifted, [denies]) if (each.day, each.kind) == (lost, "copied_session")]
    assert len(evidence) == 1 and "second source" not in evidence[0] and "overnight gap" in evidence[0]


def test_a_second_source_that_stopped_early_that_day_accuses_nobody_and_ours_is_accused_the_other_way_round() -> None:
    market, day = healthy(), DAYS[40]

    def early(bar: Bar) -> Bar:
        return Bar(bar.start, bar.open, max(bar.open, bar.low), bar.low, bar.low, (bar.volume or 0) * 0.3)

    cut = replaced(market, day, early)
    assert find(market, [cut]) == []
    assert told(find(cut, [market])) == {(day, "partial_session")}


def test_the_counter_of_false_alarms_counts() -> None:
    """An error that both sources share is an alarm on a day that the second source confirms."""
    market = replaced(healthy(), DAYS[80], lambda bar: bar._replace(high=round(bar.high * 10, 2)), ["AAJ"])
    found, judgement = whole.find(market, DAYS, str, theirs=[market])
    assert [each.kind for each in second.false_alarms(found, judgement)] == ["high_outlier"]


def test_what_is_known_of_the_recorded_eighteen_is_found(recordings: Path) -> None:
    """Facts from other places: the exchange's bonus issue and splits, the days that a second collector has otherwise, the
    calendar that the exchange published, the transfer of codes."""
    bars = eighteen(recordings)
    days = [each.session_date for each in sessions("XASX", date(1997, 1, 1), date(2021, 12, 31))]
    theirs = asx_days.read(recordings / "asx_daily" / "yahoo_adjclose_vvilp_2000_2022").theirs
    found, judgement = whole.find(bars, days, lambda day: f"closed on {day}", theirs=theirs)
    assert second.false_alarms(found, judgement) == []
    assert len(judgement.agreed) > 5000
    market = told(found)
    assert (date(2008, 8, 25), "wrong_day") in market
    assert {(date(2000, 12, 25), "closed_day"), (date(2009, 1, 1), "closed_day"), (date(2002, 3, 29), "closed_day")} <= market
    assert {(date(2006, 3, 28), "copied_session"), (date(2007, 3, 1), "copied_session"), (date(2008, 8, 26), "partial_session")} <= market
    assert {(date(2016, 11, 1), "missing_session"), (date(2011, 4, 7), "missing_session"), (date(2020, 5, 29), "missing_session")} <= market
    splits = {(each.symbol, each.day) for each in found if each.kind == "split"}
    assert {("BHP", date(2001, 6, 29)), ("CSL", date(2007, 10, 18)), ("FMG", date(2007, 12, 19))} <= splits
    assert ("APT", date(2017, 6, 29)) in {(each.symbol, each.day) for each in found if each.kind == "identity_break"}
    assert {each.kind for each in found if each.symbol == "TCL"} >= {"price_unit"}
    assert len({each for each in found if each.kind in ("ohlc_order", "price_domain") and each.symbol != "*"}) >= 50
    crashes = {("ANZ", date(2008, 9, 30)), ("FMG", date(2008, 10, 8)), ("XRO", date(2020, 3, 16))}
    assert not crashes & {(each.symbol, each.day) for each in found}
