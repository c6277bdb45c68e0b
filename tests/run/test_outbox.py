"""A run's report over a real relay: one mail for each thing that a person must hear, whatever dies in between (I31)."""

from __future__ import annotations

import functools
import json
import random
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from scizor.alert import incidents, repeat
from scizor.base.clock import StoppedClock
from scizor.base.config import Config
from scizor.base.exit import Exit
from scizor.base.lock import hold
from scizor.base.paths import Paths
from scizor.run.outbox import MAILS_PER_HOUR, Failure, Success, in_database, report
from tests.relay import PASSWORD, USER, Relay, body_of, free_port

START = datetime(2025, 1, 15, 6, 7, tzinfo=UTC)
FAILURE = Failure("collect-daily", "", Exit.UNREACHABLE, "UnreachableError", "nothing listens on 127.0.0.1:4002", "what, where\nHINT: do")
SUCCESS = Success("collect-daily", "")


@dataclass
class Host:
    """One host: its state, its clock, its relay."""

    relay: Relay
    paths: Paths
    clock: StoppedClock
    config: Config

    def report(self, event: Failure | Success, **more: object) -> list[str]:
        return report(self.config, self.paths, self.clock, event, **more)  # type: ignore[arg-type]

    def after(self, **duration: float) -> Host:
        self.clock.move(timedelta(**duration).total_seconds())
        return self

    @property
    def alerts(self) -> Path:
        return self.paths.state / "alerts"


@pytest.fixture
def host(relay: Relay, tmp_path: Path) -> Host:
    return Host(relay, Paths(tmp_path, tmp_path / "state", tmp_path / "logs"), StoppedClock(START), relay.whole_config())


def test_at_once_not_again_within_the_hour_after_an_hour_daily_then_recovered_once(host: Host) -> None:
    sent = []
    for minutes in (0, 15, 45, 60, 75, 23 * 60, 24 * 60 + 60, 24 * 60 + 75, 48 * 60 + 60):
        host.clock = StoppedClock(START + timedelta(minutes=minutes))
        before = len(host.relay.mails)
        host.report(FAILURE)
        if len(host.relay.mails) > before:
            sent.append(minutes)
    assert sent == [0, 60, 25 * 60, 49 * 60]
    assert "9 times" in body_of(host.relay.mails[-1])
    host.after(minutes=15).report(SUCCESS)
    host.after(minutes=15).report(SUCCESS)
    assert len(host.relay.mails) == 5 and "recovered" in host.relay.subjects[-1]
    assert incidents.load_all(host.alerts) == []
    host.after(minutes=15).report(FAILURE)
    assert len(host.relay.mails) == 6, "a new incident mails at once"


def test_the_mail_says_what_where_and_what_to_do(host: Host) -> None:
    (said,) = host.report(FAILURE)
    assert said.startswith("mailed trader@example.org: scizor: collect-daily failed (69): nothing listens")
    assert "what, where\r\nHINT: do" in body_of(host.relay.mails[0]).replace("\r\n", "\n").replace("\n", "\r\n")


def test_a_success_that_proves_nothing_recovers_nothing(host: Host) -> None:
    host.report(FAILURE)
    host.after(minutes=15).report(Success("collect-daily", "", is_idle=True))
    assert len(host.relay.mails) == 1
    host.after(minutes=15).report(FAILURE)
    assert len(host.relay.mails) == 1, "still the same incident"


def test_a_success_of_another_scope_or_job_recovers_nothing(host: Host) -> None:
    host.report(FAILURE)
    host.report(Success("collect-daily", "priority"))
    host.report(Success("fill-gaps", ""))
    assert len(host.relay.mails) == 1 and len(incidents.load_all(host.alerts)) == 1


def test_several_failures_ended_by_one_success_are_one_recovered(host: Host) -> None:
    host.report(FAILURE)
    host.report(replace(FAILURE, status=Exit.PARTIAL, kind="PartialError"))
    host.report(SUCCESS)
    assert [("recovered" in each) for each in host.relay.subjects] == [False, False, True]


@pytest.mark.parametrize("status", [Exit.BUSY, Exit.INTERRUPTED, Exit.TERMINATED])
def test_being_busy_or_stopped_by_a_person_is_neither_failure_nor_success(host: Host, status: Exit) -> None:
    host.report(replace(FAILURE, status=status))
    assert host.relay.mails == []
    host.report(FAILURE)
    host.report(replace(FAILURE, status=status))
    assert len(host.relay.mails) == 1


