"""Recorded daily files through the whole path: the professional's eighteen stocks, and a sample of the other codes.

What is expected is read from the same files by a few lines that share nothing with the product, so that other codes, years
and faults than these are counted as well. Nothing here knows how many rows, faults or days a recording has.
"""

from __future__ import annotations

import csv
import io
import tarfile
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest
import zstandard

from scizor.base.clock import RunningClock, StoppedClock
from scizor.base.config import Config
from scizor.base.exit import Exit
from scizor.base.paths import ROOT
from scizor.db.connect import connect
from scizor.db.embedded import Embedded
from scizor.replay.sources.folder import open_folder
from tests.conftest import fresh_database
from tests.jobs.scripts import caller
from tests.jobs.stage import Stage, stage

YEARS = 25
SAMPLE = 12  # of the other codes
ORDER = {"price_domain", "high_below_low", "high_below_open", "high_below_close", "low_above_open", "low_above_close"}


class Row(NamedTuple):
    """A line of a recording, numbers as they stand there."""

    code: str
    day: date
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal

    @property
    def is_possible(self) -> bool:
        return 0 < self.low <= min(self.open, self.close) <= max(self.open, self.close) <= self.high


@dataclass
class Collected:
    """A run that is over. rows: what the recording has of each symbol in the horizon, by day."""

    there: Stage
    rows: dict[str, dict[date, Row]]
    first: date
    last: date

    @cached_property
    def bars(self) -> dict[str, dict[date, tuple[Decimal, ...]]]:
        found: dict[str, dict[date, tuple[Decimal, ...]]] = {each: {} for each in self.rows}
        sql = "SELECT symbol, session_date, open, high, low, close, volume FROM bars JOIN symbols ON symbols.id = symbol_id"
        for symbol, day, *values in self.there.rows(sql):
            found[symbol][day] = tuple(values)
        return found

    @cached_property
    def refused(self) -> dict[tuple[str, date], str]:
        sql = "SELECT symbol, q.timestamp AT TIME ZONE 'UTC', rule FROM quarantine q JOIN symbols s ON s.id = symbol_id"
        return {(symbol, at.date()): rule for symbol, at, rule in self.there.rows(sql)}

    @cached_property
    def sessions(self) -> set[date]:
        return {day for (day,) in self.there.rows("SELECT session_date FROM trading_sessions WHERE calendar = 'XASX'")}


