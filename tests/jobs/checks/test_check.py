"""bin/check and bin/health as a person and cron call them: what they print, how they end, what they store, and that check writes nothing."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from scizor.alert import rows
from scizor.base.config import Config
from scizor.base.errors import RefusedError, UnreachableError
from scizor.base.exit import Exit
from scizor.base.paths import ROOT
from scizor.base.protocols import Severity
from scizor.db import health
from scizor.db.connect import connect
from scizor.db.embedded import Embedded
from scizor.jobs import check, check_watch
from scizor.jobs import health as job
from scizor.jobs.checks import kpi, table
from scizor.jobs.checks.look import look
from scizor.jobs.checks.words import Line, Remark, Status, unseen
from tests.conftest import fresh_database
from tests.jobs.checks.scene import NOW, Scene, gateway, place, scene, stay_silent
from tests.relay import free_port
from tests.run.configured import write

BY_NAME = {each.name: each for each in table.TABLE}


@pytest.fixture(scope="module")
def well(server: Embedded, template: str) -> Iterator[Scene]:
    with place() as folder, fresh_database(server, template) as config, connect(config, application="tests", owner=True) as owner, scene(config, owner, folder) as made:
        yield made


def called(scene: Scene, name: str, *words: str, config: Config | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """The real script, in cron's world."""
    file = write(config or scene.config, scene.folder / "scizor.toml")
    bare = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **environment}
    return subprocess.run([str(ROOT / "bin" / name), "--config", str(file), *words], env=bare, cwd="/", capture_output=True, text=True, timeout=60, check=False)


# ---- bin/check -------------------------------------------------------------------------------------------------------


def test_check_says_one_line_a_check_and_ends_as_nagios_wants(well: Scene) -> None:
    ended = called(well, "check", "--only", "gateway", "--only", "mode", "--only", "database")
    lines = ended.stdout.splitlines()
    assert (ended.returncode, ended.stderr, lines[0]) == (0, "", "scizor OK - 3 ok")
    assert [line.split()[0] for line in lines[1:]] == ["database", "mode", "gateway"]
    broken = replace(well.config, gateway=replace(well.config.gateway, port=free_port()))
    ended = called(well, "check", "--only", "gateway", config=broken)
    assert (ended.returncode, ended.stderr) == (1, "")
    assert "HINT: start it: bin/replay-gateway" in ended.stdout
    ended = called(well, "check", "--only", "mode", "--json", config=replace(well.config, mode="paper", clock=Config().clock))
    told = json.loads(ended.stdout)
    assert ended.returncode == 2 and told["status"] == "critical"
    assert told["checks"][0]["remarks"][0]["hint"] and set(told["checks"][0]) == {"name", "status", "value", "threshold", "since", "hint", "remarks"}


def test_check_cannot_be_asked_what_it_does_not_know(well: Scene) -> None:
    ended = called(well, "check", "--only", "gatway")
    assert ended.returncode == 3 and "there is no check gatway" in ended.stderr and "gateway-clock" in ended.stderr
    ended = called(well, "check", "--onl", "gateway")
    assert ended.returncode == 3
    ended = subprocess.run([str(ROOT / "bin" / "check")], env={"PATH": "/usr/bin:/bin", "SCIZOR_CONFIG": "/nonexistent/x.toml"}, capture_output=True, text=True, check=False)
    assert ended.returncode == 3 and "etc/scizor.example.toml" in ended.stderr


def test_a_look_makes_no_database_where_there_is_none(well: Scene) -> None:
    fresh = replace(well.config, database=Config().database, paths=replace(well.config.paths, state=str(well.folder / "fresh")))
    ended = called(well, "check", "--only", "database", "--only", "coverage", config=fresh)
    assert ended.returncode == 2 and "HINT: bin/migrate" in ended.stdout and "not asked: the database does not answer" in ended.stdout
    assert not (well.folder / "fresh" / "postgres").exists()


def test_ready_is_what_a_trading_day_needs() -> None:
    names = {each.name for each in table.chosen([], True)}
    assert names >= {"gateway", "gateway-clock", "mode", "login", "permissions", "clock", "growth", "backups", "coverage", "newest", "session"}
    assert not names & {"cron", "cpu", "skips"}


