"""bin/alerts as a person calls it: what is open, what he knows of, what shall be silent, and what waits."""

from __future__ import annotations

import json
from datetime import timedelta

import psycopg
import pytest

from scizor.base.clock import StoppedClock
from scizor.base.config import Config
from scizor.base.errors import UsageError
from scizor.base.protocols import Finding, Severity
from scizor.jobs.alerts import duration
from scizor.run import alerting
from tests.jobs.scripts import Call, context_of


@pytest.fixture
def noted(config: Config, collector: psycopg.Connection, clock: StoppedClock) -> None:
    """Two alerts that bin/health would have found; nobody is configured who could be told."""
    context = context_of(config, collector, clock, "alerts", "list")
    context.name = "health"
    found = [Finding("disk", "/data", Severity.HIGH, "97 % full", "", "bin/prune"), Finding("gateway", "", Severity.CRITICAL, "down", "", "log in")]
    assert alerting.note(context, found) == []


def test_list_shows_what_is_open_the_gravest_first_and_twice_the_same(call: Call, noted: None, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        call("alerts", "list", "--json")
        rows = json.loads(capsys.readouterr().out)
        assert [(each["severity"], each["alert"], each["subject"]) for each in rows] == [("critical", "health/gateway", "down"), ("high", "health/disk//data", "97 % full")]
    call("alerts", "list")
    assert "97 % full" in capsys.readouterr().out


def test_nothing_open_is_said(call: Call, capsys: pytest.CaptureFixture[str]) -> None:
    call("alerts", "list")
    call("alerts", "list", "--all")
    assert capsys.readouterr().out.split("\n")[:2] == ["no alert is open", "there was no alert"]


def test_ack_notes_who_knows_and_again_changes_nothing(call: Call, noted: None, database: psycopg.Connection, capsys: pytest.CaptureFixture[str]) -> None:
    ((number,),) = database.execute("SELECT id FROM alerts WHERE rule = 'disk'").fetchall()
    call("alerts", "ack", number, "--by", "ann", "--dry-run")
    assert database.execute("SELECT count(acked_at) FROM alerts").fetchone() == (0,)
    call("alerts", "ack", number, "--by", "ann")
    call("alerts", "ack", number, "--by", "bob")
    assert "nothing changes: ann knows" in capsys.readouterr().out
    assert database.execute("SELECT acked_by FROM alerts WHERE acked_at IS NOT NULL").fetchall() == [("ann",)]
    with pytest.raises(UsageError, match="no open alert has the number 999999"):
        call("alerts", "ack", 999999)


def test_silence_is_one_row_a_rule_and_its_end_is_a_silence_of_nothing(call: Call, database: psycopg.Connection, clock: StoppedClock, capsys: pytest.CaptureFixture[str]) -> None:
    call("alerts", "silence", "disk", "/data", "--for", "2h", "--dry-run")
    assert database.execute("SELECT count(*) FROM alert_silences").fetchone() == (0,)
    call("alerts", "silence", "disk", "/data", "--for", "2h")
    assert "disk [/data] is silent until 2025-01-15 08:00 UTC" in capsys.readouterr().out
    call("alerts", "silence", "disk", "/data", "--for", "0m")
    assert database.execute("SELECT rule, scope, until - since FROM alert_silences").fetchall() == [("disk", "/data", timedelta(0))]


@pytest.mark.parametrize("text", ["", "2", "2 h", "-2h", "1w", "31d", "99999h", "2h\n", "two hours"])
def test_a_time_that_is_none_is_refused_with_a_hint(text: str) -> None:
    with pytest.raises(UsageError, match="is no time of at most 30 days") as refused:
        duration(text)
    assert refused.value.hint


@pytest.mark.parametrize("rule", ["", "  ", "x" * 101, "a\x1b[2J"])
def test_a_rule_that_nobody_can_read_is_refused(call: Call, rule: str) -> None:
    with pytest.raises(UsageError):
        call("alerts", "silence", rule, "--for", "1h")


def test_drain_with_nothing_to_tell_says_so(call: Call, noted: None, capsys: pytest.CaptureFixture[str]) -> None:
    call("alerts", "drain", "--dry-run")
    assert call("alerts", "drain").status == 0
    assert capsys.readouterr().out.split("\n")[:2] == ["would tell of 0 alerts what is due", "nothing waits"]
