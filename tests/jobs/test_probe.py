"""bin/probe: it sees what a Gateway does, whichever way it does it; says what it could not see; and the jobs follow the record."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from scizor.base.config import Config, PathsConfig
from scizor.base.exit import Exit
from scizor.db import probes
from scizor.db.connect import connect
from scizor.db.embedded import Embedded
from tests.conftest import fresh_database
from tests.jobs.stage import Stage, stage

DURING = datetime(2025, 1, 15, 2, 30, 20, tzinfo=UTC)  # 13:30 in Sydney
SPEED = 60.0


class Place:
    """One database for all gateways of this module, each of which has another manner."""

    def __init__(self, config: Config, database: psycopg.Connection, folder: Path) -> None:
        self.config, self.database, self.folder = config, database, folder

    @contextmanager
    def gateway(self, **options: Any) -> Iterator[Stage]:
        with stage(self.config, self.database, self.folder, speed=options.pop("speed", SPEED), at=options.pop("at", DURING), **options) as found:
            yield found


@pytest.fixture(scope="module")
def place(server: Embedded, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("probe")
    with fresh_database(server, template) as where, connect(where, application="tests", owner=True) as owner:
        paths = PathsConfig(state=str(folder / "state"), logs=str(folder / "logs"))
        found = Place(replace(
            Config(), mode="replay", database=where, paths=paths,
            gateway=replace(Config().gateway, connect_timeout_seconds=90.0, request_timeout_seconds=60.0),
        ), owner, folder)
        with found.gateway() as there:
            there.list_symbols("CBA", priority=1)
            there.list_symbols("WTC", priority=2)
            there.list_symbols("SPY", exchange="ARCA", priority=3)
        yield found


Said = dict[tuple[str, str], dict[str, Any]]


def ask(there: Stage, *words: str) -> tuple[Exit, Said]:
    """The exit status, and what is said of each question and exchange."""
    there.database.execute("TRUNCATE pacing_requests")  # another gateway's budget, whose ten minutes are the same
    with redirect_stdout(io.StringIO()) as out:
        status = there.run("probe", "--json", *words)
    return status, {(each["question"], each["exchange"]): each for each in json.loads(out.getvalue())}


@pytest.fixture(scope="module")
def usual(place: Place) -> tuple[Exit, Said]:
    """The first probe of all, of a gateway as we take it to be."""
    with place.gateway() as there:
        found = ask(there, "--no-ladder")
        assert not there.gateway.violations
        assert len(there.requests()) + len(there.requests("reqHeadTimestamp")) < 30
        assert there.rows("SELECT DISTINCT pacing_class FROM pacing_requests") == [("probe",)]
    return found


@pytest.fixture(autouse=True)
def _as_after_the_first(place: Place, usual: tuple[Exit, Said]) -> Iterator[None]:
    """What another test's gateway showed is forgotten."""
    newest = place.database.execute("SELECT max(id) FROM probes").fetchone()
    yield
    place.database.execute("DELETE FROM probes WHERE id > %s", newest)


def test_a_gateway_as_we_take_it_to_be(place: Place, usual: tuple[Exit, Said]) -> None:
    status, said = usual
    assert status is Exit.DONE and not any(each["changed"] for each in said.values())
    answers = {key: each["answer"] for key, each in said.items()}
    assert answers["hours", "ASX"] == {"zone": "Australia/NSW", "all": "1000-1612", "regular": "1000-1612"}
    assert answers["auction-in-regular-hours", "ASX"] == {"is_regular": True}
    assert answers["empty-minutes", "ASX"] == {"have_bars": True, "trades": 0}
    assert answers["end-inclusive", "ASX"] == {"is_inclusive": False}
    assert answers["unfinished-bar", "ASX"] == {"is_delivered": False}
    assert answers["n-days", "ASX"] == {"counts": "sessions"}
    assert answers["bar-stamp", "ASX"] == {"is": "start"}
    assert answers["schedule", "ASX"] == answers["schedule", "ARCA"] == {"is_served": True}
    assert answers["daily-bars", "ARCA"] == answers["five-second-bars", "ASX"] == {"is_allowed": True}
    assert ("auction-in-regular-hours", "ARCA") not in said, "New York has no auction after the close"
    evidence = "SELECT symbol_id, outcome FROM collection_logs WHERE id = ANY (%s)"
    assert place.database.execute(evidence, [said["minute-bars", "ASX"]["requests"]]).fetchall() == [(1, "ok")]
    assert place.database.execute("SELECT count(*) FROM bars").fetchone() == (0,), "what a probe sees is not collected"


