"""Rows 20 to 38 through the whole path: one run in which every symbol meets a fault of its own, and one when all is well.

The gateway sends it over the wire, ib_insync's socket reads it, and what is asserted stands in the database.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from scizor.base.clock import StoppedClock
from scizor.base.exit import Exit
from scizor.market.types import Kind, Timeframe
from scizor.replay.sources.master import load as load_master
from scizor.replay.sources.simulated import Simulated
from tests.jobs.stage import CLOSE
from tests.rows.harvest import BAR_FAULTS, CLEAN, ERROR_FAULTS, Harvest
from tests.rows.recount import disagreements

EVERYBODY = (*BAR_FAULTS, *ERROR_FAULTS, *CLEAN)
REFUSED = {symbol: rule for symbol, (_, _, rule) in BAR_FAULTS.items() if rule}


def days_of(harvest: Harvest) -> list[date]:
    """Those that a symbol without a fault has."""
    days = sorted(harvest.first.bars["RMD"])
    assert len(days) > 245
    return days


def middle_of(harvest: Harvest) -> date:
    """The session that the gateway's faults strike: it is the one that a symbol's answer was sent without."""
    ((day, why, is_explained),) = harvest.first.gaps["XRO"]
    assert (why, is_explained) == ("unknown", False) and day not in harvest.first.bars["XRO"]
    return day


def test_honest_neighbours_are_whole_and_the_run_says_that_others_are_not(harvest: Harvest) -> None:
    assert harvest.first.status is Exit.PARTIAL
    for symbol in CLEAN:
        assert harvest.first.complete[symbol] == harvest.first.bars[symbol] == set(days_of(harvest))
        assert harvest.first.gaps[symbol] == []


def test_row_27_bars_out_of_order_are_sorted_and_a_bar_said_twice_counts_once(harvest: Harvest) -> None:
    days = days_of(harvest)
    assert sorted(harvest.first.bars["CBA"]) == sorted(harvest.first.bars["BHP"]) == days
    (twice,), (mixed,) = harvest.first.logs["CBA"], harvest.first.logs["BHP"]
    assert (twice["records_collected"], twice["stored"], twice["duplicates"]) == (len(days) + 1, len(days), 1)
    assert (mixed["records_collected"], mixed["stored"], mixed["duplicates"]) == (len(days), len(days), 0)


@pytest.mark.parametrize(("symbol", "rule"), REFUSED.items())
def test_rows_28_29_30_31_33_39_a_bad_bar_is_refused_by_name_and_blocks_nobody(
    harvest: Harvest, symbol: str, rule: str
) -> None:
    """Both bars of a conflict (28), the order of prices (29), what is no price (30), a negative volume (31), more than
    eight decimals (33), and yesterday served again: nobody knows which of the two it was (39)."""
    days = days_of(harvest)
    refused = sorted(harvest.first.refused[symbol])
    struck = days[-2:] if rule == "stale_session" else [middle_of(harvest)]
    assert refused == [(rule, day) for day in struck] * (2 if rule == "dup_conflict" else 1)
    assert harvest.first.bars[symbol] == harvest.first.complete[symbol] == set(days) - set(struck)
    assert harvest.first.gaps[symbol] == [(day, "quarantined", False) for day in struck]
    (log,) = harvest.first.logs[symbol]
    assert (log["outcome"], log["quarantined"], log["stored"]) == ("ok", len(refused), len(days) - len(struck))


def test_row_31_a_volume_of_minus_one_is_none_and_its_bar_is_kept(harvest: Harvest) -> None:
    days = days_of(harvest)
    assert harvest.first.bars["TLS"] == set(days)
    found = harvest.there.rows(
        "SELECT count(*) FILTER (WHERE h.volume IS NULL), count(*) FROM bars_history h JOIN symbols s ON s.id = h.symbol_id WHERE symbol = 'TLS'"
    )
    now = harvest.there.rows("SELECT count(*) FILTER (WHERE volume IS NULL) FROM bars JOIN symbols s ON s.id = symbol_id WHERE symbol = 'TLS'")
    assert found[0][0] + now[0][0] == 1  # in the table, or in the history once it was said better


def test_row_20_a_bar_that_is_left_out_is_missing_and_not_explained(harvest: Harvest) -> None:
    assert harvest.first.bars["XRO"] == harvest.first.complete["XRO"] == set(days_of(harvest)) - {middle_of(harvest)}


@pytest.mark.parametrize("symbol", ERROR_FAULTS)
def test_rows_20_21_22_23_24_26_what_failed_is_stored_as_what_it_is_and_covers_nothing(harvest: Harvest, symbol: str) -> None:
    """No data (20), a 162 that nobody understands and an invalid step (21), not subscribed and delayed (23), 366, 321, 322,
    420, 10197 (24), an answer that breaks off (26)."""
    _, _, outcome = ERROR_FAULTS[symbol]
    logs = harvest.first.logs[symbol]
    assert {log["outcome"] for log in logs} == {outcome}
    assert {log["status"] for log in logs} == {"failed"}
    assert sum(log["records_collected"] for log in logs) == 0
    assert harvest.first.bars[symbol] == harvest.first.complete[symbol] == set()
    gaps = harvest.first.gaps[symbol]
    assert gaps and not any(is_explained for *_, is_explained in gaps)


def test_row_21_what_162_says_is_kept_word_for_word_and_a_wrong_request_is_asked_once(harvest: Harvest) -> None:
    step, strange = harvest.first.logs["AMC"], harvest.first.logs["ORG"]
    assert "invalid step" in step[0]["error_message"] and step[0]["is_permanent"]
    assert "algo que nadie entiende" in strange[0]["error_message"]
    for symbol in ("AMC", "ORG", "JHX"):
        con_id = harvest.there.con_id(symbol)
        asked = [each for each in harvest.there.requests() if each.fields.get("con_id") == con_id]
        assert len(asked) == 2, "once with the fault, once without: no blind retry"


def test_when_all_is_well_the_next_run_mends_everything(harvest: Harvest) -> None:
    days = set(days_of(harvest))
    assert harvest.second.status is Exit.DONE
    for symbol in EVERYBODY:
        assert harvest.second.bars[symbol] == harvest.second.complete[symbol] == days, symbol
        assert harvest.second.gaps[symbol] == [], symbol
    assert harvest.second.refused == harvest.first.refused, "what was refused is kept"


def test_I10_the_bars_in_the_table_are_those_of_the_gateway_digit_for_digit(harvest: Harvest) -> None:
    clock = StoppedClock(CLOSE)
    source = Simulated(1, load_master(), clock)
    days = days_of(harvest)
    checked = 0
    for symbol in ("RMD", "QAN", "TPG", "CBA", "BHP"):
        sent = {
            each.start: tuple(None if value is None or value == -1 else Decimal(repr(value)) for value in each[1:8])
            for each in source.bars(harvest.there.con_id(symbol), Timeframe.DAY1, Kind.TRADES, True, days[0], days[-1], CLOSE)
        }
        stored = {
            day: tuple(None if value is None else Decimal(value) for value in values)
            for day, *values in harvest.there.rows(
                "SELECT session_date, open, high, low, close, volume, wap, trades FROM bars JOIN symbols s ON s.id = symbol_id WHERE symbol = %s", symbol
            )
        }
        assert stored == sent, symbol
        checked += len(stored)
    assert checked > 5 * 245


def test_I12_what_came_is_stored_refused_or_counted_as_a_double(harvest: Harvest) -> None:
    for symbol in BAR_FAULTS:
        (log,) = harvest.first.logs[symbol]
        assert log["records_collected"] == log["stored"] + log["quarantined"] + log["duplicates"]
        assert log["stored"] == len(harvest.first.bars[symbol])
        assert log["quarantined"] == len(harvest.first.refused[symbol])
    assert sum(log["quarantined"] for symbol in BAR_FAULTS for log in harvest.first.logs[symbol]) > 10


def test_I15_coverage_is_what_a_full_recount_of_the_bars_gives(harvest: Harvest) -> None:
    """Planted beside it: a bar that went, a session that was never stored, a count that is off."""
    rows = harvest.there.rows
    assert harvest.first.wrong == harvest.second.wrong == disagreements(rows) == {}
    assert rows("SELECT count(*) FROM bars")[0][0] > 7000
    with harvest.there.database.transaction(force_rollback=True):
        harvest.there.database.execute("ALTER TABLE bars DISABLE TRIGGER USER")
        harvest.there.database.execute("DELETE FROM bars WHERE symbol_id = (SELECT id FROM symbols WHERE symbol = 'RMD') AND session_date = %s", [days_of(harvest)[5]])
        harvest.there.database.execute("UPDATE coverage SET complete = complete - datemultirange(daterange(%s, %s)) WHERE symbol_id = (SELECT id FROM symbols WHERE symbol = 'QAN')", [days_of(harvest)[7], days_of(harvest)[9]])
        found = disagreements(rows)
    assert found["complete, and no bar is there"] == [("RMD", days_of(harvest)[5])]
    assert sorted(found["a bar, and not complete"]) == [("QAN", days_of(harvest)[7]), ("QAN", days_of(harvest)[8])]
    assert len(found["asked for, and neither complete nor missing"]) == 2
    assert [symbol for symbol, _ in found["bar_count is wrong"]] == ["RMD"]
