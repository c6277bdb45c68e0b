"""Years of bars of any size over the real wire, interrupted and gone on with; and holes, found and filled."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from scizor.base.config import Config
from scizor.base.exit import Exit
from tests.jobs.stage import Stage, stage

FROM, TO = "2024-12-16", "2025-01-15"  # over Christmas, with two half days


@pytest.fixture
def there(config: Config, database: psycopg.Connection, tmp_path: Path) -> Iterator[Stage]:
    with stage(config, database, tmp_path, speed=15.0) as found:
        found.list_symbols("CBA", "BHP")
        yield found


def complete(there: Stage, timeframe: str) -> list[str]:
    """The complete session dates of CBA."""
    return [str(day) for (day,) in there.rows(
        "SELECT t.session_date FROM coverage c JOIN symbols s ON s.id = c.symbol_id CROSS JOIN LATERAL unnest(c.complete) AS r "
        "JOIN trading_sessions t ON t.calendar = s.calendar AND t.session_date >= lower(r) AND t.session_date < upper(r) "
        "WHERE s.symbol = 'CBA' AND c.timeframe = %s ORDER BY 1", timeframe,
    )]  # fmt: skip


def due(there: Stage) -> list[str]:
    return [str(day) for (day,) in there.rows(
        "SELECT session_date FROM trading_sessions WHERE calendar = 'XASX' AND session_date BETWEEN %s AND %s ORDER BY 1", FROM, TO
    )]  # fmt: skip


@pytest.mark.parametrize("timeframe", ["1min", "5min", "1hour"])
def test_every_session_is_complete_and_a_second_run_asks_nothing(there: Stage, timeframe: str) -> None:
    words = ("backfill", "--symbol", "CBA", "--timeframe", timeframe, "--from", FROM)
    assert there.run(*words) is Exit.DONE
    assert complete(there, timeframe) == due(there)
    assert there.rows("SELECT count(*) FROM missing_sessions") == [(0,)]
    asked, bars = len(there.requests()), there.rows("SELECT count(*), max(known_from) FROM bars")
    assert there.run(*words) is Exit.DONE
    assert (len(there.requests()), there.rows("SELECT count(*), max(known_from) FROM bars")) == (asked, bars)


@pytest.mark.parametrize("timeframe", ["5sec", "30sec"])
def test_the_smallest_bars_are_asked_a_session_at_a_time_under_the_hard_rule(
    config: Config, database: psycopg.Connection, tmp_path: Path, timeframe: str
) -> None:
    with stage(config, database, tmp_path) as there:
        there.list_symbols("CBA")
        assert there.run("backfill", "--symbol", "CBA", "--timeframe", timeframe, "--from", "2025-01-14") is Exit.DONE
        assert complete(there, timeframe) == ["2025-01-14", "2025-01-15"]
        assert len(there.requests()) == 2
        assert there.rows("SELECT DISTINCT rule FROM pacing_requests") == [("hard",)]


def test_it_goes_on_where_it_stopped_and_asks_no_week_twice(there: Stage, capfd: pytest.CaptureFixture[str]) -> None:
    words = ("backfill", "--symbol", "CBA", "--timeframe", "1min", "--from", FROM)
    assert there.run(*words, "--dry-run") is Exit.DONE
    plan = capfd.readouterr().out
    assert "4 requests under the soft rule" in plan and "CBA      1min" in plan
    assert there.requests() == []
    assert there.run(*words, "--limit", "1") is Exit.DONE
    newest = complete(there, "1min")
    assert newest == due(there)[-5:], "the newest week comes first"
    assert there.run(*words) is Exit.DONE
    assert complete(there, "1min") == due(there)
    assert len(there.requests()) == 4
    assert there.rows("SELECT count(*), count(DISTINCT \"timestamp\") FROM bars")[0][0] == sum(
        count for (count,) in there.rows("SELECT bar_count FROM historical_data_metadata")
    )


def test_the_flags_of_the_watch_lists_say_what_is_wanted_and_how_far_back(there: Stage, capfd: pytest.CaptureFixture[str]) -> None:
    assert there.run("backfill") is Exit.DONE
    assert there.requests() == []
    there.database.execute(
        "INSERT INTO watchlist (symbol_id, name, priority, collect_5min, collect_1min, intraday_days) "
        "SELECT id, 'mine', 1, true, symbol = 'CBA', 7 FROM symbols"
    )
    assert there.run("backfill") is Exit.DONE
    found = there.rows(
        "SELECT s.symbol, m.timeframe, m.start_date::text FROM historical_data_metadata m JOIN symbols s ON s.id = m.symbol_id ORDER BY 1, 2"
    )
    assert found == [("BHP", "5min", "2025-01-08"), ("CBA", "1min", "2025-01-08"), ("CBA", "5min", "2025-01-08")]
    capfd.readouterr()
    assert there.run("backfill", "--watchlist", "no_such_list") is Exit.USAGE
    assert "no_such_list" in capfd.readouterr().err


def test_where_history_begins_is_asked_once_and_nothing_is_asked_for_before(there: Stage) -> None:
    """Coles was listed in November 2018, and nobody told us."""
    there.list_symbols("COL")
    there.database.execute("UPDATE symbols SET listed_from = NULL WHERE symbol = 'COL'")
    words = ("backfill", "--symbol", "COL", "--timeframe", "1hour", "--from", "2016-01-04", "--to", "2019-03-29")
    assert there.run(*words) is Exit.DONE
    assert len(there.requests("reqHeadTimestamp")) == 1
    assert there.rows("SELECT rule, count(*) FROM pacing_requests GROUP BY 1 ORDER BY 1") == [("hard", 1), ("soft", 1)]
    [(days, why, text)] = there.rows(
        "SELECT g.days::text, g.why, l.error_message FROM coverage_gaps g JOIN collection_logs l ON l.id = g.request_id WHERE g.resolved_at IS NULL"
    )
    assert (days, why) == ("{[2016-01-04,2018-11-21)}", "not-listed")
    assert text.startswith("IB's history begins 2018-11-2")
    assert there.rows("SELECT min(session_date)::text FROM bars") == [("2018-11-21",)]
    assert there.run(*words[:-3], "2015-01-05", "--to", "2019-03-29") is Exit.DONE
    assert len(there.requests("reqHeadTimestamp")) == 1, "what it said is kept"
    assert there.run("coverage", "--symbol", "COL", "--to", "2019-03-29") is Exit.DONE


def test_no_head_is_asked_for_where_a_stored_bar_says_that_it_was_traded(there: Stage) -> None:
    assert there.run("backfill", "--symbol", "CBA", "--timeframe", "1hour", "--from", "2024-12-02", "--to", "2024-12-03") is Exit.DONE
    assert there.run("backfill", "--symbol", "CBA", "--timeframe", "1min", "--from", FROM) is Exit.DONE
    assert there.requests("reqHeadTimestamp") == []


def test_a_head_that_ib_does_not_say_costs_the_run_nothing_and_is_asked_for_again_a_day_later(there: Stage) -> None:
    there.database.execute("UPDATE symbols SET listed_from = NULL")
    there.inject("no-data", message="reqHeadTimestamp")
    words = ("backfill", "--symbol", "CBA", "--timeframe", "1min", "--from", FROM)
    assert there.run(*words) is Exit.DONE
    assert complete(there, "1min") == due(there)
    assert there.rows("SELECT head IS NULL, error_message IS NOT NULL FROM head_timestamps") == [(True, True)]


def test_requests_are_large_under_the_hard_rule_and_never_larger_than_a_person_asks(
    config: Config, database: psycopg.Connection, tmp_path: Path
) -> None:
    strict = replace(config, pacing=replace(config.pacing, regime="strict"))
    with stage(strict, database, tmp_path, speed=15.0) as there:
        there.list_symbols("CBA")
        words = ("backfill", "--symbol", "CBA", "--timeframe", "1min", "--from", "2024-12-16")
        assert there.run(*words, "--sessions", "3", "--limit", "1") is Exit.DONE
        assert there.rows("SELECT start_date::text, end_date::text FROM collection_logs WHERE window_start IS NOT NULL") == [("2025-01-13", "2025-01-15")]
        assert there.run(*words) is Exit.DONE
        assert there.rows("SELECT start_date::text, end_date::text FROM collection_logs ORDER BY id DESC LIMIT 1") == [("2024-12-16", "2025-01-10")]


def test_the_size_follows_the_answers_while_it_runs(config: Config, database: psycopg.Connection, tmp_path: Path) -> None:
    """A service that takes two seconds whatever it is asked for: larger requests win, and no session is asked for twice."""
    with stage(config, database, tmp_path, speed=6.0, service_seconds=2.0) as there:
        there.list_symbols("CBA", "BHP")
        names = ("--symbol", "CBA", "--symbol", "BHP")
        assert there.run("backfill", *names, "--timeframe", "5min", "--from", "2023-04-03") is Exit.DONE
        spans = [(last - first).days for first, last in there.rows("SELECT start_date, end_date FROM collection_logs WHERE window_start IS NOT NULL ORDER BY id")]
        assert max(spans[:20]) < 35 < 50 < max(spans)
        assert there.rows("SELECT count(*) - count(DISTINCT (symbol_id, \"timestamp\")) FROM bars") == [(0,)]
        assert there.run("coverage") is Exit.DONE
        assert there.rows("SELECT sum(unchanged) FROM collection_logs") == [(0,)]


def test_row_79_retry_failed_with_nothing_failed_and_twice_asks_nothing(there: Stage) -> None:
    words = ("backfill", "--symbol", "CBA", "--timeframe", "1hour", "--from", "2025-01-13")
    there.inject("cancelled", times=3)
    assert there.run(*words) is Exit.PARTIAL
    there.forget()
    assert there.run(*words, "--retry-failed") is Exit.DONE
    asked = len(there.requests())
    for _ in range(2):
        assert there.run(*words, "--retry-failed") is Exit.DONE
    assert len(there.requests()) == asked
    assert complete(there, "1hour") == [day for day in due(there) if day >= "2025-01-13"]


def test_row_90_an_empty_answer_on_the_way_back_is_passed_and_what_lies_before_it_is_fetched(there: Stage) -> None:
    """A client that pages back until nothing comes would stop there, and call it the beginning."""
    there.inject("no-data", message="reqHistoricalData", nth=2, times=1)
    assert there.run("backfill", "--symbol", "CBA", "--timeframe", "1min", "--from", "2024-12-30") in (Exit.DONE, Exit.PARTIAL)
    wanted = [day for day in due(there) if day >= "2024-12-30"]
    asked = there.rows("SELECT start_date::text, end_date::text, outcome FROM collection_logs WHERE timeframe = '1min' ORDER BY id")
    [(first, last, _)] = [each for each in asked if each[2] == "empty-unconfirmed"]
    hole = [day for day in wanted if first <= day <= last]
    assert hole and hole[0] > wanted[0] and hole[-1] < wanted[-1], "the hole lies between"
    assert complete(there, "1min") == [day for day in wanted if day not in hole]
    there.forget()
    assert there.run("fill-gaps", "--retry-failed") is Exit.DONE
    assert complete(there, "1min") == wanted


def test_a_hole_is_found_asked_for_exactly_and_closed(there: Stage) -> None:
    there.inject("missing-bar", times=1)
    assert there.run("backfill", "--symbol", "CBA", "--timeframe", "5min", "--from", FROM) is Exit.DONE
    [(hole, why)] = there.rows("SELECT session_date::text, why FROM missing_sessions")
    assert why == "unknown"
    assert complete(there, "5min") == [day for day in due(there) if day != hole]
    there.forget()
    asked = len(there.requests())
    assert there.run("fill-gaps") is Exit.DONE  # its next time has not come
    assert len(there.requests()) == asked
    assert there.run("fill-gaps", "--retry-failed") is Exit.DONE
    assert len(there.requests()) == asked + 1
    assert there.rows("SELECT start_date::text, end_date::text FROM collection_logs ORDER BY id DESC LIMIT 1") == [(hole, hole)]
    assert complete(there, "5min") == due(there)
    assert there.rows("SELECT count(*) FROM missing_sessions") == [(0,)]


def test_other_kinds_and_hours_are_series_of_their_own(there: Stage) -> None:
    words = ("backfill", "--symbol", "CBA", "--timeframe", "1hour", "--from", "2025-01-06")
    assert there.run(*words, "--kind", "MIDPOINT") is Exit.DONE
    assert there.run(*words) is Exit.DONE
    assert there.rows("SELECT kind, count(*) FROM bars JOIN origins o ON o.id = origin GROUP BY 1 ORDER BY 1") != []
    assert {kind for (kind,) in there.rows("SELECT DISTINCT kind FROM bars JOIN origins o ON o.id = origin")} == {"MIDPOINT", "TRADES"}


@pytest.mark.parametrize(
    "words",
    [("--symbol", "CBA"), ("--symbol", "CBA", "--watchlist", "x", "--timeframe", "1min"),
     ("--symbol", "CBA", "--timeframe", "1min", "--from", "2025-01-10", "--to", "2025-01-09"), ("--from", "20250132")],
)  # fmt: skip
def test_row_07_options_that_say_nothing_or_contradict_each_other_are_refused(there: Stage, words: tuple[str, ...]) -> None:
    assert there.run("backfill", *words) is Exit.USAGE
    assert there.requests() == []
