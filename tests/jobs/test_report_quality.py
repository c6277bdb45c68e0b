"""bin/report-quality on a real database: counts that a recount confirms, a score that the table computes alike, faults told once."""

from __future__ import annotations

import csv
import io
import json
import random
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from scizor.base.clock import StoppedClock
from scizor.base.config import Config
from scizor.base.errors import UsageError
from scizor.base.exit import Exit
from scizor.base.paths import ROOT
from scizor.db import calendar, symbols, windows
from scizor.db.embedded import Embedded
from scizor.market.quality.outliers import RULES
from scizor.market.types import JUDGED, SUSPECT, Bar, Flag, Kind, Origin, OutcomeKind, Timeframe, Window
from scizor.market.validate import FLAGS
from scizor.run import runner
from tests.db.conftest import NOW, failed, listed, ok, xasx
from tests.db.test_monitor import psql
from tests.jobs.scripts import Call, parse, script
from tests.run.configured import write

Capture = pytest.CaptureFixture[str]
CODES = ["AAA", "BBB", "CCC", "DDD", "EEE", "FFF", "GGG", "HHH", "III", "JJJ", "KKK", "LLL"]
DAYS = [each.session_date for each in xasx() if each.last < NOW]
Stored = Callable[..., None]


def series(code: str, days: list[date]) -> list[Bar]:
    rnd, price, bars = random.Random(code), 20.0, []
    for day in days:
        low, open_, close, high = sorted(round(price * rnd.gauss(1, 0.01), 2) for _ in range(4))
        bars.append(Bar(day, open_, high, low, close, float(int(rnd.lognormvariate(11, 0.3)))))
        price = close
    return bars


@pytest.fixture
def store(collector: psycopg.Connection, clock: StoppedClock) -> Stored:
    """store(code=bars, …): daily answers over the last 60 sessions, of twelve symbols."""
    calendar.store(collector, xasx(), "exchange_calendars", NOW)
    symbols.store_listed(collector, [listed(each) for each in CODES], NOW)
    clock.move((NOW + timedelta(hours=2) - clock.now()).total_seconds())

    def put(**answers: list[Bar]) -> None:
        for each in symbols.load_instruments(collector, NOW, list(answers)):
            window = Window(each, Timeframe.DAY1, DAYS[-60], DAYS[-1], Origin())
            windows.store(collector, None, None, window, ok(answers[each.symbol]), NOW)

    return put


@pytest.fixture
def healthy(store: Stored) -> dict[str, list[Bar]]:
    found = {code: series(code, DAYS[-60:]) for code in CODES}
    store(**found)
    return found


def reported(call: Call, capsys: Capture, *argv: str) -> tuple[list[dict[str, Any]], Any]:
    capsys.readouterr()
    result = call("report-quality", "--json", *argv)
    return json.loads(capsys.readouterr().out), result


def counts(row: dict[str, Any]) -> tuple[int, ...]:
    return tuple(row[name] for name in ("series", "expected", "stored", "explained", "missing", "quarantined", "wrong"))


def test_what_is_missing_explained_refused_and_wrong_is_counted_and_the_score_follows(
    call: Call, capsys: Capture, store: Stored, collector: psycopg.Connection, database: psycopg.Connection
) -> None:
    """Of twelve: one refused, one without an answer, one confirmed without trade, one with another unit's price."""
    found = {code: series(code, DAYS[-60:]) for code in CODES}
    found["AAA"][-1] = found["AAA"][-1]._replace(high=1.0)
    del found["BBB"]
    found["CCC"].pop()
    for place in range(-3, -1):
        bar = found["DDD"][place]
        found["DDD"][place] = Bar(bar.start, *(round(each * 100, 2) for each in bar[1:5]), volume=bar.volume)
    store(**found)
    own = symbols.load_instruments(collector, NOW, ["CCC"])[0]
    again = NOW + timedelta(hours=13)
    windows.store(collector, None, None, Window(own, Timeframe.DAY1, DAYS[-1], DAYS[-1], Origin()), ok(found["CCC"][-2:], again), again)
    rows, result = reported(call, capsys, "--date", str(DAYS[-1]))
    assert counts(rows[0])[:6] == (12, 12, 9, 1, 2, 1)
    assert rows[0]["score"] == str(Decimal(1000 - rows[0]["wrong"] * 100).__truediv__(12).quantize(Decimal("0.01"), "ROUND_DOWN"))
    assert result.status is Exit.FINDING and "1 refused bar to decide about" in result.summary and result.hint == "bin/quarantine list"
    before, _ = reported(call, capsys, "--date", str(DAYS[-2]))
    assert before[0]["wrong"] == 1
    assert {(each["symbol"], each["rule"]) for each in before[0]["findings"] if each["severity"] == "hard"} >= {("DDD", "price_unit")}
    assert database.execute("SELECT count(*) FROM quality_reports WHERE score <> trunc(100.0 * (expected - missing - wrong) / expected, 2)").fetchone() == (0,)


