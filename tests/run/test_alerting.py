"""Alerts with real sinks and a real database: told once and at once, through whatever still works, and over when it is over."""

from __future__ import annotations

import argparse
import logging
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from scizor.alert import channels, rows
from scizor.base.clock import StoppedClock
from scizor.base.config import Config
from scizor.base.paths import ROOT
from scizor.base.protocols import Finding, Severity
from scizor.db.embedded import Embedded
from scizor.run import alerting
from scizor.run.context import Context
from scizor.run.stop import Stop
from tests.conftest import fresh_database
from tests.relay import Relay, body_of, free_port, relay
from tests.sink import KEY, Sink, sink

NOW = datetime(2025, 1, 15, 6, 30, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
CRITICAL, HIGH, MEDIUM, LOW = Severity


def found(rule: str, severity: Severity = HIGH, scope: str = "", subject: str = "") -> Finding:
    return Finding(rule, scope, severity, subject or f"{rule} is ill", "since a minute", "bin/check", {"check": rule})


class Place:
    """A host that looks every minute: its configuration, its database and its sinks."""

    def __init__(self, config: Config, mails: Relay, hook: Sink, connection: psycopg.Connection[Any]) -> None:
        self.config, self.mails, self.hook, self.connection, self.clock = config, mails, hook, connection, StoppedClock(NOW)

    def context(self, config: Config | None = None) -> Context:
        config = config or self.config
        return Context(
            name="health", scope="", run_id="0" * 32, args=argparse.Namespace(), config=config, clock=self.clock,
            paths=config.make_paths(), log=logging.getLogger("tests"), stop=Stop(),
        )  # fmt: skip

    def look(self, *findings: Finding, after: timedelta = MINUTE, config: Config | None = None) -> list[str]:
        self.clock.move(after.total_seconds())
        context = self.context(config)
        return alerting.note(context, findings) + alerting.drain(context, limit_seconds=30.0)  # a loaded machine is no dead channel

    @property
    def dead(self) -> Config:
        """The same, with a database that nobody answers for."""
        return replace(self.config, database=replace(self.config.database, host="127.0.0.1", port=free_port()))

    def ask(self, statement: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(statement.encode()).fetchall()


@pytest.fixture(scope="module")
def shared(server: Embedded, template: str) -> Iterator[Any]:
    with fresh_database(server, template) as database, relay() as mails, sink() as hook:
        yield database, mails, hook


@pytest.fixture
def place(shared: Any, tmp_path: Path) -> Iterator[Place]:
    from scizor.db.connect import connect

    database, mails, hook = shared
    mails.mails.clear()
    hook.bodies.clear()
    hook.status, hook.delay_seconds = 200, 0.0
    default = Config()
    config = replace(
        default, mode="replay", database=database, mail=mails.config(), paths=replace(default.paths, state=str(tmp_path / "state"), logs=str(tmp_path / "logs")),
        alert=replace(default.alert, webhook_file=hook.url_file(tmp_path), slack_performance_file=hook.url_file(tmp_path, "performance"), attempts_max=2),
    )  # fmt: skip
    with connect(database, application="tests", owner=True) as connection:
        connection.execute("TRUNCATE alerts, alert_deliveries, alert_silences")
        yield Place(config, mails, hook, connection)


def test_an_alert_is_a_row_and_is_told_once_in_the_run_that_found_it(place: Place) -> None:
    for _ in range(3):
        place.look(found("disk", HIGH, "/data"))
    assert place.mails.subjects == ["scizor: HIGH: disk is ill"] and len(place.hook.bodies) == 1
    assert "HINT: bin/check" in body_of(place.mails.mails[0])
    assert place.ask("SELECT fingerprint, rule, scope, times, resolved_at FROM alerts") == [("health/disk//data", "disk", "/data", 3, None)]
    assert place.ask("SELECT channel, occasion, attempts, sent_at = due_at FROM alert_deliveries ORDER BY 1") == [
        ("mail", "raised", 1, True), ("webhook", "raised", 1, True)]  # fmt: skip


def test_a_recovery_is_told_and_leaves_nothing_open(place: Place) -> None:
    place.look(found("disk"))
    place.look()
    assert place.ask("SELECT count(*) FROM alerts WHERE resolved_at IS NULL") == [(0,)]
    place.look(after=2 * MINUTE)
    place.look(after=HOUR)
    assert place.mails.subjects == ["scizor: HIGH: disk is ill", "scizor: disk recovered: disk is ill"]
    assert [each["type"] for each in place.hook.bodies] == ["warning", "success"]


def test_medium_goes_to_the_other_place_and_low_nowhere(place: Place) -> None:
    place.look(found("cpu", MEDIUM), found("odd", LOW))
    assert not place.mails.mails and sorted(each["path"].split("/")[-1] for each in place.hook.bodies) == ["performance", "webhook"]
    assert place.ask("SELECT count(*) FROM alerts") == [(2,)]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_channel_that_is_busy_is_tried_again_and_then_told_once(place: Place, status: int) -> None:
    place.hook.status = status
    said = place.look(found("disk"))
    assert any(f"error={status}" in each for each in said) and not any(KEY in each for each in said), "the URL is a secret"
    assert KEY not in str(place.ask("SELECT last_error FROM alert_deliveries"))
    place.hook.status = 200
    place.look(found("disk"))
    place.look(found("disk"))
    assert len(place.hook.bodies) == 1 and len(place.mails.mails) == 1


def test_a_channel_that_stays_silent_gives_up_and_another_one_says_so(place: Place) -> None:
    place.hook.status = 500
    for _ in range(3):
        place.look(found("cpu", MEDIUM))
    assert place.mails.subjects == ["scizor: MEDIUM: cpu is ill"]
    assert "webhook did not take this: it comes to you instead" in body_of(place.mails.mails[0])
    assert place.ask("SELECT count(*) FROM alert_deliveries WHERE given_up_at IS NOT NULL AND attempts = 2") == [(2,)]


def test_a_service_that_hangs_does_not_hold_the_run(place: Place) -> None:
    place.hook.delay_seconds = 1.5
    context = place.context()
    alerting.note(context, [found("disk")])
    said = alerting.drain(context, limit_seconds=0.5)
    assert any("did not finish" in each or "Connection error" in each for each in said) and len(place.mails.mails) == 1
    place.hook.delay_seconds = 0.0


def test_without_its_database_it_is_told_from_a_file_and_nothing_is_told_twice_when_it_is_back(place: Place) -> None:
    place.look(found("disk"))
    for _ in range(2):
        place.look(found("disk"), found("database", CRITICAL), found("coverage"), config=place.dead)
    assert place.mails.subjects == ["scizor: HIGH: disk is ill", "scizor: CRITICAL: database is ill"]
    assert place.ask("SELECT rule FROM alerts") == [("disk",)]
    place.look(found("disk"))
    place.look(found("disk"), after=HOUR)  # the third message of an hour is kept for what is critical
    assert place.mails.subjects[2:] == ["scizor: database recovered: database is ill"]
    assert place.ask("SELECT rule, resolved_at IS NULL, muted FROM alerts ORDER BY rule") == [("coverage", False, ""), ("database", False, ""), ("disk", True, "")]
    assert place.ask("SELECT count(*) FROM alert_deliveries d JOIN alerts a ON a.id = d.alert_id WHERE rule = 'disk'") == [(2,)]


def test_a_file_that_is_damaged_is_as_good_as_none(place: Place) -> None:
    place.look(found("disk"), config=place.dead)
    (Path(place.config.paths.state) / "findings" / rows.NAME).write_text('{"is_ahead": true, "alerts": [{"rule": 1}]')
    place.look(found("disk"), config=place.dead)
    assert len(place.mails.mails) == 2, "better told twice than never"


def test_neither_table_nor_file_is_told_once_an_hour(place: Place) -> None:
    state = Path(place.config.paths.state)
    state.mkdir()
    (state / "locks").write_text("in the way")
    for _ in range(90):
        place.look(found("disk"), config=place.dead)
    assert len(place.mails.mails) == 2


def test_what_a_person_acknowledged_or_silenced_is_not_told(place: Place) -> None:
    from scizor.db import alerting as table

    place.look(found("disk", CRITICAL))
    ((number,),) = place.ask("SELECT id FROM alerts")
    assert table.acknowledge(place.connection, number, place.clock.now(), "ann") == "disk is ill"
    table.silence(place.connection, "cpu", "", place.clock.now(), place.clock.now() + HOUR, "ann")
    place.look(found("disk", CRITICAL), found("cpu", HIGH), after=20 * MINUTE)
    place.look(found("disk", CRITICAL), found("cpu", HIGH), config=place.dead)
    assert len(place.mails.mails) == 1, "the file knows of it too"
    place.look(found("disk", CRITICAL), found("cpu", HIGH), after=HOUR)
    assert place.mails.subjects[1:] == ["scizor: HIGH: cpu is ill"]


def test_row_hostile_texts_reach_no_header_and_no_markup(place: Place) -> None:
    place.look(found("disk", HIGH, "a\0b\r\nBcc: x@y", "full\r\nBcc: x@example.org\0 <@U1>"))
    mail = place.mails.mails[0]
    assert mail["Bcc"] is None and "Bcc" in str(mail["Subject"]) and place.mails.envelopes[-1].rcpt_tos == ["trader@example.org"]
    place.look(found("disk", HIGH, "a\0b\r\nBcc: x@y", "other words"))
    assert place.ask("SELECT times FROM alerts") == [(2,)]


def test_I31_killed_after_sending_and_before_the_note_it_is_sent_again_and_is_the_same_message(place: Place) -> None:
    alerting.note(place.context(), [found("disk")])
    program = f"""
        import os, signal, sys, pickle
        sys.path[:0] = [{str(ROOT / 'lib')!r}, {str(ROOT)!r}]
        from scizor.run import alerting
        from scizor.alert import parcels
        parcels.sent = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
        import argparse, logging
        from scizor.base.clock import StoppedClock
        from scizor.run.context import Context
        from scizor.run.stop import Stop
        config, now = pickle.loads(sys.stdin.buffer.read())
        context = Context("health", "", "0" * 32, argparse.Namespace(), config, StoppedClock(now), config.make_paths(), logging.getLogger(), Stop())
        alerting.drain(context)
    """
    import pickle

    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], input=pickle.dumps((place.config, place.clock.now())), timeout=60, check=False)
    assert ended.returncode == -signal.SIGKILL and len(place.mails.mails) == 1
    place.look(found("disk"))
    place.look(found("disk"))
    assert len(place.mails.mails) == 2 and len({each["Message-ID"] for each in place.mails.mails}) == 1


