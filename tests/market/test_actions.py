"""Splits, dividends and new owners of a code, read off the overlap: planted, and as the recordings have them."""

from __future__ import annotations

import csv
import gzip
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from tests.bench import history_h8
from tests.market.asx_recorded import eighteen, others

from scizor.market import actions, validate
from scizor.market.actions import Finding, Step, Type, Verdict, Volumes, compare, fraction, suspect
from scizor.market.ladder import ladder
from scizor.market.types import Bar
from scizor.replay.sources import master

TICK = ladder("XASX").tick_size
FIRST = date(2024, 3, 4)


def bars(count: int = 8, price: float = 30.0, volume: float | None = 100_000.0) -> list[Bar]:
    """Good daily bars, no two alike."""
    return [
        Bar(FIRST + timedelta(days=i), price + i * 0.1, price + i * 0.1 + 0.25, price + i * 0.1 - 0.2, round(price + i * 0.1 + 0.11, 2),
            None if volume is None else volume + 317 * i)
        for i in range(count)
    ]  # fmt: skip


def scaled(bar: Bar, new: int, old: int, decimals: int = 4, volume: bool = True) -> Bar:
    prices = [round(each * old / new, decimals) for each in bar[1:5]]
    turnover = bar.volume if bar.volume is None or not volume else round(bar.volume * new / old, 2)
    return Bar(bar.start, *prices, turnover)


def only(finding: Finding) -> Step:
    assert finding.verdict is Verdict.STEP, finding
    assert len(finding.steps) == 1, finding
    return finding.steps[0]


@pytest.mark.parametrize(("new", "old"), [(2, 1), (3, 1), (10, 1), (3, 2), (11, 10), (21, 20), (1, 10), (1, 23), (43, 50), (20651, 10000), (8511, 10000)])
@pytest.mark.parametrize("decimals", [2, 4, 9])
def test_a_constant_ratio_is_a_split_whatever_it_was_rounded_to(new: int, old: int, decimals: int) -> None:
    stored = bars()
    fetched = [scaled(each, new, old, decimals) for each in stored[-5:]] + [Bar(FIRST + timedelta(days=8), 10.0, 10.2, 9.9, 10.1, 5e5)]
    step = only(compare(stored, fetched, TICK))
    assert step.type is Type.SPLIT and (step.new, step.old) == (new, old)
    assert step.after == FIRST + timedelta(days=7) and step.ex_date == FIRST + timedelta(days=8)
    assert step.sessions == 5 and step.volumes is Volumes.SCALED


def test_sessions_behind_the_ex_date_that_are_stored_already_date_it() -> None:
    whole = bars(8)
    stored = [*whole[:5], *[scaled(each, 2, 1) for each in whole[5:]]]
    step = only(compare(stored, [scaled(each, 2, 1) for each in whole], TICK))
    assert (step.type, step.new, step.old, step.ex_date) == (Type.SPLIT, 2, 1, whole[5].start)


def test_two_splits_in_a_history_that_was_never_fetched_again_are_two_steps() -> None:
    whole = bars(900, price=20.0)
    stored = [*whole[:300], *[scaled(each, 2, 1) for each in whole[300:600]], *[scaled(each, 6, 1) for each in whole[600:]]]
    found = compare(stored, [scaled(each, 6, 1) for each in whole], TICK)
    assert [(each.type, each.new, each.old, each.ex_date) for each in found.steps] == [
        (Type.SPLIT, 2, 1, whole[300].start), (Type.SPLIT, 3, 1, whole[600].start),
    ]  # fmt: skip


def test_a_history_of_several_splits_is_not_another_contracts_and_another_contracts_is_no_split(recordings: Path) -> None:
    whole = {code: found for code, found in others(recordings).items() if len(found) >= 900}
    codes = [code for code, found in sorted(whole.items()) if min(each.low for each in found[-900:]) > 1][:12]
    assert len(codes) > 10
    for code, other in pairwise(codes):
        own = whole[code][-900:]
        stored = {each.start: each for each in [*own[:300], *[scaled(each, 2, 1) for each in own[300:600]], *[scaled(each, 6, 1) for each in own[600:]]]}
        assert not validate.is_another_contract([scaled(each, 6, 1) for each in own], stored, "XASX"), code
        theirs = [each._replace(start=mine.start) for each, mine in zip(whole[other][-900:], own, strict=True)]
        assert validate.is_another_contract(theirs, stored, "XASX"), (code, other)
        for count in (5, 60, 900):
            found = compare(stored.values(), theirs[-count:], TICK)
            assert not any(each.type is Type.SPLIT for each in found.steps), (code, other, count)


