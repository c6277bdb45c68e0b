"""bin/explain on a real database: where a number came from, and why one is not there."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest

from scizor.base.clock import StoppedClock
from scizor.base.errors import UsageError
from scizor.base.exit import Exit
from scizor.db import runs, windows
from scizor.market.types import Bar, Outcome, OutcomeKind, Timeframe
from tests.db.conftest import Market, market, ok, rows  # noqa: F401  (fixtures)
from tests.jobs.scripts import Call

NOW = datetime(2025, 1, 16, 8, 0, tzinfo=UTC)
DAY = date(2025, 1, 15)
OPEN = datetime(2025, 1, 14, 23, 0, tzinfo=UTC)  # of that session, in Sydney
Rows = Callable[..., list[tuple[Any, ...]]]
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock(NOW + timedelta(hours=2))


@pytest.fixture
def told(collector: psycopg.Connection, market: Market) -> Market:  # noqa: F811
    """Minutes of a session with one that was refused, revised an hour later by a job's request, then compared."""
    minutes = [Bar(OPEN + timedelta(minutes=i), 100.0, 100.5, 99.5, 100.0 + i / 100, 50.0 + i, 100.1, 7) for i in range(40)]
    minutes[35] = minutes[35]._replace(high=90.0)
    window = market.window(timeframe=Timeframe.MIN1, first=DAY, last=DAY, start=OPEN, end=OPEN + timedelta(minutes=40))
    windows.store(collector, None, None, window, ok(minutes, NOW - timedelta(hours=2)), NOW - timedelta(hours=2), sessions=market.sessions)
    run = runs.start(collector, job="backfill", scope="CBA", place=runs.Place("host", 4711, "boot", "abc1234", "deadbeef"), now=NOW)
    minutes[31] = minutes[31]._replace(close=100.5, volume=948837.22)
    again = Outcome(OutcomeKind.OK, tuple(minutes), asked_at=NOW, answered_at=NOW, sha256=bytes(range(32)))
    windows.store(collector, run, None, window, again, NOW, sessions=market.sessions)
    windows.store(collector, run, None, market.window(5), ok(market.bars(5)), NOW, sessions=market.sessions)
    collector.execute(
        "INSERT INTO reconciliations VALUES (%s, '1day', %s, '1min', 'high', 101, 100.5, 'neither', 'the shorter bars have no closing auction', %s, NULL)",
        [market.instruments["CBA"].symbol_id, DAY, NOW],
    )
    return market


def test_a_bar_is_traced_to_its_request_run_payload_checks_revisions_and_comparisons(told: Market, call: Call, capsys: Capture) -> None:
    assert call("explain", "cba", "1min", "2025-01-14T23:31Z").status is Exit.DONE
    said = capsys.readouterr().out
    for words in (
        "CBA 1min 2025-01-14T23:31Z: session 2025-01-15 of XASX", "close 100.5 volume 948837.22", "TRADES of ib, regular hours, official",
        "since 2025-01-16T08:00:00Z, revision 1", "attempt 1, asked 2025-01-16T08:00:00Z, ok", "40 bars: 1 revised, 38 unchanged, 1 quarantined",
        f"sha256 {bytes(range(32)).hex()}", "backfill CBA, started 2025-01-16T08:00:00Z, running, code abc1234, host pid 4711; backfill.log, run deadbeef",
        "rules passed as it was stored", "0, known 2025-01-16T06:00:00Z to 2025-01-16T08:00:00Z: open 100", "split-adjusted as of 2025-01-16T08:00:00Z",
        "1day against 1min, high 101 and 100.5: both are right: the shorter bars have no closing auction",
    ):  # fmt: skip
        assert words in said, words
    assert call("explain", "CBA", "1min", "2025-01-15T10:31:30+11:00").status is Exit.DONE, "any instant in it, in any stated zone"
    assert "close 100.5" in capsys.readouterr().out
    call("explain", "CBA", "1min", "2025-01-14T23:31Z", "--json")
    found = json.loads(capsys.readouterr().out)
    assert [each["revision"] for each in found["versions"]] == [1, 0] and found["versions"][0]["volume"] == "948837.22"


def test_a_split_since_is_told_with_what_was_traded(told: Market, call: Call, capsys: Capture, database: psycopg.Connection) -> None:
    database.execute(
        "INSERT INTO corporate_actions (symbol_id, ex_date, type, ratio_new, ratio_old, evidence, noticed_at, effective_at)"
        " VALUES (%s, '2025-01-16', 'split', 2, 1, '{}', %s, %s)", [told.instruments["CBA"].symbol_id, NOW, NOW + timedelta(hours=1)],
    )  # fmt: skip
    call("actions", "confirm", "1")
    capsys.readouterr()
    call("explain", "CBA", "1min", "2025-01-14T23:31Z")
    said = capsys.readouterr().out
    assert "multiplied here for corporate action 1" in said and "revision 2" in said
    assert "close 50.25" in said and "as traded: close 100.5, volume 948837.22; CBA split 2:1 on 2025-01-16" in said


def test_what_is_not_there_is_explained_or_missing(told: Market, call: Call, capsys: Capture) -> None:
    found = call("explain", "CBA", "1min", "2025-01-14T23:35Z")
    assert found.status is Exit.FINDING and "no such bar is stored" in found.summary
    assert any("refused by" in each for each in found.failures)
    assert "high_below" in capsys.readouterr().out
    found = call("explain", "CBA", "1day", "2024-08-01")
    assert found.status is Exit.FINDING and "never asked for" in found.failures[0] and found.hint == "bin/collect-daily --symbol CBA"
    assert call("explain", "CBA", "1day", "2024-12-25").status is Exit.DONE, "Christmas"
    assert "no session of the exchange's calendar lies there" in capsys.readouterr().out
    assert call("explain", "CBA", "1min", "2025-01-14T12:00Z").status is Exit.DONE, "in the night"
    assert call("explain", "CBA", "1day", "2025-01-15").status is Exit.DONE


def test_a_mistake_is_answered_with_what_is_right(told: Market, call: Call) -> None:
    for argv, says in (
        (["CBA", "1min", "2025-01-14T23:31"], "has no zone"), (["CBA", "1min", "noon"], "is no instant"),
        (["NOPE", "1day", "2025-01-15"], "is not in the universe"), (["CBA", "1day", "2025-02-30"], "is not a date"),
    ):  # fmt: skip
        with pytest.raises(UsageError, match=says):
            call("explain", *argv)