@pytest.fixture(scope="module")
def collected(
    server: Embedded, template: str, recordings: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Collected]:
    folder = recordings / "asx_daily"
    if not folder.is_dir():
        pytest.skip("recordings absent: asx_daily")
    home = tmp_path_factory.mktemp("recorded")
    default = Config()
    source = open_folder(folder, RunningClock())
    watched = [each["symbol"] for each in _table(ROOT / "etc/watchlists/asx_professional.csv")]
    last = source.last_session("XASX", watched)
    at = datetime.combine(last, time(8), UTC)
    with fresh_database(server, template) as where, connect(where, application="tests", owner=True) as database:
        config = replace(
            default, mode="replay", database=where, collect=replace(default.collect, daily_years=YEARS),
            paths=replace(default.paths, state=str(home / "state"), logs=str(home / "logs")),
        )  # fmt: skip
        caller(config, database, StoppedClock(at))("symbols", "import", *sorted((ROOT / "etc/universe").glob("*.csv")))
        first = date(at.year - YEARS, at.month, min(at.day, 28))
        recorded = _recorded(folder)
        listed = {symbol for (symbol,) in database.execute("SELECT symbol FROM symbols").fetchall()}
        others = sorted(code for code, rows in recorded.items() if last in rows and code not in listed and code not in ("MBL", "Z1P"))
        chosen = [*watched, *others[:: max(len(others) // SAMPLE, 1)]]
        with stage(config, database, home, source=lambda _: source, at=at) as there:
            there.list_symbols(*(each for each in chosen if each not in listed))
            wanted = [word for each in chosen for word in ("--symbol", each)]
            assert there.run("collect-daily", *wanted) is Exit.DONE
            yield Collected(there, {each: _of(each, recorded, first, last) for each in chosen}, first, last)


def _table(file: Path) -> list[dict[str, str]]:
    lines = [line for line in file.read_text().splitlines() if line and not line.startswith("#")]
    return list(csv.DictReader(lines))


def _recorded(folder: Path) -> dict[str, dict[date, Row]]:
    """Every row by code and day: whole histories first, then what day files have of other days."""
    found: dict[str, dict[date, Row]] = {}
    histories, days = [], []
    for path in sorted(each for each in folder.rglob("*") if each.is_file() and "yahoo" not in str(each)):
        (days if path.suffix == ".txt" or ".tar" in path.suffixes else histories).append(path)
    for path in histories:
        _take(found, _text(path))
    for path in days:
        taken: dict[str, dict[date, Row]] = {}
        if ".tar" in path.suffixes:
            with path.open("rb") as packed, zstandard.ZstdDecompressor().stream_reader(packed) as raw, tarfile.open(fileobj=raw, mode="r|") as archive:
                for member in archive:
                    inside = archive.extractfile(member)
                    if inside is not None:
                        _take(taken, inside.read().decode(), found)
        else:
            _take(taken, _text(path), found)
        for code, rows in taken.items():
            found[code] = rows | found[code]
    return found


def _text(path: Path) -> str:
    if path.suffix == ".zst":
        with path.open("rb") as packed, zstandard.ZstdDecompressor().stream_reader(packed) as raw:
            return io.TextIOWrapper(raw, encoding="utf-8").read()
    return path.read_text()


def _take(found: dict[str, dict[date, Row]], text: str, unless: dict[str, dict[date, Row]] | None = None) -> None:
    """unless: only rows of these codes, of days that are not there."""
    for line in text.splitlines():
        code, day, values = line.split(",", 2)
        if code == "symbol" or (unless is not None and code not in unless):
            continue
        on = date(int(day[:4]), int(day[4:6]), int(day[6:]))
        if unless is None or on not in unless[code]:
            found.setdefault(code, {})[on] = Row(code, on, *map(Decimal, values.split(",")))


def _of(symbol: str, recorded: dict[str, dict[date, Row]], first: date, last: date) -> dict[date, Row]:
    """The rows of the codes that the symbol has held, each for its time, as etc/universe/codes.csv tells."""
    lives = _table(ROOT / "etc/universe/codes.csv")
    held = [(each["code"], each["from"], each["to"]) for each in lives if each["symbol"] == symbol]
    if all(each["code"] != symbol for each in lives):
        held.append((symbol, "", ""))
    found: dict[date, Row] = {}
    for code, since, until in sorted(held, key=lambda each: each[0] == symbol):  # the plain code has the say
        for day, row in recorded.get(code, {}).items():
            if first <= day <= last and (since or "0") <= str(day) <= (until or "9"):
                found[day] = row
    return found


def test_nothing_that_came_is_lost(collected: Collected) -> None:
    there = collected.there
    sql = (
        "SELECT symbol, sum(records_collected), sum(stored), sum(revised + unchanged), sum(quarantined), sum(duplicates), sum(unfinished)"
        " FROM collection_logs JOIN symbols ON symbols.id = symbol_id WHERE timeframe = '1day' GROUP BY symbol"
    )
    found = {symbol: list(map(int, counts)) for symbol, *counts in there.rows(sql)}
    assert set(found) == set(collected.rows)
    for symbol, (received, stored, again, refused, twice, early) in found.items():
        assert received == stored + again + refused + twice + early
        assert received == len(collected.rows[symbol]) + twice
        assert stored == len(collected.bars[symbol])
        quarantined = {day for each, day in collected.refused if each == symbol}
        assert set(collected.bars[symbol]) | quarantined == set(collected.rows[symbol])
        assert not set(collected.bars[symbol]) & quarantined


def test_every_session_of_every_life_is_stored_or_has_a_reason(collected: Collected) -> None:
    """Between the horizon and the last session: complete, or in missing_sessions, never both, never neither."""
    there, asked = collected.there, {day for day in collected.sessions if collected.first <= day <= collected.last}
    lives = dict(there.rows("SELECT symbol, listed_from FROM symbols WHERE symbol = ANY(%s)", list(collected.rows)))
    for symbol, bars in collected.bars.items():
        complete, why = _known(collected, symbol)
        expected = {day for day in asked if day >= (lives[symbol] or collected.first)}
        assert expected <= complete | set(why)
        assert not complete & set(why)
        assert complete == set(bars)
        refused = {day for each, day in collected.refused if each == symbol}
        assert {day for day, each in why.items() if each == "quarantined"} == refused & collected.sessions
        rows = collected.rows[symbol]
        assert all(day < min(rows) for day, each in why.items() if each == "not-listed")
        assert all(each == "unknown" for day, each in why.items() if day not in rows and day > min(rows))
    # and a reason that is taken away is noticed
    symbol, gap = there.rows(
        "SELECT symbol, g.id FROM coverage_gaps g JOIN symbols s ON s.id = symbol_id WHERE why = 'unknown' AND symbol = ANY(%s) LIMIT 1",
        list(collected.rows),
    )[0]  # fmt: skip
    with there.database.transaction(force_rollback=True):
        there.database.execute("DELETE FROM coverage_gaps WHERE id = %s", [gap])
        complete, why = _known(collected, symbol)
        assert not {day for day in asked if day >= (lives[symbol] or collected.first)} <= complete | set(why)


def _known(collected: Collected, symbol: str) -> tuple[set[date], dict[date, str]]:
    """The sessions that the coverage calls complete, and why the others are not."""
    days, complete = sorted(collected.sessions), set()
    sql = "SELECT lower(r), upper(r) FROM coverage c JOIN symbols s ON s.id = c.symbol_id, unnest(complete) AS r WHERE symbol = %s"
    for low, high in collected.there.rows(sql, symbol):
        complete |= set(days[bisect_left(days, low) : bisect_left(days, high)])
    return complete, dict(collected.there.rows("SELECT session_date, why FROM missing_sessions WHERE symbol = %s", symbol))


def test_what_is_stored_is_what_the_files_say_as_exact_decimals(collected: Collected) -> None:
    splits = _table(ROOT / "etc/splits.csv")
    compared = 0
    for symbol, bars in collected.bars.items():
        known = [each for each in splits if each["symbol"] == symbol and date.fromisoformat(each["ex_date"]) <= collected.last]
        for day, stored in bars.items():
            row = collected.rows[symbol][day]
            ratio = Decimal(1)
            for each in known:
                if str(day) < each["ex_date"]:
                    ratio *= Decimal(each["numerator"]) / Decimal(each["denominator"])
            if ratio == 1:
                assert stored == row[2:]
            else:
                assert all(abs(have - price / ratio) <= Decimal("0.00006") for have, price in zip(stored[:4], row[2:6], strict=True))
                assert abs(stored[4] - row.volume * ratio) <= Decimal("0.01")
            compared += 1
    assert compared > 1000


def test_rows_29_and_30_a_bar_whose_prices_cannot_be_is_refused_by_name_and_no_such_bar_is_stored(collected: Collected) -> None:
    for symbol, rows in collected.rows.items():
        wrong = {day for day, row in rows.items() if not row.is_possible}
        assert {day for (each, day), rule in collected.refused.items() if each == symbol and rule in ORDER} == wrong
    assert collected.there.rows("SELECT count(*) FROM bars WHERE NOT (0 < low AND low <= least(open, close) AND greatest(open, close) <= high)") == [(0,)]


def test_row_35_a_bar_of_a_day_on_which_the_exchange_was_closed_is_refused_by_name(collected: Collected) -> None:
    for symbol, rows in collected.rows.items():
        closed = {day for day, row in rows.items() if day not in collected.sessions and row.is_possible}
        assert {day for (each, day), rule in collected.refused.items() if each == symbol and rule == "outside_session"} == closed


def test_row_39_of_days_that_were_copied_neither_is_stored_and_the_day_before_a_holiday_is(collected: Collected) -> None:
    found = 0
    for symbol, rows in collected.rows.items():
        good = [rows[day] for day in sorted(rows) if rows[day].is_possible]
        for one, two in pairwise(good):
            if one[2:6] == two[2:6] and one.volume == two.volume and one.high > one.low and two.volume > 0:
                rules = [collected.refused.get((symbol, each.day)) for each in (one, two)]
                if {one.day, two.day} <= collected.sessions:
                    assert rules == ["stale_session", "stale_session"], (symbol, one.day)
                    found += 1
                elif one.day in collected.sessions:
                    assert rules == [None, "outside_session"], (symbol, one.day)
    stale = [key for key, rule in collected.refused.items() if rule == "stale_session"]
    assert len(stale) >= found
    assert len(stale) <= sum(map(len, collected.rows.values())) / 500, "a rule that refuses this much refuses what is right"


def test_the_wrong_day_of_2007_is_not_believed(collected: Collected) -> None:
    """2007-03-01 stands there with the prices of 2007-03-02."""
    days = (date(2007, 3, 1), date(2007, 3, 2))
    both = [rows for rows in collected.rows.values() if set(days) <= set(rows)]
    if not both:
        pytest.skip("recordings absent: 2007-03-01 and 2007-03-02 of a watched stock")
    for symbol, rows in collected.rows.items():
        if set(days) <= set(rows) and rows[days[0]][2:6] == rows[days[1]][2:6]:
            assert [collected.refused.get((symbol, day)) for day in days] == ["stale_session"] * 2
    stood = {symbol for symbol, rows in collected.rows.items() if set(days) <= set(rows) and rows[days[0]][2:6] == rows[days[1]][2:6]}
    assert stood


@pytest.mark.parametrize(("symbol", "code", "before"), [("APT", "APT", "2017-06-29"), ("ZIP", "ZIP", "2022-04-21")])
def test_row_48_what_a_code_meant_before_it_changed_owner_is_nobody_elses(
    collected: Collected, recordings: Path, symbol: str, code: str, before: str
) -> None:
    theirs = {day: row for day, row in _recorded_of(recordings, code).items() if str(day) < before}
    if not theirs:
        pytest.skip(f"recordings absent: {code} before {before}")
    ours = collected.bars[symbol]
    assert ours
    for day, row in theirs.items():
        assert ours.get(day) != row[2:], "the former holder's"


@pytest.mark.parametrize(("symbol", "codes"), [("MQG", ("MBL", "MQG")), ("ZIP", ("Z1P",)), ("APT", ("AFY", "APT"))])
def test_row_48_a_share_goes_on_under_another_code(collected: Collected, symbol: str, codes: tuple[str, ...]) -> None:
    used = {collected.rows[symbol][day].code for day in collected.bars[symbol]}
    if not set(codes) <= used:
        pytest.skip(f"recordings absent: {', '.join(codes)}")
    assert used == set(codes)
    days = sorted(collected.bars[symbol])
    for one, two in pairwise(days):
        if collected.rows[symbol][one].code != collected.rows[symbol][two].code:
            step = collected.bars[symbol][two][3] / collected.bars[symbol][one][3]
            assert Decimal("0.8") < step < Decimal("1.25"), "one company's price does not leap when its code changes"
            assert (two - one).days < 7


def _recorded_of(recordings: Path, code: str) -> dict[date, Row]:
    found: dict[str, dict[date, Row]] = {}
    for path in (recordings / "asx_daily").rglob(f"{code}.csv"):
        _take(found, _text(path))
    return found.get(code, {})