def test_a_market_that_was_copied_from_the_day_before_has_no_points(call: Call, capsys: Capture, store: Stored) -> None:
    """Each copy came with some more volume and a later bar of its own, so that no rule for one row refused it."""
    found = {code: series(code, DAYS[-60:]) for code in CODES}
    for bars in found.values():
        bars[-1] = bars[-2]._replace(start=bars[-1].start, volume=(bars[-2].volume or 0) * 1.5)
    store(**found)
    rows, result = reported(call, capsys)
    assert counts(rows[0]) == (12, 12, 12, 0, 0, 0, 12)
    assert rows[0]["score"] == "0.00"
    assert [(each["symbol"], each["rule"]) for each in rows[0]["findings"] if each["severity"] == "hard"] == [("*", "copied_session")]
    assert result.status is Exit.FINDING and "copied_session" in result.failures[0]


def test_a_fault_of_an_earlier_session_is_told_once(call: Call, capsys: Capture, store: Stored, clock: StoppedClock) -> None:
    found = {code: series(code, DAYS[-60:]) for code in CODES}
    bar = found["EEE"][-4]
    found["EEE"][-4] = bar._replace(high=round(bar.high * 9, 2))
    store(**found)
    first, _ = reported(call, capsys)
    assert [(each["symbol"], each["rule"], each["session_date"]) for each in first[0]["findings"] if each["severity"] == "hard"] == [("EEE", "high_outlier", str(DAYS[-4]))]
    clock.move(3600)
    again, result = reported(call, capsys)
    assert [each for each in again[0]["findings"] if each["severity"] == "hard"] == []
    assert result.status is Exit.DONE


def test_a_doubt_is_noted_and_costs_no_points(call: Call, capsys: Capture, store: Stored, database: psycopg.Connection) -> None:
    found = {code: series(code, DAYS[-60:]) for code in CODES}
    bar = found["FFF"][-1]
    found["FFF"][-1] = Bar(bar.start, *(round(each * 1.4, 2) for each in bar[1:5]), volume=bar.volume)
    store(**found)
    rows, result = reported(call, capsys)
    assert rows[0]["doubted"] == 1 and rows[0]["score"] == "100.00"
    assert {(each["symbol"], each["rule"]) for each in rows[0]["findings"]} == {("FFF", "step"), ("FFF", "hampel")}
    assert result.status is Exit.DONE
    assert database.execute("SELECT count(*) FROM quality_findings WHERE severity = 'soft'").fetchone() == (2,)