def test_a_success_with_nothing_open_touches_no_file(host: Host) -> None:
    assert host.report(SUCCESS) == []
    assert not host.paths.state.exists()


def test_without_a_relay_nothing_is_mailed_and_nothing_written(host: Host) -> None:
    host.config = Config()
    assert host.report(FAILURE) == []
    assert not host.paths.state.exists()


def test_row_74_a_mail_is_kept_while_the_relay_is_down_and_delivered_by_the_next_run_of_any_job(host: Host) -> None:
    host.relay.down()
    (said,) = host.report(FAILURE)
    assert said.startswith("mail waits: the mail relay 127.0.0.1") and "next run of any job" in said
    host.after(minutes=15).report(FAILURE)
    host.relay.up()
    (said,) = host.after(minutes=15).report(Success("fill-gaps", "", is_idle=True))
    assert said.startswith("mailed")
    assert len(host.relay.mails) == 1 and "Failed 2 times" in body_of(host.relay.mails[0])
    assert host.after(minutes=1).report(Success("fill-gaps", "")) == [], "once"


def test_row_74_what_failed_and_recovered_while_the_relay_was_down_is_one_mail(host: Host) -> None:
    host.relay.down()
    host.report(FAILURE)
    host.after(minutes=15).report(SUCCESS)
    host.relay.up()
    host.after(minutes=15).report(SUCCESS)
    (subject,) = host.relay.subjects
    assert "recovered" in subject and "nothing listens" not in subject
    assert "what, where" in body_of(host.relay.mails[0]), "and it says what had failed"
    assert incidents.load_all(host.alerts) == []


def test_row_75_a_storm_behind_a_dead_relay_is_one_grouped_mail(host: Host) -> None:
    host.relay.down()
    for number in range(30):
        host.report(replace(FAILURE, scope=f"symbol {number}"))
    host.relay.up()
    host.after(minutes=1).report(SUCCESS)
    (subject,) = host.relay.subjects
    assert subject == "scizor: 30 failures and 0 recoveries"
    body = body_of(host.relay.mails[0])
    assert all(f"[symbol {number}]" in body for number in range(30))
    assert not any(each.is_waiting for each in incidents.load_all(host.alerts))


def test_row_75_a_storm_through_a_living_relay_ends_at_twenty_an_hour_and_one_that_sums_up(host: Host) -> None:
    for number in range(MAILS_PER_HOUR + 15):
        said = host.report(replace(FAILURE, scope=f"symbol {number}"))
    assert len(host.relay.mails) == MAILS_PER_HOUR and "no more than 20 an hour" in said[-1]
    host.after(minutes=61).report(SUCCESS)
    assert host.relay.subjects[-1] == "scizor: 15 failures and 0 recoveries" and len(host.relay.mails) == MAILS_PER_HOUR + 1


def test_a_mail_that_the_relay_refuses_for_its_content_keeps_no_other_waiting(host: Host) -> None:
    host.relay.down()
    for number in range(5):
        host.report(replace(FAILURE, scope=f"symbol {number}", text="casino" if number == 2 else "plain"))
    host.relay.up()
    host.relay.refuse_text = "casino"
    host.after(minutes=1).report(SUCCESS)
    assert len(host.relay.mails) == 4
    assert [each.scope for each in incidents.load_all(host.alerts) if each.is_waiting] == ["symbol 2"]
    host.relay.refuse_text = ""
    host.after(minutes=1).report(SUCCESS)
    assert len(host.relay.mails) == 5


def test_what_could_never_be_delivered_is_given_up_counted_and_told(host: Host) -> None:
    host.relay.down()
    host.report(FAILURE)
    host.relay.up()
    said = host.after(days=31).report(replace(FAILURE, job="fill-gaps"))
    assert "1 mails that could not be delivered were given up" in said[0]
    assert len(host.relay.mails) == 1 and "1 earlier mails could not be delivered" in body_of(host.relay.mails[0])
    host.after(hours=2).report(replace(FAILURE, job="fill-gaps"))
    assert "earlier mails" not in body_of(host.relay.mails[1]), "told once"