def test_row_40_an_overnight_gap_without_another_basis_is_no_split_but_a_suspicion() -> None:
    stored = bars()
    halved = scaled(bars(9)[8], 2, 1)._replace(volume=250_000.0)
    assert compare(stored, [*stored[-5:], halved], TICK).verdict is Verdict.SAME
    assert suspect(stored, halved, TICK) == (halved.start, 2, 1)
    assert suspect(stored, halved._replace(volume=100_000.0), TICK) is None, "nobody traded more shares"
    assert suspect(stored, bars(9)[8], TICK) is None and suspect([], halved, TICK) is None
    dust = [each._replace(open=0.002, high=0.002, low=0.002, close=0.002) for each in stored]
    assert suspect(dust, Bar(halved.start, 0.001, 0.001, 0.001, 0.001, 9e5), TICK) is None, "one step of the ladder"


def test_a_dividend_moves_prices_a_little_and_volumes_not_at_all() -> None:
    stored = bars()
    fetched = [scaled(each, 1000, 970, volume=False) for each in stored[-5:]] + [bars(9)[8]]
    step = only(compare(stored, fetched, TICK))
    assert step.type is Type.DIVIDEND and step.volumes is Volumes.SAME
    assert step.amount == pytest.approx(0.03 * stored[-1].close, abs=0.01)


def test_prices_that_halve_while_volumes_stay_are_for_a_person() -> None:
    stored = bars()
    fetched = [scaled(each, 2, 1, volume=False) for each in stored[-5:]]
    step = only(compare(stored, fetched, TICK))
    assert step.type is Type.UNCLEAR and step.ex_date is None


def test_without_volumes_it_depends_on_what_the_vendor_adjusts_for() -> None:
    stored = bars(volume=None)
    fetched = [scaled(each, 11, 10) for each in stored[-5:]] + [bars(9)[8]]
    assert only(compare(stored, fetched, TICK)).type is Type.SPLIT
    assert only(compare(stored, fetched, TICK, pays_dividends=True)).type is Type.DIVIDEND
    flat = [each._replace(open=0.002, high=0.002, low=0.002, close=0.002) for each in stored]
    tenfold = [each._replace(open=0.02, high=0.02, low=0.02, close=0.02) for each in flat]
    assert only(compare(flat, tenfold, TICK)).type is Type.UNCLEAR, "any flat share would fit"


def test_a_share_of_a_few_ticks_is_split_by_its_volumes() -> None:
    stored = [Bar(FIRST + timedelta(days=i), 0.003, 0.004, 0.003, 0.003, 1_000_003.0 + 7919 * i) for i in range(8)]
    fetched = [each._replace(volume=round(each.volume * 21 / 20, 2)) for each in stored[-5:] if each.volume]
    step = only(compare(stored, fetched, TICK))
    assert (step.type, step.new, step.old) == (Type.SPLIT, 21, 20)


def test_mended_sessions_are_no_step_and_do_not_hide_one() -> None:
    stored = bars()
    mended = stored[6]._replace(high=stored[6].high + 0.4, close=stored[6].high + 0.2)
    late = stored[5]._replace(volume=103_000.0)
    found = compare(stored, [stored[4], late, mended, stored[7]], TICK)
    assert found.verdict is Verdict.CORRECTED and found.steps == () and mended.start in found.strange
    step = only(compare(stored, [scaled(each, 3, 1) for each in (stored[3], stored[4], late, mended, stored[7])], TICK))
    assert (step.type, step.new, step.old) == (Type.SPLIT, 3, 1)


def test_the_session_before_the_ex_date_may_be_missing_here_or_mended() -> None:
    stored = bars()
    fetched = [scaled(each, 2, 1) for each in bars(9)[3:]]
    assert only(compare(stored[:-1], fetched, TICK)).ex_date == FIRST + timedelta(days=7), "as far as the bars tell"
    assert only(compare(stored[:-1], fetched, TICK, asked=stored[-1].start)).ex_date == FIRST + timedelta(days=8)


def test_another_companys_bars_are_foreign_even_at_a_thousandth_of_the_price() -> None:
    stored, other = bars(), bars(price=7.0)
    stranger = [a._replace(start=b.start, close=a.low, volume=(a.volume or 0) * 1.7) for a, b in zip(other[::-1], stored, strict=True)]
    assert compare(stored, stranger, TICK).verdict is Verdict.FOREIGN
    dust = [Bar(each.start, 0.01, 0.011, 0.01, 0.01 + 0.001 * (i % 2), 1e6 * (i + 1)) for i, each in enumerate(stored)]
    assert not any(each.type is Type.SPLIT for each in compare(stored, dust, TICK).steps)


def test_nothing_in_common_says_nothing() -> None:
    assert compare(bars(), [], TICK).verdict is Verdict.UNCLEAR
    assert compare(bars(), [bars(9)[8]], TICK) == Finding(Verdict.UNCLEAR, 0)
    bad = [each._replace(low=0.0) for each in bars()]
    assert compare(bars(), bad, TICK) == Finding(Verdict.UNCLEAR, 0), "what is no price says nothing"