def test_row_42_minutes_are_counted_and_looked_at_too_and_a_wrong_price_leaves_the_checked_view(
    call: Call, capsys: Capture, collector: psycopg.Connection, store: Stored, clock: StoppedClock
) -> None:
    """Six sessions of five-minute bars; the last has a wrong price and a hole, and bids and asks that gape."""
    own = symbols.load_instruments(collector, NOW, ["AAA"])[0]
    rnd, price = random.Random(4), 20.0
    sessions = [each for each in xasx() if each.session_date in DAYS[-6:]]
    quotes: dict[Kind, list[Bar]] = {Kind.BID: [], Kind.ASK: []}
    for session in sessions:
        bars = []
        for place in range(72):
            low, open_, close, high = sorted(round(price + rnd.gauss(0, 0.02), 2) for _ in range(4))
            start = session.open + place * timedelta(minutes=5)
            bars.append(Bar(start, open_, high, low, close, float(rnd.randint(800, 1200))))
            for kind, off in ((Kind.BID, -0.01), (Kind.ASK, 3.0 if place == 30 else 0.01)):
                level = round(price + off, 2)
                quotes[kind].append(Bar(start, level, level, level, level))
        if session is sessions[-1]:
            bars[40] = Bar(bars[40].start, *(round(each * 1.2, 2) for each in bars[40][1:5]), volume=bars[40].volume)
            del bars[60]
        for kind, answer in ((Kind.TRADES, bars), *((kind, rows[-72:]) for kind, rows in quotes.items())):
            window = Window(own, Timeframe.MIN5, session.session_date, session.session_date, Origin(kind), session.open, session.close)
            windows.store(collector, None, None, window, ok(answer), NOW)
    rows, _ = reported(call, capsys, "--timeframe", "5min")
    assert counts(rows[0]) == (1, 72, 71, 0, 1, 0, 0)
    assert rows[0]["score"] == "98.61"
    told = {(each["rule"], each["start"]) for each in rows[0]["findings"]}
    wrong, gaping = (str(sessions[-1].open + place * timedelta(minutes=5)) for place in (40, 30))
    assert told == {("step", wrong), ("hampel", wrong), ("brownlees_gallo", wrong), ("spread", gaping)} | {each for each in told if each[0] == "step"}
    hidden = "SELECT \"timestamp\" FROM market_data EXCEPT SELECT \"timestamp\" FROM market_data_checked"
    assert collector.execute(hidden.encode()).fetchall() == [(sessions[-1].open + 40 * timedelta(minutes=5),)]
    # the doubts stand on the bars, as bits; they made no version, an answer with the same prices changes nothing, and before
    # the report nobody knew of them
    flagged = "SELECT \"timestamp\", flags, revision, known_from FROM {} WHERE timeframe = '5min' AND origin = (SELECT id FROM origins WHERE is_official) AND flags & {} <> 0"
    suspect = collector.execute(flagged.format("bars", int(SUSPECT)).encode()).fetchall()
    assert suspect == [(bars[40].start, int(Flag.STEP | Flag.HAMPEL | Flag.BROWNLEES_GALLO), 0, NOW)]
    assert collector.execute("SELECT flags FROM market_data WHERE \"timestamp\" = %s", [bars[40].start]).fetchone() == (suspect[0][1],)
    assert collector.execute(flagged.format("bars", int(Flag.SPREAD)).encode()).fetchall() == [(bars[30].start, int(Flag.SPREAD), 0, NOW)]
    known = flagged.format("bars_as_known(%s)", int(JUDGED))
    assert collector.execute(known.encode(), [clock.now() - timedelta(microseconds=1)]).fetchall() == []
    assert suspect[0] in collector.execute(known.encode(), [clock.now()]).fetchall()
    same = windows.store(collector, None, None, Window(own, Timeframe.MIN5, DAYS[-1], DAYS[-1], Origin(), sessions[-1].open, sessions[-1].close), ok(bars, NOW + timedelta(hours=4)), NOW + timedelta(hours=4))
    assert (same.stored, same.revised, same.unchanged) == (0, 0, 71)
    assert collector.execute(flagged.format("bars", int(SUSPECT)).encode()).fetchall() == suspect
    assert collector.execute("SELECT count(*) FROM bars_history").fetchone() == (0,)
    later = NOW + timedelta(hours=5)
    right = [each if each.start != bars[40].start else Bar(each.start, 20.0, 20.02, 19.98, 20.01, each.volume) for each in bars]
    windows.store(collector, None, None, Window(own, Timeframe.MIN5, DAYS[-1], DAYS[-1], Origin(), sessions[-1].open, sessions[-1].close), ok(right, later), later)
    assert collector.execute(hidden.encode()).fetchall() == [], "the vendor has mended it: the finding was about the former version"
    former = collector.execute("SELECT flags FROM bars_history").fetchall()
    assert former == [(suspect[0][1],)], "the former version keeps what was thought of it"


