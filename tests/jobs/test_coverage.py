"""bin/coverage: what it says is what the tables hold, and every missing bar has a reason with its evidence."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from scizor.base.config import Config
from scizor.base.exit import Exit
from tests.jobs.stage import Stage, stage

FROM = "2025-01-06"


@pytest.fixture
def there(config: Config, database: psycopg.Connection, tmp_path: Path) -> Iterator[Stage]:
    with stage(config, database, tmp_path, speed=15.0) as found:
        found.list_symbols("CBA")
        yield found


def told(there: Stage, capfd: pytest.CaptureFixture[str], *words: str) -> tuple[Exit, str]:
    capfd.readouterr()
    status = there.run("coverage", *words)
    return status, capfd.readouterr().out


def test_nothing_missing_ends_with_0_and_says_how_much_there_is(there: Stage, capfd: pytest.CaptureFixture[str]) -> None:
    assert told(there, capfd)[0] is Exit.DONE  # nothing was ever asked for
    assert there.run("backfill", "--symbol", "CBA", "--timeframe", "5min", "--from", FROM) is Exit.DONE
    status, text = told(there, capfd)
    assert status is Exit.DONE
    assert text.splitlines()[1].split() == ["CBA", "5min", "TRADES", "8", "576", "576", "0", "0", "100.00", "%", "-"]


def test_a_missing_bar_ends_with_4_and_has_its_evidence(there: Stage, capfd: pytest.CaptureFixture[str]) -> None:
    there.inject("missing-bar", times=1)
    assert there.run("backfill", "--symbol", "CBA", "--timeframe", "5min", "--from", FROM) is Exit.DONE
    status, text = told(there, capfd, "--why")
    assert status is Exit.FINDING
    [(hole, request)] = there.rows("SELECT session_date::text, request_id FROM missing_sessions")
    assert "unknown 1" in text
    assert any(hole in line and "unknown" in line and f"request {request} (ok)" in line for line in text.splitlines())
    found = json.loads(told(there, capfd, "--json")[1])
    assert [each["missing_days"] for each in found] == [[hole]]
    assert told(there, capfd, "--date", hole)[0] is Exit.FINDING
    other = there.rows("SELECT max(session_date)::text FROM trading_sessions WHERE session_date < %s", hole)[0][0]
    assert told(there, capfd, "--date", other)[0] is Exit.DONE


def test_a_bar_that_vanishes_from_the_table_contradicts_the_ledger_and_is_missing(
    there: Stage, superuser_of: object, capfd: pytest.CaptureFixture[str]
) -> None:
    assert there.run("backfill", "--symbol", "CBA", "--timeframe", "5min", "--from", FROM) is Exit.DONE
    there.database.execute('DELETE FROM bars WHERE "timestamp" = (SELECT max("timestamp") FROM bars WHERE timeframe = \'5min\' AND extract(minute from "timestamp") = 30)')
    status, text = told(there, capfd, "--why")
    assert status is Exit.FINDING
    assert "contradicted 1" in text and "do not bear out the ledger: 2025-01-15" in text
    asked = len(there.requests())
    assert there.run("fill-gaps") is Exit.DONE
    assert len(there.requests()) == asked
    assert there.run("fill-gaps", "--recount") is Exit.DONE
    assert len(there.requests()) == asked + 1
    assert told(there, capfd)[0] is Exit.DONE


def test_a_session_that_nobody_has_asked_for_since_is_missing_and_a_failed_one_says_what_ib_said(
    there: Stage, capfd: pytest.CaptureFixture[str]
) -> None:
    assert there.run("backfill", "--symbol", "CBA", "--timeframe", "5min", "--from", FROM, "--to", "2025-01-13") is Exit.DONE
    status, text = told(there, capfd, "--why")
    assert status is Exit.FINDING and "not asked yet 144" in text
    there.inject("pacing")
    there.run("backfill", "--symbol", "CBA", "--timeframe", "5min", "--from", FROM)
    status, text = told(there, capfd, "--why")
    assert status is Exit.FINDING
    assert "(pacing, 162: Historical Market Data Service error message:" in text


@pytest.mark.parametrize("words", [("--date", "2025-01-15", "--from", FROM), ("--from", "2025-01-15", "--to", FROM), ("--date", "x")])
def test_row_07_a_range_that_is_none_is_refused(there: Stage, words: tuple[str, ...]) -> None:
    assert there.run("coverage", *words) is Exit.USAGE