def test_a_ratio_is_the_fraction_that_somebody_would_announce() -> None:
    assert fraction(2.99, 3.01) == (3, 1) and fraction(0.0999, 0.1001) == (1, 10)
    assert fraction(0.85109994, 0.85110005) == (8511, 10000), "and not 7002:8227"
    assert fraction(2.06509, 2.06511) == (20651, 10000)
    assert fraction(1.49, 1.51) == (3, 2) and fraction(9.8, 10.2) == (10, 1)
    assert fraction(2.0, 1.0) == (0, 0) and fraction(0.0, 1.0) == (0, 0)


def test_I44_planted_splits_are_found_and_gaps_are_not_taken_for_one(recordings: Path) -> None:
    recall, false = history_h8.figures(print, splits=120, gaps=500)
    assert recall["value"] >= 0.99
    assert false["value"] == 0
    assert false["planted"] > 0, "the rule that believes a gap must be fooled, else the gaps prove nothing"


@pytest.mark.parametrize("wide", [5, 250])
def test_recorded_splits_are_found_as_they_were_announced(recordings: Path, wide: int) -> None:
    """As traded before the ex-date, as the vendor serves it on it."""
    known = master.load()
    seen = 0
    for (exchange, symbol), splits in known.splits.items():
        history = eighteen(recordings).get(symbol, others(recordings).get(symbol, []))
        for split in splits:
            past = [each for each in history if each.start < split.ex_date][-wide:]
            coming = [each for each in history if each.start >= split.ex_date][:1]
            if exchange != "ASX" or len(past) < wide or not coming:
                continue
            days = [each.start for each in past]
            fetched = known.adjust(exchange, symbol, past, days, split.ex_date) + coming
            step = only(compare(past, fetched, TICK))
            assert step.type is Type.SPLIT and step.ex_date == split.ex_date, symbol
            assert step.new / step.old == pytest.approx(split.numerator / split.denominator, rel=1e-6), symbol
            assert compare(past, past + coming, TICK).verdict is Verdict.SAME, "the day before"
            seen += 1
    assert seen >= 3


def test_recorded_consolidations_of_another_vendor_are_found(recordings: Path) -> None:
    """The vendor adjusts for dividends too and sends floats; what was traded is worked out from its own ratio."""
    files = sorted((recordings / "asx_daily/yahoo_adj_divs_splits_2024_2026").glob("*.csv.gz"))
    right, missed = 0, []
    for file in files:
        history, splits = yahoo(file)
        for ex_date, ratio in splits:
            past = [each for each in history if each.start < ex_date and each.volume][-30:]
            if len(past) < 10:
                continue
            traded = [
                Bar(each.start, *[history_h8._tick(price * ratio) for price in each[1:5]], float(round((each.volume or 0) / ratio)))
                for each in past
            ]  # fmt: skip
            found = compare(traded, past + [each for each in history if each.start >= ex_date][:1], TICK)
            said = [each for each in found.steps if each.type is Type.SPLIT]
            is_right = len(said) == 1 and abs(said[0].new / said[0].old / ratio - 1) < 0.002 and said[0].ex_date == ex_date
            right += is_right
            missed += [] if is_right else [(file.name, ex_date, ratio, found)]
    assert right >= 5
    assert not missed


def yahoo(file: Path) -> tuple[list[Bar], list[tuple[date, float]]]:
    history, splits = [], []
    with gzip.open(file, "rt") as text:
        for row in csv.DictReader(text):
            day = date.fromisoformat(row["Date"][:10])
            if row["Close"] and float(row["Close"]) > 0:
                history.append(Bar(day, *(float(row[each]) for each in ("Open", "High", "Low", "Close")), float(row["Volume"])))
            if float(row["Stock Splits"] or 0):
                splits.append((day, float(row["Stock Splits"])))
    return history, splits


def test_a_recorded_new_owner_of_a_code_is_foreign(recordings: Path) -> None:
    """APT before 2017 was another company than Afterpay; the stored bars are the one's, the answer's the other's."""
    history = {**eighteen(recordings), **others(recordings)}
    codes = sorted(code for code, found in history.items() if len(found) > 400)
    mine, others_ = history[codes[0]][-60:], codes[1:40]
    for code in others_:
        theirs = [each._replace(start=own.start) for each, own in zip(history[code][-60:], mine, strict=True)]
        found = compare(mine, theirs, TICK)
        assert found.verdict is Verdict.FOREIGN or not any(each.type is Type.SPLIT for each in found.steps), code
        assert found.verdict is not Verdict.SAME


def test_twenty_years_are_compared_like_five_sessions() -> None:
    """Twenty years of one share, most often unchanged, are looked at for every answer."""
    history = bars(5000, price=10.0)
    assert compare(history, history, TICK).verdict is Verdict.SAME
    assert only(compare(history, [scaled(each, 2, 1) for each in history], TICK)).sessions == 5000
    assert actions.compare(history[:5], history, TICK).verdict is Verdict.SAME
