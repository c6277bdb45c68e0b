"""How remarks become a line, which status wins, and that the table of checks is whole. Pure."""

from __future__ import annotations

from datetime import timedelta

from scizor.jobs.checks import table
from scizor.jobs.checks.words import Answer, Remark, Status, ago, line_of, unseen, worst
from tests.jobs.checks.moments import DAY, HOUR, NOW, moment

OK, WARNING, CRITICAL, UNKNOWN = Status.OK, Status.WARNING, Status.CRITICAL, Status.UNKNOWN

def test_critical_wins_over_unknown_and_unknown_over_a_warning() -> None:
    assert worst([OK, UNKNOWN, WARNING]) is UNKNOWN
    assert worst([UNKNOWN, CRITICAL, WARNING]) is CRITICAL
    assert worst([]) is OK


def test_a_line_names_the_worst_first_and_counts_what_it_does_not_name() -> None:
    remarks = (*(Remark(WARNING, f"w{number}") for number in range(6)), Remark(CRITICAL, "c", hint="do this", since=NOW - HOUR))
    line = line_of(table.TABLE[0], Answer("", remarks), moment())
    assert line.value == "c; w0; w1; w2; and 3 more"
    assert (line.status, line.hint, line.since) == (CRITICAL, "do this", NOW - HOUR)


def test_since_when_is_as_health_saw_it_only_while_it_stays_so() -> None:
    earlier = {"database": ("critical", NOW - DAY)}
    check = table.TABLE[0]
    assert line_of(check, Answer("", (Remark(WARNING, "x"),)), moment(earlier=earlier)).since == NOW - DAY
    assert line_of(check, Answer("fine"), moment(earlier=earlier)).since is None


def test_every_check_has_a_name_of_its_own_a_hint_and_one_source() -> None:
    names = [each.name for each in table.TABLE]
    assert len(set(names)) == len(names) >= 30
    for each in table.TABLE:
        assert each.hint, each.name
        assert bool(each.query) + (each.read is not None) == (each.name not in ("database", "schema")), each.name
        assert unseen(each, "x").hint


def test_spans_are_told_in_words() -> None:
    assert [ago(timedelta(seconds=each)) for each in (-5, 90, 600, 7200, 10**6)] == ["0 s", "90 s", "10 min", "2 h", "12 days"]
