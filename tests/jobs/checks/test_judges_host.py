"""What services and the machine say of themselves, judged at each limit. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from scizor.base.config import Config
from scizor.base.errors import RefusedError, UnreachableError
from scizor.base.lock import Skips
from scizor.hot.probe import Pulse
from scizor.ib.pulse import Pulse as GatewaySeen
from scizor.jobs.checks import host, services
from scizor.jobs.checks.host import Cron, Load, Place
from scizor.jobs.checks.services import MailSeen
from scizor.jobs.checks.words import Status
from tests.jobs.checks.moments import DAY, HOUR, MINUTE, NOW, moment

OK, WARNING, CRITICAL, UNKNOWN = Status.OK, Status.WARNING, Status.CRITICAL, Status.UNKNOWN

SEEN = GatewaySeen("REPLAY1", 176, 3.0, 0.0, True, True)


def test_a_gateway_that_answers_is_well_and_one_that_is_down_is_tolerated_for_a_while() -> None:
    down = UnreachableError("nothing listens on 127.0.0.1:4002", hint="start it")
    assert services.gateway_judged(SEEN, moment()).status is OK
    assert services.gateway_judged(down, moment()).status is WARNING
    later = moment(earlier={"gateway": ("warning", NOW - timedelta(seconds=60))})
    found = services.gateway_judged(down, later)
    assert (found.status, found.remarks[0].since, found.remarks[0].hint) == (CRITICAL, NOW - timedelta(seconds=60), "start it")


def test_another_account_is_critical_at_once_and_a_taken_client_id_is_not() -> None:
    assert services.gateway_judged(RefusedError("configured paper, the Gateway says live"), moment()).status is CRITICAL
    assert services.gateway_judged(UnreachableError("every client id of ours in use: 131"), moment(earlier={"gateway": ("warning", NOW - DAY)})).status is WARNING


def test_a_gateway_without_IB_is_told_though_it_answers() -> None:
    old = moment(earlier={"gateway": ("warning", NOW - 10 * MINUTE)})
    assert services.gateway_judged(SEEN._replace(is_upstream=False), old).status is CRITICAL
    assert services.gateway_judged(SEEN._replace(is_ready=False), moment()).status is WARNING
    assert services.gateway_judged(SEEN._replace(is_ready=False), old).status is CRITICAL


def test_row_9_the_gateway_s_clock_is_compared() -> None:
    assert services.gateway_clock(SEEN._replace(ahead_seconds=1.5), moment()).status is OK
    assert services.gateway_clock(SEEN._replace(ahead_seconds=3.0), moment()).status is WARNING
    assert services.gateway_clock(SEEN._replace(ahead_seconds=3600.0), moment()).status is CRITICAL


def test_row_88_the_login_expires_on_sunday_at_one_in_new_york() -> None:
    live = replace(Config(), mode="live")
    expires = datetime(2025, 1, 19, 6, 0, tzinfo=UTC)
    assert services.login(None, moment(expires - 25 * HOUR, live)).status is OK
    assert services.login(None, moment(expires - 23 * HOUR, live)).status is WARNING
    assert services.login(None, moment(expires, live)).status is OK, "the next is a week away"
    summer = datetime(2025, 7, 20, 5, 0, tzinfo=UTC)
    assert services.login(None, moment(summer - HOUR, live)).status is WARNING
    assert services.login(None, moment(summer - HOUR)).status is OK, "a replay has none"


@pytest.mark.parametrize(
    ("info", "status"),
    [({"used_memory": "1000"}, OK), ({"used_memory": "2000000000"}, WARNING), ({"maxmemory_policy": "allkeys-lru"}, WARNING),
     ({"rdb_last_bgsave_status": "err"}, CRITICAL), ({"role": "slave"}, CRITICAL)],
)  # fmt: skip
def test_row_68_what_redis_says_of_itself(info: dict[str, str], status: Status) -> None:
    assert services.redis_judged(Pulse(info), moment()).status is status
    assert services.redis_judged(None, moment()).status is OK
    assert services.redis_judged(UnreachableError("refused"), moment()).status is CRITICAL


def test_a_dead_relay_and_mail_that_waits_are_critical() -> None:
    assert services.mail_judged(MailSeen("", 0, None), moment()).status is OK
    assert services.mail_judged(MailSeen("connection refused", 0, None), moment()).status is CRITICAL
    assert services.mail_judged(MailSeen("", 2, NOW - HOUR), moment()).remarks[0].since == NOW - HOUR


# ---- the machine -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "status"),
    [({}, OK), ({"free": 9}, WARNING), ({"free": 4}, CRITICAL), ({"inodes_free": 9}, WARNING), ({"inodes_free": 4}, CRITICAL), ({"is_read_only": True}, CRITICAL),
     ({"problem": "Input/output error"}, CRITICAL), ({"total": 1_000_000_000, "free": 400_000_000}, CRITICAL), ({"inodes": 0, "inodes_free": 0}, OK)],
)  # fmt: skip
def test_room_is_counted_in_bytes_and_in_inodes(changes: dict[str, Any], status: Status) -> None:
    values = {"total": 100, "free": 50, **changes}
    if values["total"] == 100:  # in units of a terabyte
        values.update(total=10**14, free=values["free"] * 10**12)
    place = Place("state", moment().paths.state, **{"inodes": 100, "inodes_free": 50, **values})
    assert host.disk([place], moment()).status is status


def test_memory_is_held_against_what_was_promised() -> None:
    for percent, status in ((85, OK), (86, WARNING), (96, CRITICAL)):
        assert host.memory(Load(percent, 0, None, 0), moment()).status is status
    assert host.processor(Load(0, 201, None, 0), moment()).status is WARNING


def test_row_1_three_skips_in_a_row_are_told() -> None:
    assert host.skips_judged({"backfill": Skips(2, NOW)}, moment()).status is OK
    assert host.skips_judged({"backfill": Skips(3, NOW - HOUR)}, moment()).remarks[0].since == NOW - HOUR


OURS = f"7 * * * * {moment().paths.root}/bin/collect-daily"


@pytest.mark.parametrize(
    ("crontab", "has_mta", "scopes"),
    [(OURS, True, []), (None, True, []), (f"CRON_TZ=Australia/Sydney\n{OURS}", True, ["zone"]), (f"{OURS} --date $(date +%F)", True, ["percent"]),
     (f"{OURS} --date $(date +\\%F)", True, []), ("7 * * * * /usr/bin/backup-%d", True, []), (OURS, False, ["mail"]), (f"# CRON_TZ=x %\n{OURS}", True, [])],
)  # fmt: skip
def test_rows_4_5_and_6_what_debian_s_cron_does_silently(crontab: str | None, has_mta: bool, scopes: list[str]) -> None:
    assert [each.scope for each in host.cron_judged(Cron(crontab, has_mta), moment()).remarks] == scopes


def test_without_a_transport_a_configured_relay_is_enough() -> None:
    config = replace(Config(), mail=replace(Config().mail, host="relay", to="x@example.org"))
    assert host.cron_judged(Cron(OURS, False), moment(config=config)).status is OK
