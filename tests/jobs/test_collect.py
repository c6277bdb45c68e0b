"""The whole path: due windows over a real TWS wire into a real database, and what becomes of it when things go wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from scizor.base.config import Config
from scizor.base.exit import Exit
from tests.jobs.stage import Stage, stage

EIGHT = ("CBA", "BHP", "CSL", "WBC", "ANZ", "NAB", "WOW", "WES")
DUE, BEFORE = "2025-01-15", "2025-01-14"


@pytest.fixture
def collecting(config: Config, database: psycopg.Connection, tmp_path: Path) -> Iterator[Stage]:
    with stage(config, database, tmp_path, speed=15.0) as found:
        yield found


def _counts(there: Stage) -> tuple[int, int]:
    """Bars, and sessions that stand as complete."""
    bars = there.rows("SELECT count(*) FROM bars")[0][0]
    spans = there.rows("SELECT coalesce(sum(upper(r) - lower(r)), 0) FROM coverage, unnest(complete) AS r")[0][0]
    return bars, spans


@pytest.mark.parametrize(
    ("fault", "arg", "outcome"),
    [("pacing", "", "pacing"), ("spanish-pacing", "", "pacing"), ("silence", "", "timeout"), ("late", "40", "timeout"),
     ("no-data", "", "empty-unconfirmed"), ("spanish-no-data", "", "empty-unconfirmed"), ("cancelled", "", "cancelled"),
     ("error", "162:Servicio de datos: infracción del ritmo de solicitudes", "error"), ("error-after", "0", "error"),
     ("no-permission", "", "no-permission"), ("366", "", "error")],
)  # fmt: skip
def test_row_19_to_26_a_failure_is_never_stored_as_no_data_and_never_covers_a_session(
    collecting: Stage, fault: str, arg: str, outcome: str
) -> None:
    collecting.list_symbols("CBA")
    collecting.inject(fault, arg)
    collecting.run("collect-daily", "--date", DUE)
    assert _counts(collecting) == (0, 0)
    found = {row[0] for row in collecting.rows("SELECT outcome FROM collection_logs")}
    if outcome == "error" and fault in ("error", "366"):
        assert found and found <= {"error", "cancelled", "timeout"}
    else:
        assert found == {outcome}
    assert collecting.rows("SELECT count(*) FROM coverage_gaps WHERE is_explained") == [(0,)]
    # and when the fault is over, the next run has it all
    collecting.forget()
    assert collecting.run("collect-daily", "--date", DUE, "--include-permanent") is Exit.DONE
    assert _counts(collecting) == (1, 1)


def test_twenty_years_of_eight_symbols_arrive_and_a_second_run_asks_nothing(collecting: Stage) -> None:
    collecting.list_symbols(*EIGHT)
    assert collecting.run("collect-daily") is Exit.DONE
    bars, _ = _counts(collecting)
    assert bars > 8 * 19 * 250
    asked = len(collecting.requests())
    assert asked == 8, collecting.rows("SELECT symbol_id, outcome, attempt, started_at, completed_at, error_message FROM collection_logs")
    before = collecting.rows("SELECT count(*), max(known_from) FROM bars")
    assert collecting.run("collect-daily") is Exit.DONE
    assert len(collecting.requests()) == asked
    assert collecting.rows("SELECT count(*), max(known_from) FROM bars") == before
    assert collecting.rows("SELECT outcome FROM job_runs ORDER BY id") == [("done",), ("nothing-due",)]


def test_the_two_scopes_are_exactly_the_universe(collecting: Stage) -> None:
    collecting.list_symbols("CBA", "BHP", priority=1)
    collecting.list_symbols("WES", "WOW", priority=5)
    assert collecting.run("collect-daily", "--date", DUE, "--priority-only") is Exit.DONE
    first = {row[0] for row in collecting.rows("SELECT symbol FROM symbols JOIN bars ON bars.symbol_id = symbols.id")}
    assert first == {"CBA", "BHP"}
    assert collecting.run("collect-daily", "--date", DUE, "--low-priority") is Exit.DONE
    both = {row[0] for row in collecting.rows("SELECT symbol FROM symbols JOIN bars ON bars.symbol_id = symbols.id")}
    assert both == {"CBA", "BHP", "WES", "WOW"}


def test_row_25_a_timeout_on_one_symbol_leaves_the_others_complete_and_ends_with_3(
    collecting: Stage, capfd: pytest.CaptureFixture[str]
) -> None:
    collecting.list_symbols("CBA", "BHP", "WES")
    collecting.run("collect-daily", "--date", BEFORE, "--symbol", "CBA")  # learns its contract
    asked = len(collecting.requests())
    collecting.inject("silence", con_id=collecting.con_id("CBA"))
    assert collecting.run("collect-daily", "--date", DUE) is Exit.PARTIAL
    assert "timeout: CBA" in capfd.readouterr().err
    assert _counts(collecting) == (3, 3)
    assert len(collecting.requests()) == asked + 3 + 2  # three attempts for it, one for each of the others


def test_row_38_the_bars_of_another_contract_are_told_at_once_and_none_is_stored(collecting: Stage, capfd: pytest.CaptureFixture[str]) -> None:
    collecting.list_symbols("CBA", "BHP")
    assert collecting.run("collect-daily") is Exit.DONE
    before = collecting.rows("SELECT md5(string_agg(b::text, '' ORDER BY symbol_id, \"timestamp\")) FROM bars b")
    collecting.database.execute("UPDATE coverage SET complete = '{}' WHERE symbol_id = (SELECT id FROM symbols WHERE symbol = 'CBA')")
    collecting.inject("wrong-bars", str(collecting.con_id("BHP")), con_id=collecting.con_id("CBA"))
    assert collecting.run("collect-daily") is Exit.FINDING
    assert "another contract's bars came for CBA" in capfd.readouterr().err
    assert collecting.rows("SELECT md5(string_agg(b::text, '' ORDER BY symbol_id, \"timestamp\")) FROM bars b") == before
    assert collecting.rows("SELECT outcome, exit_status FROM job_runs ORDER BY id DESC LIMIT 1") == [("finding", 4)]


def test_row_22_a_contract_that_ib_does_not_know_is_flagged_and_the_rest_is_stored(
    collecting: Stage, capfd: pytest.CaptureFixture[str]
) -> None:
    collecting.list_symbols("CBA", "BHP")
    collecting.inject("200", symbol="CBA")
    assert collecting.run("collect-daily", "--date", DUE) is Exit.PARTIAL
    assert "CBA" in capfd.readouterr().err
    assert collecting.rows("SELECT symbol FROM symbols WHERE refused <> ''") == [("CBA",)]
    assert _counts(collecting) == (1, 1)
    assert collecting.run("collect-daily", "--date", DUE) is Exit.DONE  # it is skipped with that reason


def test_row_23_five_refusals_of_an_exchange_stop_it_with_one_grouped_message(
    collecting: Stage, capfd: pytest.CaptureFixture[str]
) -> None:
    collecting.list_symbols(*EIGHT, "RIO", "MQG", "FMG", "TLS", "TCL", "COL")
    collecting.inject("no-permission")
    assert collecting.run("collect-daily", "--date", DUE) is Exit.REFUSED
    said = capfd.readouterr().err
    assert said.count("no permission for") == 1
    asked = len(collecting.requests())
    assert 5 <= asked < 14
    # nothing more is asked before the week is over
    assert collecting.run("collect-daily", "--date", DUE) is Exit.DONE
    assert len(collecting.requests()) == asked


def test_row_14_an_account_of_another_mode_is_refused_before_anything_is_asked(
    config: Config, database: psycopg.Connection, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with stage(config, database, tmp_path, account="U7654321") as live:
        live.list_symbols("CBA")
        assert live.run("collect-daily", "--date", DUE) is Exit.REFUSED
        assert live.requests() == []
        assert live.requests("reqContractDetails") == []
    said = capfd.readouterr().err
    assert "live" in said
    assert "7654321" not in said  # accounts are masked


def test_row_12_a_gateway_that_is_not_there_ends_with_69(collecting: Stage, capfd: pytest.CaptureFixture[str]) -> None:
    from dataclasses import replace

    from tests.run.configured import write

    away = replace(collecting.config, gateway=replace(collecting.config.gateway, port=1, connect_timeout_seconds=5.0))
    write(away, collecting.file)
    collecting.list_symbols("CBA")
    assert collecting.run("collect-daily", "--date", DUE) is Exit.UNREACHABLE
    assert "nothing listens on 127.0.0.1:1" in capfd.readouterr().err


def test_row_7_a_day_without_a_session_is_no_failure_and_a_bad_date_is(
    collecting: Stage, capfd: pytest.CaptureFixture[str]
) -> None:
    collecting.list_symbols("CBA")
    assert collecting.run("collect-daily", "--date", "2024-12-25") is Exit.DONE
    assert collecting.run("collect-daily", "--date", "20250111") is Exit.DONE  # a Saturday
    for text in ("2025-02-30", "2025-01-17", "1900-01-01", "yesterday;rm"):
        assert collecting.run("collect-daily", "--date", text) is Exit.USAGE
    assert collecting.requests() == []


def test_a_dropped_socket_is_connected_again_and_nothing_is_missing(collecting: Stage) -> None:
    collecting.list_symbols(*EIGHT)
    collecting.inject("drop", message="reqHistoricalData", nth=3, times=1)
    assert collecting.run("collect-daily") is Exit.DONE
    assert collecting.rows("SELECT count(DISTINCT symbol_id) FROM bars") == [(8,)]
    events = [row[0] for row in collecting.rows("SELECT event FROM connection_events ORDER BY id")]
    assert events.count("connected") == 2
    assert "lost" in events


def test_a_dry_run_says_what_it_would_do_and_does_nothing(collecting: Stage, capfd: pytest.CaptureFixture[str]) -> None:
    collecting.list_symbols("CBA", "BHP")
    assert collecting.run("collect-daily", "--dry-run") is Exit.DONE
    said = capfd.readouterr().out
    assert "2 requests under the soft rule" in said
    assert "CBA" in said
    assert collecting.requests() == []
    assert _counts(collecting) == (0, 0)
    assert collecting.rows("SELECT count(*) FROM job_runs") == [(0,)]


def test_an_empty_universe_is_not_called_nothing_due(collecting: Stage, capfd: pytest.CaptureFixture[str]) -> None:
    assert collecting.run("collect-daily") is Exit.CONFIGURATION
    assert "bin/symbols import" in capfd.readouterr().err


def test_retry_failed_asks_what_failed_and_only_that(collecting: Stage) -> None:
    collecting.list_symbols("CBA", "BHP")
    collecting.run("collect-daily", "--date", BEFORE, "--symbol", "CBA")  # learns its contract
    collecting.inject("321", con_id=collecting.con_id("CBA"))
    assert collecting.run("collect-daily") is Exit.PARTIAL
    collecting.forget()
    asked = len(collecting.requests())
    assert collecting.run("collect-daily") is Exit.DONE  # its next time has not come: nothing is due
    assert len(collecting.requests()) == asked
    assert collecting.run("collect-daily", "--retry-failed") is Exit.DONE
    assert len(collecting.requests()) == asked + 1
    assert collecting.run("collect-daily", "--retry-failed") is Exit.DONE  # nothing to retry
    assert len(collecting.requests()) == asked + 1


def test_I33_a_run_that_stores_everything_is_silent(collecting: Stage, capfd: pytest.CaptureFixture[str]) -> None:
    collecting.list_symbols("CBA")
    assert collecting.run("collect-daily", "--date", DUE) is Exit.DONE
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("words", [("--limit", "-1"), ("--limit", "0"), ("--limit", "many")])
def test_a_limit_that_is_none_is_refused(words: tuple[str, str]) -> None:
    from tests.jobs.scripts import parse

    with pytest.raises(SystemExit) as refusal:
        parse("collect-daily", *words)
    assert refusal.value.code == Exit.USAGE


def test_permanent_causes_alone_are_no_choice(collecting: Stage, capfd: pytest.CaptureFixture[str]) -> None:
    collecting.list_symbols("CBA")
    assert collecting.run("collect-daily", "--include-permanent") is Exit.USAGE
    assert "again:" not in capfd.readouterr().err  # the same words would be refused again


def test_what_was_not_asked_is_not_called_failed() -> None:
    from scizor.jobs.fetching import Tally
    from scizor.jobs.telling import result_of
    from scizor.market.types import OutcomeKind

    tally = Tally(targets=5)
    tally.kinds[OutcomeKind.OK] = 2
    result = result_of(tally)
    assert result.status is Exit.PARTIAL
    assert result.counts["failed"] == 0
    assert result.failures == ["3 windows were not asked"]
    assert "--retry-failed" not in result.hint