@pytest.mark.parametrize("obstacle", ["alerts", "locks"])
def test_a_state_that_cannot_be_written_still_lets_the_failure_be_told(host: Host, obstacle: str) -> None:
    host.paths.state.mkdir()
    (host.paths.state / obstacle).write_text("a file where a directory must be")
    said = host.report(FAILURE)
    assert "cannot keep the state of alerts" in said[0] and said[1].startswith("mailed")
    assert len(host.relay.mails) == 1
    assert host.report(SUCCESS) == [] or "cannot keep" in host.report(SUCCESS)[0]


@pytest.mark.parametrize(
    "changes",
    [{"to": ""}, {"user": "x"}, {"user": "x", "password_file": "/nonexistent/secret"}, {"host": "host.invalid"}, {"sender": "a\nb"}, {"security": "tls"}],
)
def test_no_mistake_in_the_configuration_of_mail_fails_a_job(host: Host, changes: dict[str, str]) -> None:
    host.config = host.relay.whole_config(**changes)
    (said,) = host.report(FAILURE)
    assert said.startswith("mail waits: ") and host.relay.mails == []
    host.config = host.relay.whole_config()
    host.after(minutes=1).report(SUCCESS)
    assert len(host.relay.mails) == 1, "once it is mended, what waited is delivered"


def test_a_delivery_in_progress_elsewhere_is_left_alone_and_what_waits_is_delivered_later(host: Host) -> None:
    host.config = host.relay.whole_config(timeout_seconds=0.5)
    with hold(host.paths.locks, "alerts-delivery", {"pid": 1}):
        assert host.report(FAILURE) == ["another run is delivering mail; what it leaves waits for the next run"]
    host.report(SUCCESS)
    assert len(host.relay.mails) == 1


def test_I32_no_secret_in_mail_state_or_log(host: Host, tmp_path: Path) -> None:
    password_file = tmp_path / "password"
    password_file.write_text(PASSWORD)
    password_file.chmod(0o400)
    host.config = host.relay.whole_config(user=USER, password_file=str(password_file))
    leaky = f"postgresql://scizor:{PASSWORD}@db refused U7654321; password={PASSWORD}"
    said = host.report(replace(FAILURE, summary=leaky, text=leaky))
    said += host.report(replace(FAILURE, kind="x", summary=leaky, text=leaky))
    written = b"".join(path.read_bytes() for path in host.paths.state.rglob("*") if path.is_file()).decode()
    mailed = "".join(each.as_string() + body_of(each) for each in host.relay.mails)
    for text in (written, mailed, "\n".join(said)):
        assert "cAnArY" not in text and "7654321" not in text and text


def test_the_database_notes_what_was_decided_on(host: Host, config: Config, collector: psycopg.Connection) -> None:
    host.config = replace(config, mail=host.relay.config())
    note = functools.partial(in_database, host.config, "collect-daily")

    def alerts() -> list[tuple[object, ...]]:
        return collector.execute("SELECT fingerprint, severity, times, resolved_at, labels ->> 'job' FROM alerts").fetchall()

    assert len(host.report(replace(FAILURE, summary="\0 U1234567", text="\0\udcff"), note=note)) == 1
    host.after(minutes=15).report(FAILURE, note=note)
    assert alerts() == [(FAILURE.fingerprint, "high", 1, None, "collect-daily")]
    host.after(minutes=45).report(FAILURE, note=note)
    host.after(minutes=15).report(SUCCESS, note=note)
    assert alerts() == [(FAILURE.fingerprint, "high", 2, START + timedelta(minutes=75), "collect-daily")]
    assert len(host.relay.mails) == 3


def test_I40_a_hostile_scope_reaches_neither_a_path_nor_the_table(host: Host, config: Config, collector: psycopg.Connection) -> None:
    host.config = replace(config, mail=host.relay.config())
    hostile = replace(FAILURE, scope="../../x\0\udcff\r\nBcc: thief@example.org'; DROP TABLE alerts; --")
    said = host.report(hostile, note=functools.partial(in_database, host.config, "collect-daily"))
    assert len(said) == 1 and said[0].startswith("mailed")
    assert "Bcc" not in host.relay.mails[0] and host.relay.envelopes[0].rcpt_tos == ["trader@example.org"]
    assert collector.execute("SELECT count(*) FROM alerts").fetchone() == (1,)
    assert all(path.is_relative_to(host.paths.state.resolve()) for path in host.paths.root.resolve().rglob("*.json"))


