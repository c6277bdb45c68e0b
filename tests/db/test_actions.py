"""The views over a bar's price basis, and a company's history through its codes, on recorded bars."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import psycopg
import pytest

from scizor.db import calendar, symbols, windows
from scizor.market.types import Bar, Session, Timeframe, Window
from scizor.market.universe import Life
from tests.db.conftest import Market, listed, ok, xasx
from tests.market.asx_recorded import eighteen, others

Connection = psycopg.Connection[tuple[Any, ...]]
Rows = Callable[..., list[tuple[Any, ...]]]
KNOWN = datetime(2025, 1, 16, 8, tzinfo=UTC)


def act(database: Connection, symbol: str, ex_date: str, new: int, old: int, type_: str = "split", state: str = "confirmed") -> None:
    database.execute(
        "INSERT INTO corporate_actions (symbol_id, ex_date, type, ratio_new, ratio_old, evidence, noticed_at, state)"
        " SELECT id, %s, %s, %s, %s, '{}', %s, %s FROM symbols WHERE symbol = %s",
        [ex_date, type_, new, old, KNOWN, state, symbol],
    )


def store(connection: Connection, symbol: str, bars: Sequence[Bar], sessions: Sequence[Session]) -> None:
    (instrument,) = symbols.load_instruments(connection, KNOWN, [symbol])
    days = [each.start for each in bars]
    window = Window(instrument, Timeframe.DAY1, min(days), max(days))
    windows.store(connection, None, None, window, ok(bars, KNOWN), KNOWN, sessions=sessions)


def test_a_price_on_another_basis_has_the_decimals_that_rounding_left_it(rows: Rows) -> None:
    for price, new, old, is_, why in (
        ("103.1", 3, 1, "34.36666667", "onto a later basis: eight decimals"), ("34.3667", 1, 3, "103.1", "back: four decimals times three are known to three"),
        ("0.5", 1, 10, "5", ""), ("5.95", 1, 10, "59.5", ""), ("21.42", 20651, 10000, "10.37237906", ""), ("10.3724", 10000, 20651, "21.42", ""),
        ("7.7", 5, 5, "7.7", "nothing to do leaves the text as it is"), ("659.965", 1, 1, "659.965", ""),
    ):  # fmt: skip
        assert rows("SELECT rebased(%s::numeric, %s::numeric, %s::numeric)", price, new, old) == [(Decimal(is_),)], (price, why)


def test_only_confirmed_splits_count_and_only_those_that_the_fetch_or_the_day_lies_behind(database: Connection, market: Market, rows: Rows) -> None:
    number = market.instruments["CBA"].symbol_id
    for ex_date, new, state in (("2024-03-01", 2, "confirmed"), ("2024-09-02", 3, "confirmed"), ("2024-10-01", 7, "candidate"), ("2024-11-01", 11, "rejected")):
        act(database, "CBA", ex_date, new, 1, state=state)

    def ratio(day: str, known: str | None, as_of: str | None) -> Decimal:
        ((new, old),) = rows("SELECT new, old FROM price_ratio(%s, %s, %s, %s)", number, day, known, as_of)
        return new / old

    assert ratio("2024-01-02", "2024-01-03Z", "2024-12-01") == 6
    assert ratio("2024-01-02", "2024-01-03Z", "2024-05-01") == 2
    assert ratio("2024-01-02", "2024-05-01Z", "2024-12-01") == 3
    assert ratio("2024-01-02", "2024-05-01Z", None) == Decimal("0.5"), "as traded"
    assert ratio("2024-01-02", None, "2024-12-01") == 6, "a source that never adjusts"
    assert ratio("2024-05-01", "2024-12-01Z", "2024-12-01") == 1
    assert ratio("2024-09-02", "2024-12-01Z", None) == 1, "the ex-date itself is on the new basis"


def test_bars_of_a_source_that_never_adjusts_are_as_traded_whenever_they_were_fetched(
    collector: Connection, database: Connection, market: Market, rows: Rows
) -> None:
    store(collector, "CBA", market.bars()[:5], market.sessions)
    act(database, "CBA", "2025-01-02", 2, 1)
    database.execute("UPDATE bars SET known_from = '2025-01-10Z', close = close - 0.25")
    first = market.bars()[0]
    assert rows("SELECT close FROM as_traded ORDER BY session_date LIMIT 1") == [(Decimal(2) * (Decimal(str(first.close)) - Decimal("0.25")),)]
    collector.execute("UPDATE origins SET price_basis = 'traded' WHERE is_official")
    assert rows("SELECT close, factor FROM as_traded ORDER BY session_date LIMIT 1") == [(Decimal(str(first.close)) - Decimal("0.25"), 1)]
    assert rows("SELECT factor FROM adjusted_to('2025-01-10') LIMIT 1") == [(Decimal("0.5"),)]


def pay(database: Connection, symbol: str, ex_date: str, amount: str, state: str = "confirmed") -> None:
    database.execute(
        "INSERT INTO corporate_actions (symbol_id, ex_date, type, amount, evidence, noticed_at, state)"
        " SELECT id, %s, 'dividend', %s, '{}', %s, %s FROM symbols WHERE symbol = %s",
        [ex_date, Decimal(amount), KNOWN, state, symbol],
    )


def test_total_return_multiplies_by_one_less_dividend_over_the_close_before_and_rounds_once(
    collector: Connection, database: Connection, market: Market, rows: Rows
) -> None:
    """By hand: closes of 10, 10.50, then a 2:1 split, 5.20, 5.25. 0.30 a new share on the split's own ex-date, 0.05 on the last day."""
    days = market.sessions[-4:]
    closes = (10.0, 10.5, 5.2, 5.25)
    bars = [Bar(each.session_date, close, close + 0.125, close - 0.25, close, 1000.0) for each, close in zip(days, closes, strict=True)]
    store(collector, "CBA", bars, market.sessions)
    database.execute("UPDATE origins SET price_basis = 'traded' WHERE is_official")  # or the bars were already on the new basis
    split, last = (str(each.session_date) for each in days[2:])
    act(database, "CBA", split, 2, 1)
    pay(database, "CBA", split, "0.30")
    pay(database, "CBA", last, "0.05")
    pay(database, "CBA", str(days[1].session_date), "0.90", state="candidate")
    first, second = 1 - Fraction("0.30") / Fraction("5.25"), 1 - Fraction("0.05") / Fraction("5.2")

    def closes_on(as_of: str) -> list[Decimal]:
        return [close for (close,) in rows("SELECT close FROM total_return('cba', %s) ORDER BY session_date", as_of)]

    by_hand = [Fraction(10) / 2 * first * second, Fraction("10.5") / 2 * first * second, Fraction("5.2") * second, Fraction("5.25")]
    assert closes_on(last) == [Decimal(round(each * 10**8)).scaleb(-8) for each in by_hand]
    assert closes_on(last)[0] == Decimal("4.66895604") and closes_on(last)[2:] == [Decimal("5.15"), Decimal("5.25")]
    assert closes_on(split) == [Decimal(round(each / second * 10**8)).scaleb(-8) for each in by_hand[:3]], "what nobody could know on that day is left out"
    eve = str(days[1].session_date)
    assert closes_on(eve) == [Decimal("10"), Decimal("10.5")]
    assert rows("SELECT volume, high FROM total_return('CBA', %s) ORDER BY session_date LIMIT 1", last) == [
        (Decimal(2000), Decimal(round(Fraction("10.125") / 2 * first * second * 10**8)).scaleb(-8))
    ], "volumes follow the split alone"
    assert rows("SELECT close FROM adjusted_to(%s) WHERE symbol = 'CBA' ORDER BY session_date LIMIT 1", last) == [(Decimal(5),)]
    pay(database, "CBA", "2025-06-02", "0.10")
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="has no close before it"):
        closes_on("2025-07-01")
    assert len(closes_on(last)) == 4


