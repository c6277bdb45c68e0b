"""The rule of repetition, without files or mail: at once, after an hour, then daily, then "recovered"."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from scizor.alert.repeat import LINES_MAX, TEXT_MAX, Failure, Incident, compose, due, recovered
from scizor.alert.text import LINE_MAX
from scizor.base.exit import Exit
from scizor.base.protocols import Severity

START = datetime(2025, 1, 15, 6, 7, tzinfo=UTC)
FAILURE = Failure("collect-daily", "", Exit.UNREACHABLE, "UnreachableError", "nothing listens on 127.0.0.1:4002", "text")


def mails(every: timedelta, for_: timedelta, failure: Failure = FAILURE) -> list[timedelta]:
    """When mails are decided on while a failure comes back `every` so often."""
    state, at, told = None, START, []
    while at <= START + for_:
        decision = due(state, failure, at)
        state = replace(decision.incident, is_waiting=False)
        if decision.is_mail:
            told.append(at - START)
        at += every
    return told


def test_the_same_failure_mails_at_once_after_an_hour_then_daily() -> None:
    hour, day = timedelta(hours=1), timedelta(days=1)
    told = mails(timedelta(minutes=15), 4 * day)
    assert told == [timedelta(0), hour, *(pytest.approx(hour + n * day, abs=timedelta(minutes=15)) for n in (1, 2, 3))]


def test_not_a_second_before_the_hour() -> None:
    opened = due(None, FAILURE, START).incident
    assert not due(opened, FAILURE, START + timedelta(minutes=59, seconds=59)).is_mail
    assert due(opened, FAILURE, START + timedelta(hours=1)).is_mail


def test_a_job_that_runs_once_a_day_mails_every_day_although_it_fails_a_second_earlier() -> None:
    assert len(mails(timedelta(hours=23, minutes=59, seconds=59), timedelta(days=9))) == 10


def test_a_failure_of_a_minute_s_job_mails_no_more_than_that_of_an_hour_s() -> None:
    assert len(mails(timedelta(minutes=1), timedelta(days=3))) == len(mails(timedelta(hours=1), timedelta(days=3))) == 4


def test_identity_is_job_scope_status_and_kind_and_never_the_text() -> None:
    same = replace(FAILURE, summary="other words about BHP", text="another text")
    assert same.fingerprint == FAILURE.fingerprint
    others = [
        replace(FAILURE, job="fill-gaps"), replace(FAILURE, scope="priority"), replace(FAILURE, status=Exit.PARTIAL),
        replace(FAILURE, kind="OSError"), replace(FAILURE, job="collect-daily\0", scope=""),
    ]  # fmt: skip
    assert len({FAILURE.fingerprint, *(each.fingerprint for each in others)}) == 6
    assert all(set(each.fingerprint) <= set("0123456789abcdef") for each in others), "it becomes a file's name"
    assert Failure("../../etc/passwd", "\udcff/\n", 1, "x").fingerprint.isalnum()


def test_a_clock_that_was_set_back_mutes_nothing() -> None:
    opened = due(None, FAILURE, START + timedelta(days=365)).incident
    decision = due(opened, FAILURE, START)
    assert decision.is_mail
    assert not due(decision.incident, FAILURE, START + timedelta(minutes=15)).is_mail, "and from there the rule goes on"


def test_clocks_of_two_processes_that_differ_by_a_moment_are_no_reason_to_mail_again() -> None:
    opened = due(None, FAILURE, START).incident
    assert not due(opened, FAILURE, START - timedelta(seconds=1)).is_mail


def test_a_recovery_is_told_once_and_a_failure_before_it_was_told_takes_it_back() -> None:
    opened = due(None, FAILURE, START).incident
    over = recovered(opened, START + timedelta(minutes=15))
    assert over.is_waiting and recovered(over, START + timedelta(minutes=30)) == over
    again = due(over, FAILURE, START + timedelta(minutes=45))
    assert again.is_mail and again.incident.recovered_at is None
    assert (again.incident.first_at, again.incident.count) == (START, 2)


def incident(**changes: object) -> Incident:
    return replace(due(None, FAILURE, START).incident, **changes)  # type: ignore[arg-type]


def test_what_a_person_reads() -> None:
    first = compose(incident(), "trader1")
    assert first.subject == "scizor: collect-daily failed (69): nothing listens on 127.0.0.1:4002"
    assert first.severity is Severity.HIGH and "trader1" in first.body and "in an hour" in first.body
    later = compose(incident(scope="priority", count=5, mails=2), "trader1")
    assert later.subject.startswith("scizor: collect-daily [priority] still fails, 5 times since 2025-01-15 06:07 UTC (69):")
    over = compose(incident(recovered_at=START + timedelta(hours=2)), "trader1")
    assert over.subject == "scizor: collect-daily recovered, had failed once since 2025-01-15 06:07 UTC"
    assert over.recovered and over.at == START + timedelta(hours=2)


@pytest.mark.parametrize(("status", "severity"), [(77, Severity.CRITICAL), (73, Severity.CRITICAL), (3, Severity.MEDIUM), (1, Severity.HIGH)])
def test_severity_follows_the_exit_status(status: int, severity: Severity) -> None:
    assert compose(incident(status=status), "h").severity is severity


def test_a_long_text_is_cut_at_its_end_and_says_so() -> None:
    for text in ("line\n" * 10_000, "x" * 1_000_000):
        kept = due(None, replace(FAILURE, text=text, summary=text), START).incident
        assert len(kept.text) < TEXT_MAX + 100 and kept.text.count("\n") <= LINES_MAX
        assert kept.text.endswith("[cut; the whole is in the log]")
        assert len(kept.summary) <= LINE_MAX
    assert due(None, FAILURE, START).incident.text == "text"


def test_what_is_kept_holds_nothing_that_a_mail_or_a_table_cannot() -> None:
    kept = due(None, replace(FAILURE, summary="a\0\udcff\nb", text="a\0\r\nb\udcff\tc\x1b[31m"), START).incident
    assert kept.summary == "a b" and kept.text == "a?\nb?    c?[31m"


def test_I32_what_is_kept_on_disk_is_masked_already() -> None:
    leaky = replace(FAILURE, summary="postgresql://a:cAnArY@db", text="password=cAnArY of U1234567")
    assert "cAnArY" not in repr(due(None, leaky, START)) and "1234567" not in repr(due(None, leaky, START))