def test_the_database_alone_is_told_where_there_is_no_relay(host: Host, config: Config, collector: psycopg.Connection) -> None:
    host.config = config
    note = functools.partial(in_database, config, "collect-daily")
    assert host.report(FAILURE, note=note) == []
    assert host.after(minutes=15).report(FAILURE, note=note)[0].startswith("the same failure, 2 times now")
    host.after(minutes=15).report(SUCCESS, note=note)
    assert collector.execute("SELECT count(*) FROM alerts WHERE resolved_at IS NOT NULL").fetchone() == (1,)
    assert incidents.load_all(host.alerts) == []


def test_a_database_that_is_gone_keeps_no_mail_from_being_sent(host: Host) -> None:
    database = replace(host.config.database, host="127.0.0.1", port=free_port())
    host.config = replace(host.config, database=database)
    said = host.report(FAILURE, note=functools.partial(in_database, host.config, "collect-daily"))
    assert said[0].startswith("the database has no note of the alert: ") and said[1].startswith("mailed")


def test_a_database_that_refuses_keeps_no_mail_from_being_sent(host: Host, config: Config, database: psycopg.Connection) -> None:
    database.execute("DROP TABLE alerts CASCADE")
    host.config = replace(config, mail=host.relay.config())
    said = host.report(FAILURE, note=functools.partial(in_database, host.config, "collect-daily"))
    assert said[0].startswith("the database has no note of the alert: ") and said[1].startswith("mailed")


# Real processes

REPORT = """
import json, os, signal, sys, time
from datetime import datetime
from pathlib import Path
from scizor.base.clock import StoppedClock
from scizor.base.config import Config, MailConfig
from scizor.base.paths import Paths
from scizor.run import outbox
from scizor.alert import incidents, mail, repeat

wanted = json.loads(sys.argv[1])
state = Path(wanted["state"])
config = Config(mode="replay", mail=MailConfig(host="127.0.0.1", port=wanted["port"], to="trader@example.org"))
left = wanted["die_at"]
files = {outbox.__file__, incidents.__file__, mail.__file__, repeat.__file__}

def trace(frame, event, argument):
    global left
    if frame.f_code.co_filename not in files:
        return None
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return trace

while wanted["go"] and not Path(wanted["go"]).exists():
    time.sleep(0.005)
if left:
    sys.settrace(trace)
clock = StoppedClock(datetime.fromisoformat(wanted["now"]))
for sentence in outbox.report(config, Paths(state, state, state), clock, outbox.Failure("collect-daily", "", 69, "UnreachableError", "s", "t")):
    print(sentence)
"""


def process(host: Host, *, now: datetime = START, die_at: int = 0, go: Path | None = None) -> subprocess.Popen[str]:
    wanted = {
        "state": str(host.paths.state), "port": host.relay.port, "die_at": die_at, "now": now.isoformat(),
        "go": str(go) if go else "",
    }  # fmt: skip
    return subprocess.Popen([sys.executable, "-c", REPORT, json.dumps(wanted)], stdout=subprocess.PIPE, text=True)


def test_I31_processes_that_fail_at_the_same_moment_send_one_mail(host: Host, tmp_path: Path) -> None:
    go = tmp_path / "go"
    running = [process(host, go=go) for _ in range(6)]
    time.sleep(1.0)
    go.touch()
    said = [each.communicate(timeout=60)[0] for each in running]
    assert all(each.returncode == 0 for each in running)
    assert len(host.relay.mails) == 1, said
    (incident,) = incidents.load_all(host.alerts)
    assert incident.count == 6, "and none was forgotten"


