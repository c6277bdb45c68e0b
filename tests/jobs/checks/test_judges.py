"""Each judge at its limits: just well, just not, and what it tells. Pure: no server, no clock."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from scizor.base.config import Config
from scizor.jobs.checks import data, schedule
from scizor.jobs.checks.words import Moment, Status
from tests.jobs.checks.moments import DAY, HOUR, MINUTE, NOW, moment

OK, WARNING, CRITICAL, UNKNOWN = Status.OK, Status.WARNING, Status.CRITICAL, Status.UNKNOWN
ENTRIES = schedule.entries(
    'SCIZOR=/opt/x\n# 1 * * * *  "$SCIZOR"/bin/commented\n7-59/15 * * * *  umask 077; "$SCIZOR"/bin/collect-daily\n'
    '26 * * * *  umask 077; "$SCIZOR"/bin/actions detect\n56 * * * *  umask 077; "$SCIZOR"/bin/actions refetch\n'
    '11 * * * *  umask 077; "$SCIZOR"/bin/fill-gaps\n17 6 * * 6  umask 077; "$SCIZOR"/bin/fill-gaps --recount --wait\n'
)


def ran(job: str, scope: str = "", at: datetime = NOW, **more: Any) -> tuple[Any, ...]:
    values = {"outcome": "done", "started": at, "alive": at, "exit": 0, "said": "", "good": at, "installed": NOW - 30 * DAY, **more}
    return (job, scope, *values.values())


def all_at(at: datetime, **more: Any) -> list[tuple[Any, ...]]:
    return [ran("collect-daily", at=at, **more), ran("actions", "detect", at, **more), ran("actions", "refetch", at, **more), ran("fill-gaps", at=at, **more)]


# ---- the schedule ----------------------------------------------------------------------------------------------------


def test_the_entries_are_read_as_cron_reads_them() -> None:
    assert [(each.script, each.words) for each in ENTRIES] == [
        ("collect-daily", ()), ("actions", ("detect",)), ("actions", ("refetch",)), ("fill-gaps", ()), ("fill-gaps", ("--recount", "--wait")),
    ]  # fmt: skip
    assert len(schedule.load(moment().paths.root)) >= 10


def test_a_job_may_miss_one_run_and_not_two() -> None:
    # collect-daily fired at 7:52 and 7:37; the grace is ten minutes
    rows = all_at(NOW - 20 * MINUTE)
    assert schedule.punctual(rows, moment(), ENTRIES).status is OK
    late = [ran("collect-daily", at=NOW - 34 * MINUTE), *rows[1:]]
    found = schedule.punctual(late, moment(), ENTRIES)
    assert (found.status, found.remarks[0].scope, found.remarks[0].since) == (CRITICAL, "collect-daily", NOW - 34 * MINUTE)
    assert "bin/collect-daily" in found.remarks[0].hint


def test_a_run_that_still_gives_signs_of_life_is_punctual() -> None:
    rows = [ran("collect-daily", at=NOW - 3 * HOUR, alive=NOW - MINUTE, outcome="running"), *all_at(NOW - MINUTE)[1:]]
    assert schedule.punctual(rows, moment(), ENTRIES).status is OK


def test_subcommands_of_one_script_are_told_apart() -> None:
    rows = [each for each in all_at(NOW - MINUTE) if each[1] != "refetch"] + [ran("actions", "refetch", NOW - 3 * HOUR)]
    assert [each.scope for each in schedule.punctual(rows, moment(), ENTRIES).remarks] == ["actions refetch"]


def test_a_job_that_never_ran_is_late_only_where_the_database_is_old_enough() -> None:
    rows = all_at(NOW - MINUTE)[1:]
    assert [each.text for each in schedule.punctual(rows, moment(), ENTRIES).remarks] == ["collect-daily never ran"]
    young = [ran(each[0], each[1], NOW - MINUTE, installed=NOW - 5 * MINUTE) for each in rows]
    assert schedule.punctual(young, moment(), ENTRIES).status is OK


def test_all_late_at_once_is_one_remark_a_dead_cron() -> None:
    found = schedule.punctual(all_at(NOW - 5 * HOUR), moment(), ENTRIES)
    assert len(found.remarks) == 1 and "is cron dead" in found.remarks[0].text and found.remarks[0].since == NOW - 5 * HOUR
    never = [("", "", None, None, None, None, "", None, NOW - DAY)]
    assert "no job ever ran" in schedule.punctual(never, moment(), ENTRIES).remarks[0].text


def test_a_job_without_rows_is_judged_by_when_its_lock_was_held_last() -> None:
    rows = all_at(NOW - MINUTE)[:3]
    assert [each.text for each in schedule.punctual(rows, moment(), ENTRIES).remarks] == ["fill-gaps never ran"]
    assert schedule.punctual(rows, moment(held={"fill-gaps": NOW - MINUTE}), ENTRIES).status is OK
    found = schedule.punctual(rows, moment(held={"fill-gaps": NOW - 5 * HOUR}), ENTRIES)
    assert "fill-gaps did not run for 5 h" in found.remarks[0].text
    late = [ran("fill-gaps", at=NOW - 5 * HOUR), *rows]
    assert schedule.punctual(late, moment(held={"fill-gaps": NOW}), ENTRIES).status is CRITICAL, "where there are rows, they count"


def test_who_looks_is_not_late() -> None:
    rows = [ran("fill-gaps", at=NOW - 5 * HOUR), *all_at(NOW - MINUTE)[:3]]
    assert schedule.punctual(rows, moment(), ENTRIES).status is CRITICAL
    assert schedule.punctual(rows, moment(asked_by="fill-gaps"), ENTRIES).status is OK


def test_while_paused_no_job_is_expected() -> None:
    assert schedule.punctual(all_at(NOW - 5 * HOUR), moment(is_paused=True), ENTRIES).status is OK


@pytest.mark.parametrize(("silent", "status"), [(90, OK), (91, CRITICAL)])
def test_a_heartbeat_older_than_90_seconds_is_a_run_that_died(silent: int, status: Status) -> None:
    rows = [ran("backfill", at=NOW - HOUR, alive=NOW - timedelta(seconds=silent), outcome="running")]
    assert schedule.running(rows, moment()).status is status


def test_a_run_past_its_deadline_is_told() -> None:
    rows = [ran("backfill", at=NOW - 183 * MINUTE, alive=NOW, outcome="running")]
    assert schedule.running(rows, moment()).status is CRITICAL


@pytest.mark.parametrize(("outcome", "status"), [("done", OK), ("nothing-due", OK), ("interrupted", OK), ("running", OK), ("partial", WARNING), ("finding", WARNING), ("abandoned", WARNING), ("failed", CRITICAL), ("deadline", CRITICAL)])
def test_how_a_job_ended_decides(outcome: str, status: Status) -> None:
    found = schedule.failed([ran("backfill", outcome=outcome, said="why", good=NOW - DAY)], moment())
    assert found.status is status
    assert status is OK or found.remarks[0].since == NOW - DAY


# ---- the data --------------------------------------------------------------------------------------------------------


def test_what_is_missing_for_a_day_is_critical_by_calendar() -> None:
    found = data.coverage([("XASX", 3, 2, NOW - 2 * DAY, "deferred"), ("XNYS", 1, 1, NOW - DAY, "error")], moment())
    assert [each.scope for each in found.remarks] == ["XASX", "XNYS"] and found.status is CRITICAL


@pytest.mark.parametrize(("stored", "status"), [(1000, OK), (980, OK), (979, WARNING), (950, WARNING), (949, CRITICAL), (0, CRITICAL)])
def test_the_newest_session_is_held_against_the_promised_shares(stored: int, status: Status) -> None:
    rows = [("XASX", date(2025, 1, 14), NOW - 26 * HOUR, 1000, stored, date(2025, 1, 15), NOW - DAY)]
    assert data.newest(rows, moment()).status is status
    assert data.newest([(*rows[0][:-1], NOW - DAY + MINUTE)], moment()).status is OK, "in its first day a database is being filled"


def test_a_person_has_a_day_to_decide() -> None:
    rows = [("refused bars", 2, NOW - 23 * HOUR), ("corporate actions", 1, NOW - 25 * HOUR), ("contradictions", 0, None), ("hard faults", 0, None)]
    assert [(each.scope, each.hint) for each in data.doubts(rows, moment()).remarks] == [("corporate actions", "bin/actions list")]


def test_an_alert_that_is_not_delivered_is_critical() -> None:
    assert data.alerts([(3, 0, None, None, 0)], moment()).status is OK
    found = data.alerts([(3, 2, NOW - HOUR, "421 try later", 0)], moment())
    assert found.status is CRITICAL and "421" in found.remarks[0].text and found.remarks[0].since == NOW - HOUR
    assert data.alerts([(3, 0, None, None, 1)], moment()).status is WARNING


@pytest.mark.parametrize(("used", "opened", "refused", "status"), [(54, 45, 0, OK), (55, 0, 0, WARNING), (0, 46, 0, WARNING), (60, 50, 0, WARNING), (0, 0, 1, CRITICAL)])
def test_pacing_warns_above_nine_tenths_and_a_refusal_is_critical(used: int, opened: int, refused: int, status: Status) -> None:
    assert data.pacing([(used, opened, refused)], moment()).status is status


def test_pacing_is_held_against_the_configured_limits() -> None:
    config = replace(Config(), pacing=replace(Config().pacing, requests_max=30))
    assert data.pacing([(28, 0, 0)], moment(config=config)).status is WARNING
    assert data.pacing([(28, 0, 0)], moment()).status is OK


def test_outages_begin_and_end_as_events_say_and_a_job_that_hangs_up_is_none() -> None:
    rows = [
        (NOW, "upstream-lost", 1100, ""), (NOW - HOUR, "connected", None, ""), (NOW - 2 * HOUR, "lost", None, ""), (NOW - 3 * HOUR, "gateway-up", None, ""),
        (NOW - 4 * HOUR, "gateway-down", None, ""), (NOW - 5 * HOUR, "gateway-down", None, ""),
    ]  # fmt: skip
    assert data.outages(rows) == [data.Outage("gateway", NOW - 5 * HOUR, NOW - 3 * HOUR), data.Outage("upstream", NOW, None)]


@pytest.mark.parametrize(
    ("at", "seconds", "status"),
    [(NOW, 29, WARNING), (NOW, 30, CRITICAL), (datetime(2025, 1, 14, 21, 0, tzinfo=UTC), 119, WARNING), (datetime(2025, 1, 14, 21, 0, tzinfo=UTC), 120, CRITICAL)],
    ids=["29 s", "30 s", "119 s in a reset", "120 s in a reset"],
)  # fmt: skip
def test_a_known_reset_raises_the_tolerance_and_mutes_nothing(at: datetime, seconds: int, status: Status) -> None:
    lost = [(at - timedelta(seconds=seconds), "upstream-lost", 1100, "")]
    assert data.connection(lost, moment(at)).status is status


def test_a_standby_and_a_full_server_are_told() -> None:
    assert data.server([(NOW, False, 10, 97, 1, 180006, NOW)], moment()).status is OK
    assert data.server([(NOW, True, 10, 97, 1, 180006, NOW)], moment()).status is CRITICAL
    assert data.server([(NOW, False, 80, 97, 1, 180006, NOW)], moment()).status is WARNING
    assert data.server([(NOW, False, 95, 97, 1, 180006, NOW)], moment()).status is CRITICAL


@pytest.mark.parametrize(("seconds", "status"), [(0.9, OK), (-1.1, WARNING), (4.9, WARNING), (5.1, CRITICAL), (-3600, CRITICAL)])
def test_row_9_the_clocks_may_differ_by_a_second(seconds: float, status: Status) -> None:
    assert data.clock([(NOW + timedelta(seconds=seconds), False, 1, 97, 1, 180006, NOW)], moment()).status is status


def test_row_61_next_year_needs_its_partition_thirty_days_ahead() -> None:
    assert data.partitions([(2025,)], moment()).status is OK
    assert data.partitions([(2025,)], moment(datetime(2025, 12, 3, tzinfo=UTC))).status is WARNING
    assert data.partitions([(2026,)], moment(datetime(2025, 12, 3, tzinfo=UTC))).status is OK
    assert data.partitions([(2024,)], moment()).status is CRITICAL
    assert data.partitions([], moment()).status is CRITICAL


def test_row_11_a_calendar_that_ends_in_180_days_is_told() -> None:
    from scizor.market import calendar

    end = calendar.ends("XASX")
    at = datetime(end.year, end.month, end.day, tzinfo=UTC)
    assert data.calendars([("XASX", end)], moment(at - 181 * DAY)).status is OK
    assert data.calendars([("XASX", end)], moment(at - 180 * DAY)).status is WARNING
    assert data.calendars([("XASX", end)], moment(at + DAY)).status is CRITICAL
    assert data.calendars([("XASX", date(2025, 1, 1))], moment()).status is WARNING


def test_a_backup_counts_once_it_was_verified_and_ages_as_its_data_do() -> None:
    installed = NOW - 30 * DAY
    judge = lambda *row: data.backups([row], moment()).status  # noqa: E731
    assert judge(NOW - 25 * HOUR, NOW, "verified", NOW, 0, installed) is OK
    assert judge(NOW - 27 * HOUR, NOW, "complete", NOW, 0, installed) is WARNING
    assert judge(NOW - 75 * HOUR, NOW, "complete", NOW, 0, installed) is CRITICAL
    assert judge(None, None, "complete", NOW, 0, installed) is CRITICAL
    assert judge(None, None, None, None, 0, NOW - HOUR) is OK
    assert judge(NOW - HOUR, NOW, "corrupt", NOW, 1, installed) is CRITICAL


def test_the_stamp_must_be_the_mode() -> None:
    assert data.mode([("replay",)], moment()).status is OK
    assert data.mode([], moment()).status is OK
    assert data.mode([("live",)], moment()).status is CRITICAL


def test_an_exchange_without_any_permission_is_critical_some_symbols_are_a_warning() -> None:
    found = data.permissions([("ASX", 10, 0, None), ("NASDAQ", 4, 4, "A B C D"), ("NYSE", 4, 1, "E")], moment())
    assert [(each.scope, each.status) for each in found.remarks] == [("NASDAQ", CRITICAL), ("NYSE", WARNING)]


def test_the_session_is_told_with_its_hours_and_where_it_stands() -> None:
    day = datetime(2025, 1, 15, tzinfo=UTC)
    rows = [("XASX", day.date(), day - HOUR, day + 5 * HOUR, day + 5 * HOUR + 12 * MINUTE, False), ("XNYS", day.date(), day + 14 * HOUR, day + 18 * HOUR, day + 18 * HOUR, True)]
    found = data.session(rows, moment(day + HOUR))
    assert "XASX 2025-01-15 23:00 to 05:00 UTC, is on" in found.value and "half day, opens in 13 h" in found.value
    assert "closing auction" in data.session(rows, moment(day + 5 * HOUR + MINUTE)).value
    assert data.session([("XASX", None, None, None, None, None)], moment()).status is WARNING


@pytest.mark.parametrize(("lost", "status"), [(0, OK), (10, OK), (30, WARNING), (80, CRITICAL)])
def test_the_disk_s_days_are_counted_from_what_it_lost_in_a_week(lost: float, status: Status) -> None:
    rows = [("state", 100e9 - lost * 1e9, NOW, 100e9, NOW - 4 * DAY)]
    assert data.growth(rows, moment()).status is status
    assert data.growth([("state", 1e9, NOW, 100e9, NOW - HOUR)], moment()).status is OK, "an hour is no trend"


def test_the_judges_take_what_no_database_holds_yet() -> None:
    empty: Moment = moment()
    for judge in (data.coverage, data.newest, data.doubts, data.connection, data.calendars, data.permissions, data.session, data.growth, data.mode):
        assert judge([], empty).status is OK