def test_a_check_s_session_cannot_write_whatever_it_is_asked(well: Scene) -> None:
    with health.looking(well.config.database, "tests") as connection:
        assert connection.info.user == "scizor_reader"
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute("INSERT INTO kpis (name, at, value, unit) VALUES ('x', now(), 1, '')")
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute("CREATE TEMPORARY SEQUENCE x")


def test_a_mistake_in_one_check_silences_no_other(well: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    broken = replace(BY_NAME["mode"], judge=lambda facts, moment: facts[7])
    found = look(well.context(), (broken, BY_NAME["server"])).lines
    assert [each.status for each in found] == [Status.UNKNOWN, Status.OK]
    assert "the check itself failed: IndexError" in found[0].value


def test_a_reader_that_hangs_costs_its_own_line_and_no_more_than_its_limit(well: Scene) -> None:
    import threading

    over = threading.Event()
    hanging = replace(BY_NAME["redis"], read=lambda moment: over.wait(30), limit_seconds=0.3)
    found = look(well.context(), (hanging, BY_NAME["logs"])).lines
    over.set()
    assert [each.status for each in found] == [Status.UNKNOWN, Status.OK]
    assert found[0].value == "no answer within 0 s"


def test_the_dashboard_shows_what_is_wrong_first_and_names_what_no_daemon_measures(well: Scene) -> None:
    from rich.console import Console

    broken = replace(well.config, gateway=replace(well.config.gateway, port=free_port()))
    seen = well.whole_look(config=broken)
    with Path(os.devnull).open("w") as nowhere:
        console = Console(width=200, record=True, file=nowhere)
        console.print(check_watch.frame(seen, kpi.measure(seen.facts, seen.moment)))
    text = console.export_text()
    assert text.index("nothing listens") < text.index("pacing_hard") < text.index("ok: database, schema")
    assert re.search(r"tick_rate +no daemon", text) and re.search(r"pacing_hard +0 % +< 80 +> 90 +> 95", text)


def test_a_dashboard_needs_a_terminal(well: Scene) -> None:
    ended = called(well, "check", "--watch")
    assert ended.returncode == 3 and "needs a terminal" in ended.stderr


def test_control_c_ends_the_dashboard_on_a_real_terminal(well: Scene) -> None:
    file = write(well.config, well.folder / "scizor.toml")
    screen, terminal = pty.openpty()
    words = [str(ROOT / "bin" / "check"), "--config", str(file), "--only", "mode", "--watch", "1"]
    process = subprocess.Popen(words, stdin=terminal, stdout=terminal, stderr=terminal, env={"PATH": "/usr/bin:/bin", "TERM": "xterm", "COLUMNS": "100"}, start_new_session=True)
    os.close(terminal)
    text = b""
    while b"Ctrl-C" not in text:
        text += os.read(screen, 4096)
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0
    os.close(screen)


def test_accounts_are_masked_in_whatever_a_check_says(well: Scene) -> None:
    with gateway(stay_silent, accounts="U7654321") as told:
        broken = replace(well.config, gateway=replace(told.config, client_id_last=101, client_id_first=100))
        seen = look(well.context(broken), table.chosen(["gateway"], False))
    assert seen.status is Status.CRITICAL and "U***" in check.as_text(seen)
    assert "7654321" not in check.as_text(seen) + check.as_json(seen)


# ---- bin/health ------------------------------------------------------------------------------------------------------


def run_health(scene: Scene, config: Config | None = None) -> None:
    context = scene.context(config, "health")
    result = job.run(context)
    assert result.status is Exit.DONE


def later(scene: Scene, minutes: int, config: Config | None = None) -> Config:
    """The same scene, so many minutes on: a recovery is told when it has lasted for two."""
    config = config or scene.config
    return replace(config, clock=replace(config.clock, origin=(NOW + timedelta(minutes=minutes)).isoformat()))


def told_since(scene: Scene, before: int) -> list[str]:
    """Subject and text of the mails that came."""
    return [f"{each['Subject']}\n{each.get_content()}" for each in scene.relay.mails[before:]]


def test_health_is_silent_and_stores_what_it_saw(well: Scene) -> None:
    ended = called(well, "health")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    seen = dict(well.rows("SELECT name, status FROM v_health"))
    assert set(seen) == set(BY_NAME)
    figures = dict(well.rows("SELECT name, grade FROM v_kpis"))
    assert (figures["completeness"], figures["data_age"]) == ("target", "target")
    assert set(figures) == set(kpi.KNOWN) and figures["gateway_up"] == "none"
    assert {name for name, grade in figures.items() if grade == "not measured"} >= {"tick_rate", "tick_latency_p95"}
    assert {name for name, in well.rows("SELECT name FROM v_latency WHERE samples > 0")} == {"database_write", "gateway_answer"}
    assert well.rows("SELECT outcome, times, exit_status FROM job_runs WHERE job = 'health' AND times > 0 ORDER BY id DESC LIMIT 1")[0][0] == "nothing-due"
    assert well.rows("SELECT value FROM recorded_limits WHERE name = 'pacing_requests_max'") == [(60.0,)]


def test_key_figures_go_into_their_history_every_five_minutes_and_when_a_grade_changes(well: Scene) -> None:
    with health.writing(well.config.database, "tests") as connection:
        for minutes, value in ((0, 1.0), (1, 2.0), (5, 3.0), (6, 97.0), (7, 98.0)):
            health.store_kpis(connection, [kpi.kpi("pacing_open", value, "test")], NOW + timedelta(days=1, minutes=minutes))
    assert [value for value, in well.rows("SELECT value FROM kpis WHERE scope = 'test' ORDER BY at")] == [1.0, 3.0, 97.0]
    assert well.rows("SELECT value, grade FROM kpis_now WHERE scope = 'test'") == [(98.0, "critical")]


def test_latencies_lie_in_a_ring_that_is_used_again(well: Scene) -> None:
    with health.writing(well.config.database, "tests") as connection:
        for days in (0, 0, 35):
            health.store_latency(connection, "ring", NOW + timedelta(days=days), lambda old: kpi.added(old, [1.0]))
    assert well.rows("SELECT hour, samples FROM latencies WHERE name = 'ring'") == [(NOW + timedelta(days=35), 1)]


def test_a_finding_is_told_once_and_is_over_when_it_is_well(well: Scene) -> None:
    well.run_row("backfill", "", NOW - timedelta(hours=1), "running", NOW - timedelta(minutes=3))
    before = len(well.relay.mails)
    run_health(well)
    run_health(well)
    mails = [subject for subject in well.relay.subjects[before:] if "backfill" in subject]
    assert len(mails) == 1, well.relay.subjects
    rows = well.rows("SELECT severity, times, resolved_at IS NULL, body FROM alerts WHERE fingerprint = 'health/running/backfill'")
    assert rows[0][:3] == ("high", 2, True) and "HINT: tail logs/backfill.log" in rows[0][3]
    well.run_row("backfill", "", NOW)
    run_health(well)
    run_health(well, later(well, 3))
    assert any("running [backfill] recovered" in each for each in told_since(well, before))
    assert well.rows("SELECT resolved_at IS NULL FROM alerts WHERE fingerprint = 'health/running/backfill'") == [(False,)]


def test_a_job_that_failed_is_in_the_table_and_not_mailed_twice(well: Scene) -> None:
    """It mails for itself."""
    well.run_row("backfill", "", NOW, "failed")
    before = len(well.relay.mails)
    run_health(well)
    assert not [subject for subject in well.relay.subjects[before:] if "backfill" in subject]
    assert well.rows("SELECT severity FROM alerts WHERE fingerprint = 'health/failures/backfill' AND resolved_at IS NULL") == [("medium",)]
    well.run_row("backfill", "", NOW)
    run_health(well)
    assert well.rows("SELECT count(*) FROM v_alerts WHERE resolved_at IS NULL AND subject LIKE 'failures%%'") == [(0,)]


def test_with_the_database_down_it_ends_in_time_says_so_by_mail_and_catches_up(well: Scene) -> None:
    down = replace(well.config, database=replace(well.config.database, host="127.0.0.1", port=free_port()))
    before = len(well.relay.mails)
    ended = called(well, "health", config=down)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    told = well.relay.subjects[before:]
    assert len([each for each in told if "database" in each]) == 1, told
    assert not [each for each in told if "[schema]" in each or "[server]" in each], "what follows from it is not told beside it"
    assert called(well, "health").returncode == 0
    assert called(well, "health", config=later(well, 3)).returncode == 0
    assert any("database recovered" in each for each in told_since(well, before)), told_since(well, before)
    assert well.rows("SELECT resolved_at IS NOT NULL FROM alerts WHERE rule = 'database'") == [(True,)], "the table has caught up"


def test_a_database_that_is_read_and_takes_no_writes_is_told_by_mail(well: Scene) -> None:
    name, before = well.config.database.name, len(well.relay.mails)
    with well.superuser() as superuser:
        superuser.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only TO on'.encode())
        run_health(well)
        superuser.execute(f'ALTER DATABASE "{name}" RESET default_transaction_read_only'.encode())
    assert [each for each in told_since(well, before) if "store: the database takes no writes" in each and "read-only" in each], well.relay.subjects
    run_health(well)
    run_health(well, later(well, 3))
    assert [each for each in told_since(well, before) if "store recovered" in each], told_since(well, before)


def test_a_gateway_that_goes_and_comes_back_is_two_events_and_an_outage(well: Scene) -> None:
    down = replace(well.config, gateway=replace(well.config.gateway, port=free_port(), connect_timeout_seconds=0.5))
    run_health(well, down)
    run_health(well, down)
    assert [event for event, in well.rows("SELECT event FROM connection_events ORDER BY id")] == ["gateway-down"]
    since = well.rows("SELECT since FROM v_health WHERE name = 'gateway' AND status <> 'ok'")[0][0]
    later = replace(down, clock=replace(down.clock, origin=(NOW + timedelta(minutes=2)).isoformat()))
    run_health(well, later)
    assert well.rows("SELECT status, since FROM v_health WHERE name = 'gateway'") == [("critical", since)]
    run_health(well)
    assert [event for event, in well.rows("SELECT event FROM connection_events ORDER BY id")] == ["gateway-down", "gateway-up"]
    well.database.execute("DELETE FROM connection_events")


def test_what_hangs_everywhere_at_once_holds_it_up_for_less_than_twenty_seconds(well: Scene) -> None:
    """A Gateway, a Redis, a relay and a PostgreSQL that take connections and say nothing."""
    import socket
    import time

    with socket.socket() as mute, gateway(stay_silent) as silent:
        mute.bind(("127.0.0.1", 0))
        mute.listen(16)
        port = mute.getsockname()[1]
        hung = replace(
            well.config, gateway=replace(silent.config, client_id_first=100, client_id_last=101, request_timeout_seconds=1.0), redis=replace(well.config.redis, socket="", host="127.0.0.1", port=port),
            mail=replace(well.config.mail, port=port, timeout_seconds=1.0), database=replace(well.config.database, host="127.0.0.1", port=port, connect_timeout_seconds=2),
            paths=replace(well.config.paths, state=str(well.folder / "hung")),
        )  # fmt: skip
        started = time.monotonic()
        ended = called(well, "health", config=hung)
        took = time.monotonic() - started
    assert (ended.returncode, ended.stderr) == (0, "")
    assert took < 20
    kept, _ = rows.load(well.folder / "hung" / "findings")
    waiting = {kept.alerts[each.alert].rule for each in kept.tellings.values() if each.is_waiting}
    assert waiting >= {"database", "mail", "redis", "gateway"}, "what could not be mailed waits in a file"


def test_a_warning_is_a_step_below_its_check_and_followers_of_a_dead_database_are_silent() -> None:
    gone = unseen(BY_NAME["database"], "refused", status=Status.CRITICAL)
    follower = unseen(BY_NAME["jobs"], "not asked")
    disk = Line(BY_NAME["disk"], Status.WARNING, "", None, "", (Remark(Status.WARNING, "91 % full", "state"),))
    found = job.findings([gone, follower, disk])
    assert [(each.rule, each.scope, each.severity) for each in found] == [("database", "", Severity.CRITICAL), ("disk", "state", Severity.HIGH)]
    assert job.findings([follower])[0].severity is Severity.HIGH


@pytest.mark.parametrize("problem", [UnreachableError("x"), RefusedError("x")])
def test_errors_of_ours_are_facts_for_a_judge(problem: Exception) -> None:
    assert kpi.measure({"gateway": problem}, None)[0].value == 0.0  # type: ignore[arg-type]