def test_what_later_bars_or_a_person_withdraw_is_withdrawn_from_the_bars_and_a_dry_run_or_some_symbols_flag_nothing(
    call: Call, capsys: Capture, store: Stored, collector: psycopg.Connection, clock: StoppedClock
) -> None:
    """FFF has a genuine gap that six more days confirm; GGG one day in another unit, which a fault names from then on."""
    found = {code: series(code, DAYS[-60:]) for code in CODES}
    found["FFF"] = [each if place < 53 else Bar(each.start, *(round(value * 1.4, 2) for value in each[1:5]), volume=each.volume) for place, each in enumerate(found["FFF"])]
    bar = found["GGG"][-4]
    found["GGG"][-4] = Bar(bar.start, *(round(each * 100, 2) for each in bar[1:5]), volume=bar.volume)
    store(**found)
    flags = "SELECT s.symbol, b.session_date, b.flags FROM bars b JOIN symbols s ON s.id = b.symbol_id WHERE b.flags <> 0 ORDER BY 1, 2"
    for argv in (("--date", str(DAYS[-7]), "--dry-run"), ("--date", str(DAYS[-7]), "--symbol", "FFF")):
        reported(call, capsys, *argv)
        assert collector.execute(flags.encode()).fetchall() == []
    clock.move(60)
    reported(call, capsys, "--date", str(DAYS[-7]))
    gap = ("FFF", DAYS[-7], int(Flag.STEP | Flag.HAMPEL))
    assert collector.execute(flags.encode()).fetchall() == [gap]
    reported(call, capsys)
    left = collector.execute(flags.encode()).fetchall()
    assert [each for each in left if each[0] == "FFF" and each[1] == DAYS[-7]] == [], "five bars confirmed the level"
    assert [(symbol, day) for symbol, day, bits in left if bits & Flag.WRONG] == [("GGG", DAYS[-4])]
    checked = "SELECT count(*) FROM market_data EXCEPT SELECT count(*) + 1 FROM market_data_checked"
    assert collector.execute(checked.encode()).fetchall() == []
    clock.move(60)
    reported(call, capsys)
    assert collector.execute(flags.encode()).fetchall() == left, "a second report changes nothing"


def test_the_bits_are_the_same_in_python_and_in_the_database_and_each_is_a_rule(database: psycopg.Connection) -> None:
    rows = database.execute("SELECT bit, name, is_judged, is_suspect FROM doubt_bits ORDER BY bit").fetchall()
    assert rows == [(int(each), str(each.name).lower(), bool(each & JUDGED), bool(each & SUSPECT)) for each in Flag]
    names = {each.name for each in RULES if each.severity == "soft"} | set(FLAGS)
    assert {str(each.name).lower() for each in Flag} == names | {"wrong"}