def test_a_quotient_is_rounded_once(rows: Rows) -> None:
    for dividend, divisor, decimals, is_ in (("1", "3", 8, "0.33333333"), ("2", "3", 8, "0.66666667"), ("1", "8", 2, "0.13"), ("0.125", "1", 2, "0.13"), ("7", "7", 8, "1")):
        assert rows("SELECT exactly(%s::numeric, %s::numeric, %s)", dividend, divisor, decimals) == [(Decimal(is_),)]
    just_under = "0.4999999999999999999999999"  # numeric's own division rounds it up first, and then again
    assert rows("SELECT exactly(%s::numeric, 1, 0)", just_under) == [(Decimal(0),)]


def test_recorded_successors_give_one_continuous_history(recordings: Path, collector: Connection, database: Connection, rows: Rows) -> None:
    """Each code as an instrument of its own, as a database that somebody filled by code has it."""
    sessions = xasx(date(1997, 1, 2), date(2024, 5, 31))
    calendar.store(collector, sessions, "exchange_calendars", KNOWN)
    chains = {"SQ2": ("AFY", "APT"), "MQG": ("MBL",), "ZIP": ("Z1P",), "TCL": ("TCLDA", "TCLDB")}
    next_code = {"AFY": "APT", "APT": "SQ2", "MBL": "MQG", "Z1P": "ZIP", "TCLDA": "TCL", "TCLDB": "TCL"}
    codes = {**recorded_codes(recordings), **eighteen(recordings), "SQ2": others(recordings)["SQ2"]}
    codes["APT"] = [each for each in codes["APT"] if each.start >= date(2017, 6, 29)]
    symbols.store_listed(collector, [listed(each) for each in sorted({*chains, *next_code})], KNOWN)
    for code, successor in next_code.items():
        database.execute("UPDATE symbols SET successor = %s WHERE symbol = %s", [successor, code])
    for code in sorted({*chains, *next_code} - {"ZIP"}):
        store(collector, code, codes[code], sessions)
    act(database, "APT", "2022-01-20", 3, 8, type_="code-change")
    days = [each.session_date for each in sessions]
    for head, past in chains.items():
        found = rows("SELECT symbol, session_date, close, factor FROM continuous(%s) ORDER BY session_date", head)
        seen = [day for _, day, _, _ in found]
        assert len(seen) == len(set(seen)), f"{head}: a session stands there twice"
        assert {symbol for symbol, *_ in found} == {*past, head} - {"ZIP"}
        own = {each.start for code in (head, *past) for each in codes.get(code, []) if code != "ZIP"}
        refused = {day for (day,) in rows("SELECT q.session_date FROM quarantine q JOIN symbols s ON s.id = q.symbol_id WHERE s.symbol = ANY (%s)", [head, *past])}
        assert set(seen) <= own and own - set(seen) <= refused, f"{head}: what was refused as impossible, and no more"
        expected = [each for each in days if seen[0] <= each <= seen[-1]]
        assert len(set(expected) - set(seen)) <= 0.01 * len(expected) + 14, f"{head}: holes"
        assert rows("SELECT count(*) FROM continuous(%s)", past[0]) == [(len(found),)], "asked for by its old code"
    assert rows("SELECT DISTINCT factor FROM continuous('SQ2') WHERE symbol IN ('AFY', 'APT')") == [(Decimal("2.6666666666666667"),)]
    edge = rows("SELECT session_date, symbol, close::float8 FROM continuous('SQ2') WHERE session_date BETWEEN '2021-12-30' AND '2022-01-20' ORDER BY 1")
    assert edge[0][2] == pytest.approx(edge[-1][2], rel=0.3), "0.375 of the successor for one share"
    assert rows("SELECT symbol FROM continuous('TCL') WHERE session_date = '1999-12-01'") == [("TCLDA",)]
    assert rows("SELECT symbol, generation FROM lineage('afy') ORDER BY 2") == [("SQ2", 0), ("APT", 1), ("AFY", 2)]