def test_Slack_gets_no_markup_of_ours_and_a_token_is_in_no_text(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    channels.prepare()
    from apprise.plugins.slack import NotifySlack

    monkeypatch.setattr(NotifySlack, "webhook_url", f"http://127.0.0.1:{place.hook.port}/services")
    file = tmp_path / "slack.url"
    file.write_text("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#trading-alerts")
    file.chmod(0o400)
    config = replace(place.config, alert=replace(place.config.alert, slack_alerts_file=str(file), webhook_file=""))
    place.look(found("disk", HIGH, "", "<!channel> a & b"), config=config)
    (attachment,) = place.hook.bodies[-1]["attachments"]
    assert attachment["title"] == "scizor: HIGH: &lt;!channel&gt; a &amp; b"
    place.hook.status = 404
    said = place.look(found("cpu"), config=config)
    assert not any("TIiajkdnlazkcOXrIdevi7FQ" in each for each in said)
    assert "TIiajk" not in channels.hidden("no https://x/TIiajkdnlazkcOXrIdevi7FQ there", file.read_text())


def test_an_SMS_is_one_line_and_short(place: Place) -> None:
    from scizor.alert.rules import Channel
    from scizor.base.protocols import Message

    title, body = channels.text_for(Channel.SMS, Message("x", CRITICAL, "scizor: " + "very " * 60 + "ill", "body", NOW))
    assert title == "" and len(body) == 160 and "\n" not in body


@pytest.mark.parametrize(("content", "mode"), [("nonsense", 0o400), ("json://127.0.0.1:9/x", 0o644), ("", 0o400)])
def test_a_file_that_is_no_secret_URL_is_said_and_another_channel_stands_in(place: Place, tmp_path: Path, content: str, mode: int) -> None:
    file = tmp_path / "odd.url"
    file.write_text(content)
    file.chmod(mode)
    config = replace(place.config, alert=replace(place.config.alert, slack_performance_file=str(file), webhook_file=""))
    said = place.look(found("cpu", MEDIUM), config=config)
    place.look(found("cpu", MEDIUM), config=config)
    assert any("odd.url" in each or "no URL" in each for each in said) and len(place.mails.mails) == 1