def assert_killed_anywhere_it_is_told(host: Host, stride: int) -> None:
    lines, deliveries = 0, Counter[int]()
    for die_at in range(1, 2000, stride):
        host.relay.mails.clear()
        dead = process(host, die_at=die_at)
        dead.communicate(timeout=60)
        later = process(host, now=START + timedelta(minutes=15))
        later.communicate(timeout=60)
        assert later.returncode == 0
        deliveries[len(host.relay.mails)] += 1
        assert 1 <= len(host.relay.mails) <= 2 and len({each["Message-ID"] for each in host.relay.mails}) == 1, die_at
        (incident,) = incidents.load_all(host.alerts)
        assert not incident.is_waiting
        for path in [*host.alerts.iterdir()]:
            path.unlink()
        if dead.returncode == 0:
            break
        lines += 1
    else:
        pytest.fail("the process never lived to the end")
    assert lines > 3 and deliveries[1] > 0, deliveries


def test_I31_killed_at_any_line_of_its_report_the_failure_is_told_by_the_next_run(host: Host) -> None:
    assert_killed_anywhere_it_is_told(host, stride=61)


@pytest.mark.exhaustive
def test_I31_killed_at_every_line_of_its_report_the_failure_is_told_by_the_next_run(host: Host) -> None:
    assert_killed_anywhere_it_is_told(host, stride=1)


HOUR, NEARLY_A_DAY = timedelta(hours=1), timedelta(hours=23, minutes=50)


@dataclass
class Told:
    """What the model below knows of one job: an independent account of who must have been told what."""

    is_open: bool = False
    waits: str = ""
    at: datetime = START
    mails: int = 0
    first: datetime = START


def assert_each_failure_is_told_once(host: Host, events: int, seed: int) -> None:
    """Jobs fail and succeed at random behind a relay that comes and goes; the mails must be exactly the model's."""
    chooser = random.Random(seed)
    print(f"seed {seed}")
    jobs = {name: Told() for name in ("collect-daily", "fill-gaps", "check")}
    expected: list[tuple[str, str]] = []
    is_up = True
    for number in range(events + len(jobs)):
        host.after(minutes=chooser.choice([5, 15, 15, 15, 60, 300, 1440]))
        now, is_last = host.clock.now(), number >= events
        if (chooser.random() < 0.15 or is_last) and not (is_up and is_last):
            is_up = not is_up
            (host.relay.up if is_up else host.relay.down)()
        job = list(jobs)[number - events] if is_last else chooser.choice(list(jobs))
        known, fails = jobs[job], chooser.random() < 0.6 and not is_last
        host.report(Failure(job, "", Exit.UNREACHABLE, "UnreachableError", "s", "t") if fails else Success(job, ""))
        if fails:
            if not known.is_open and not known.waits:
                known.first, known.mails = now, 0
            is_due = not known.is_open or now >= known.at + (HOUR if known.mails == 1 else NEARLY_A_DAY)
            if is_due:
                known.mails += 1
                known.at, known.waits = now, "failed" if known.mails == 1 else "still fails"
            known.is_open = True
        elif known.is_open:
            known.is_open, known.waits = False, "recovered"
        if is_up:
            for name, each in sorted(jobs.items(), key=lambda item: item[1].first):
                if each.waits:
                    expected.append((name, each.waits))
                    each.waits = ""
    words = ("recovered", "still fails", "failed")  # a recovery speaks of what had failed
    told = [(subject.split()[1], next(word for word in words if f" {word}" in subject)) for subject in host.relay.subjects]
    assert sorted(told) == sorted(expected)
    assert [each for each in told if each[1] == "recovered"] == [each for each in expected if each[1] == "recovered"]
    assert incidents.load_all(host.alerts) == []
    assert len({each["Message-ID"] for each in host.relay.mails}) == len(host.relay.mails), "the same mail twice"


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_I31_each_failure_is_told_and_resolved_once_behind_a_relay_that_comes_and_goes(host: Host, seed: int) -> None:
    assert_each_failure_is_told_once(host, 100, seed)


@pytest.mark.exhaustive
def test_I31_each_failure_is_told_and_resolved_once_in_full(host: Host) -> None:
    assert_each_failure_is_told_once(host, 5_000, 31)


@pytest.mark.parametrize("defect", ["SECOND_MAIL_AFTER", "NEXT_MAILS_AFTER"])
def test_I31_the_model_sees_a_mail_too_many(host: Host, monkeypatch: pytest.MonkeyPatch, defect: str) -> None:
    """The planted defect."""
    monkeypatch.setattr(repeat, defect, timedelta(0))
    with pytest.raises(AssertionError):
        assert_each_failure_is_told_once(host, 100, 1)