def test_a_code_that_a_symbol_once_had_names_its_company_and_a_circle_of_successors_ends(
    collector: Connection, database: Connection, market: Market, rows: Rows
) -> None:
    symbols.store_lives(collector, [Life("OLD", "ASX", "CBA", None, date(2007, 11, 2), "CBA", "")])
    assert rows("SELECT symbol FROM lineage('OLD')") == [("CBA",)]
    assert rows("SELECT symbol FROM lineage('NONE')") == []
    database.execute("UPDATE symbols SET successor = CASE symbol WHEN 'CBA' THEN 'BHP' ELSE 'CBA' END")
    assert {each for (each,) in rows("SELECT symbol FROM lineage('CBA')")} == {"CBA", "BHP"}
    store(collector, "CBA", market.bars(5), market.sessions)
    assert rows("SELECT count(*) FROM continuous('BHP')") == [(5,)]


def test_the_collector_adds_batches_and_comparisons_and_takes_none_away(collector: Connection) -> None:
    for table in ("restatements", "reconciliations"):
        for statement in (f"DELETE FROM {table}", f"TRUNCATE {table}", f"DROP TABLE {table}", "UPDATE restatements SET bars = 0"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                collector.execute(statement.encode())


def recorded_codes(recordings: Path) -> dict[str, list[Bar]]:
    found: dict[str, list[Bar]] = {}
    with open(recordings / "asx_daily/temp_and_predecessor_codes_of_the_18.csv") as file:
        for code, day, *values in csv.reader(file):
            if code != "symbol":
                found.setdefault(code, []).append(Bar(date(int(day[:4]), int(day[4:6]), int(day[6:])), *map(float, values)))
    return found