def test_another_gateway_gives_the_other_answers_and_a_change_ends_with_4(place: Place, usual: tuple[Exit, Said]) -> None:
    manners = {"auction_is_regular": False, "zero_bars": False, "unfinished_bar": True, "end_is_inclusive": True, "serves_schedule": False}
    with place.gateway(**manners, unentitled=("ARCA",)) as there:
        status, said = ask(there, "--no-ladder")
        error = there.database.execute("SELECT error_message FROM job_runs ORDER BY id DESC LIMIT 1").fetchone()
    assert status is Exit.FINDING
    answers = {key: each["answer"] for key, each in said.items()}
    assert answers["auction-in-regular-hours", "ASX"] == {"is_regular": False}
    assert answers["empty-minutes", "ASX"] == {"have_bars": False}
    assert answers["end-inclusive", "ASX"] == {"is_inclusive": True}
    assert answers["unfinished-bar", "ASX"] == {"is_delivered": True}
    assert answers["schedule", "ASX"] == {"is_served": False, "code": 321}
    assert answers["daily-bars", "ARCA"] == {"is_allowed": False, "code": 162}
    assert said["auction-in-regular-hours", "ASX"]["changed"] == "was regular yes on 2025-01-15"
    assert said["n-days", "ASX"]["changed"] == ""
    assert error and "differ from the last probe" in error[0]
    with place.gateway(**manners, unentitled=("ARCA",)) as there:
        status, said = ask(there, "--no-ladder")
    assert status is Exit.DONE or status is Exit.PARTIAL
    assert not any(each["changed"] for each in said.values()), "the same twice is no change"


def test_what_the_gateway_fails_is_not_established_and_changes_nothing(place: Place, capfd: pytest.CaptureFixture[str]) -> None:
    with place.gateway() as there:
        probes.store(
            there.database, None, DURING, 176, question=probes.AUCTION, exchange="ASX", symbol="CBA", answer={"is_regular": True},
            measured={}, reason="", requests=[],
        )  # fmt: skip
        assert probes.expectations(there.database)["ASX"].auction_is_regular
        there.inject("truncated", bar_size="1 min")
        there.inject("silence", message="reqHeadTimestamp")
        there.inject("error", "162:Historical Market Data Service error message:something new", bar_size="1 day", what="SCHEDULE")
        status, said = ask(there, "--no-ladder")
        assert status is Exit.PARTIAL
        assert said["auction-in-regular-hours", "ASX"]["answer"] is None
        assert "cannot be read" in said["auction-in-regular-hours", "ASX"]["reason"]
        assert said["head-timestamp", "ASX"]["reason"].startswith("timeout: no answer within")
        assert "something new" in said["schedule", "ASX"]["reason"]
        assert said["daily-bars", "ASX"]["answer"] == {"is_allowed": True}
        assert probes.expectations(there.database)["ASX"].auction_is_regular
        capfd.readouterr()
        assert there.run("probe", "--show") is Exit.DONE
        shown = capfd.readouterr().out
        assert "auction-in-regular-hours  ASX" in shown and "not established" not in shown.split("\n")[7]


def test_a_session_that_lacks_what_the_probe_promised_is_missing(place: Place) -> None:
    """The hand-down: from the record to what a job stores, and to what the coverage counts."""
    with place.gateway(auction_is_regular=False, speed=20.0) as there:
        words = ("--symbol", "CBA", "--timeframe", "1min", "--from", "2025-01-13", "--to", "2025-01-13")
        assert there.run("backfill", *words) is Exit.DONE
        assert there.rows("SELECT count(*) FROM bars") == [(360,)]
        assert there.rows("SELECT why FROM missing_sessions") == [("unknown",)]
        there.database.execute("TRUNCATE coverage_gaps, coverage, bars CASCADE")


def test_what_was_learnt_before_the_gateway_hung_up_is_stored(place: Place) -> None:
    with place.gateway() as there:
        there.inject("close", bar_size="1 min", symbol="SPY")
        before = there.rows("SELECT max(id) FROM probes")[0][0] or 0
        status, said = ask(there, "--no-ladder")
        assert status is Exit.PARTIAL
        assert said["minute-bars", "ASX"]["answer"] == {"is_allowed": True} and said["minute-bars", "ARCA"]["answer"] is None
        assert "lost" in said["minute-bars", "ARCA"]["reason"] and ("service-time", "") not in said
        assert there.rows("SELECT count(*) FROM probes WHERE id > %s AND answer IS NOT NULL", before)[0][0] >= 12


def test_the_concurrency_at_which_it_slows_becomes_the_first_that_jobs_use(place: Place) -> None:
    with place.gateway(regime="soft", service_seconds=5.0, collapse_above=4, collapse_factor=2.0, speed=30.0) as there:
        status, said = ask(there)
        assert not there.gateway.violations and there.gateway.service.most <= 8
    measured = said["slow-down", ""]["measured"]
    assert (measured["kept"], measured["slows_at"]) == (4, 8), measured
    assert [each["at_once"] for each in measured["rungs"]] == [1, 2, 4, 8]
    assert probes.open_first(place.database, 3) == 4
    assert status in (Exit.DONE, Exit.PARTIAL, Exit.FINDING)


def test_a_dry_run_asks_nobody_and_says_what_each_request_is_for(place: Place, capfd: pytest.CaptureFixture[str]) -> None:
    with place.gateway() as there:
        capfd.readouterr()
        assert there.run("probe", "--dry-run") is Exit.DONE
        text = capfd.readouterr().out
        assert not there.requests() and "2 of them under the hard rule" in text
        assert "head timestamp" in text and "8 at once" in text and "is SCHEDULE served" in text
        assert there.run("probe", "--thin", "NOSUCH") is Exit.USAGE


def test_nobody_there_ends_with_69_and_the_wrong_account_with_77(place: Place) -> None:
    with place.gateway(account="DU1234567") as there:
        assert there.run("probe") is Exit.REFUSED
    assert there.run("probe") is Exit.UNREACHABLE