def test_a_whole_market_has_100_points_in_every_form_and_its_report_stays_as_it_was_written(
    call: Call, capsys: Capture, healthy: dict[str, list[Bar]], database: psycopg.Connection, clock: StoppedClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    rows, _ = reported(call, capsys, "--dry-run")
    assert database.execute("SELECT count(*) FROM quality_reports").fetchone() == (0,)
    call("report-quality", "--dry-run", "--csv")
    table = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["score"] for row in table] == [rows[0]["score"]] == ["100.00"]
    call("report-quality", "--dry-run")
    assert capsys.readouterr().out == "", "cron would mail it every day"
    with monkeypatch.context() as patched:
        patched.setattr(sys.stderr, "isatty", lambda: True, raising=False)
        call("report-quality", "--dry-run")
    text = capsys.readouterr().out
    assert "100.00" in text and "score = 100 (expected - missing - wrong) / expected" in text
    rows, result = reported(call, capsys)
    assert result.status is Exit.DONE
    assert len(rows) == 1 and rows[0]["session_date"] == str(DAYS[-1])
    assert counts(rows[0]) == (12, 12, 12, 0, 0, 0, 0)
    assert database.execute("SELECT score, expected FROM quality_reports").fetchall() == [(Decimal("100.00"), 12)]
    recount = database.execute("SELECT count(*) FROM bars WHERE timeframe = '1day' AND session_date = %s", [DAYS[-1]]).fetchone()
    assert recount == (rows[0]["stored"],)
    for statement in ("UPDATE quality_reports SET missing = 0", "DELETE FROM quality_reports", "DELETE FROM quality_findings"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            database.execute(statement.encode())
    with pytest.raises(psycopg.errors.CheckViolation):
        database.execute(
            "INSERT INTO quality_reports (session_date, timeframe, origin, made_at, series, expected, stored, explained, missing, quarantined, wrong, doubted, revised) "
            "VALUES ('2025-01-15', '1day', 1, '2025-01-16Z', 1, 9, 1, 1, 1, 0, 0, 0, 0)"
        )
    assert "XASX closed on 2024-12-25" in call("report-quality", "--date", "2024-12-25").summary
    clock.move(-6 * 3600)  # 04:00 UTC, 15:00 in Sydney
    assert "the session of 2025-01-16 is not over" in call("report-quality", "--date", "2025-01-16").summary
    for argv, says in (("--date", "soon"), "is not a date"), (("--symbol", "NOPE"), "is not in the universe"), (("--timeframe", "30min"), "nothing is known of such bars yet"):
        with pytest.raises(UsageError, match=says):
            call("report-quality", *argv)


def test_what_failed_to_come_is_missing_with_the_daily_answer(call: Call, capsys: Capture, store: Stored, collector: psycopg.Connection) -> None:
    store(AAA=series("AAA", DAYS[-60:]))
    own = symbols.load_instruments(collector, NOW, ["BBB"])[0]
    windows.store(collector, None, None, Window(own, Timeframe.DAY1, DAYS[-60], DAYS[-1], Origin()), failed(OutcomeKind.TIMEOUT), NOW)
    rows, result = reported(call, capsys)
    assert counts(rows[0]) == (12, 12, 1, 0, 11, 0, 0)
    assert result.status is Exit.DONE, "what is missing is bin/coverage's to tell"


def test_the_scripts_run_as_cron_runs_them_and_psql_reads_what_they_wrote(
    store: Stored, config: Config, database: psycopg.Connection, server: Embedded, tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """With lock, run row and exit status: a fault is 4 with a hint, a release is a run of its own, and then all is well."""
    bars = series("AAA", DAYS[-60:])
    bars[-1] = bars[-2]._replace(start=bars[-1].start)
    database.execute("UPDATE symbols SET active = symbol = 'AAA'")  # one series is enough
    store(AAA=bars[:-1])
    store(AAA=bars)
    assert database.execute("SELECT rule FROM quarantine").fetchall() == [("stale_session",)]
    at = NOW + timedelta(hours=3)
    whole = replace(config, clock=replace(config.clock, origin=at.isoformat(), started=datetime.now(UTC).isoformat()))
    file = write(whole, tmp_path / "scizor.toml")

    def run(name: str, *argv: str) -> Exit:
        module, args = script(name), parse(name, "--config", str(file), *argv)
        return runner.run(module.job, args, name=name, needs=module.needs(args), scope="")

    assert run("report-quality") is Exit.FINDING
    told = capfd.readouterr()
    assert "1 refused bar to decide about" in told.err and "HINT: bin/quarantine list" in told.err and "log: " in told.err and "again: " in told.err
    number = database.execute("SELECT id FROM quarantine WHERE verdict IS NULL ORDER BY session_date DESC LIMIT 1").fetchone()
    assert number is not None
    assert run("quarantine", "release", str(number[0]), "--note", "the exchange confirms it") is Exit.DONE
    assert capfd.readouterr().err == ""
    owner = database.execute("SELECT r.job FROM collection_logs c JOIN job_runs r ON r.id = c.run_id JOIN quarantine q ON q.released_request_id = c.id").fetchall()
    assert owner == [("quarantine",)]
    assert run("quarantine", "release", "999999", "--note", "x") is Exit.USAGE
    assert run("report-quality") is Exit.DONE
    assert capfd.readouterr().err.count("Traceback") == 0
    assert database.execute("SELECT outcome FROM job_runs WHERE job = 'report-quality' ORDER BY id").fetchall() == [("finding",), ("done",)]
    lines = psql(server, config.database, "-f", str(ROOT / "sql" / "monitor" / "quality.sql")).splitlines()
    assert lines[0].split(",")[:2] == [str(DAYS[-1]), "1day"] and lines[0].endswith(",100.00")
