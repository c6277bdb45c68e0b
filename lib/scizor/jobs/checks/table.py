"""The one table of checks: name, judge, what it is held against, the next command, and where its facts come from.

The order is the order of the lines. `failures` is no more than MEDIUM, since a job that fails mails for itself; `login` is CRITICAL, since
its warning must reach a person on a Saturday. A new check is a row here, a reader and a judge, and cases in tests/jobs/checks.
"""

from __future__ import annotations

from collections.abc import Sequence

from scizor.base.errors import UsageError
from scizor.base.protocols import Severity
from scizor.jobs.checks import data, host, schedule, services
from scizor.jobs.checks.words import Answer, Check, Moment

CRITICAL, MEDIUM = Severity.CRITICAL, Severity.MEDIUM


def answers(milliseconds: float, _: Moment) -> Answer:
    return Answer(f"connected in {milliseconds:.0f} ms")


def matches(version: str, _: Moment) -> Answer:
    return Answer(version)


#: `database` and `schema` are read by `look`, which connects: their facts are what it saw, or the error.
TABLE: tuple[Check, ...] = (
    Check("database", answers, "answers within 3 s", "systemctl status postgresql; see [database] in the configuration", severity=CRITICAL, is_ready=True),
    Check("schema", matches, "as this checkout needs it", "bin/migrate", is_ready=True),
    Check("mode", data.mode, "the stamp is the configured mode", "give each mode a database of its own: [database] name", "check_mode", severity=CRITICAL, is_ready=True),
    Check("server", data.server, "takes writes, connections < 80 %", "bin/psql -c 'SELECT * FROM pg_stat_activity'", "check_server", severity=CRITICAL),
    Check("clock", data.clock, "< 1 s from the database's, critical > 5 s", "timedatectl; chronyc tracking: which of the two is wrong?", "check_server", severity=CRITICAL, is_ready=True),
    Check("jobs", schedule.punctual, "each entry of cron/scizor.crontab, one missed run and 10 min of grace", "crontab -l; bin/psql -f sql/monitor/jobs.sql", "check_jobs", severity=CRITICAL),
    Check("running", schedule.running, "heartbeat < 90 s, age < [collect] deadline_minutes", "bin/psql -f sql/monitor/jobs.sql", "check_jobs"),
    Check("failures", schedule.failed, "every job's newest run ended well", "bin/psql -f sql/monitor/jobs.sql", "check_jobs", severity=MEDIUM),
    Check("skips", host.skips_judged, "< 3 in a row", "bin/psql -f sql/monitor/jobs.sql", read=host.skips, severity=MEDIUM),
    Check("pause", host.pause_judged, "not paused", "bin/resume", read=host.pause, severity=MEDIUM),
    Check("coverage", data.coverage, "nothing unexplained is missing for 24 h", "bin/coverage --why; bin/fill-gaps --retry-failed", "check_coverage", is_ready=True),
    Check("newest", data.newest, "> 99.5 % of symbols a day after the session, alert < 98 %, critical < 95 %", "bin/collect-daily; bin/coverage --why", "check_newest", is_ready=True),
    Check("doubts", data.doubts, "nothing waits for a person for a day", "bin/quarantine list; bin/actions list", "check_doubts", severity=MEDIUM),
    Check("calendars", data.calendars, "known for 180 days", "upgrade exchange_calendars in etc/requirements.lock, then bin/setup", "check_calendars"),
    Check("partitions", data.partitions, "next year's, 30 days ahead", "bin/make-partitions", "check_partitions"),
    Check("pacing", data.pacing, "< 80 %, alert > 90 %, critical > 95 % or refused by IB", "bin/psql -f sql/monitor/pacing.sql", "check_pacing"),
    Check("gateway", services.gateway_judged, "logged in and answering; tolerated for 30 s, near a reset of IB 120 s", "start the Gateway and log in", read=services.gateway, severity=CRITICAL, is_ready=True, limit_seconds=9.0),
    Check("gateway-clock", services.gateway_clock, "< 2 s from the Gateway's, critical > 5 s", "timedatectl; chronyc tracking", read=services.gateway, is_ready=True, limit_seconds=9.0),
    Check("connection", data.connection, "IB is reached; tolerated for 30 s, near a reset of IB 120 s", "bin/psql -f sql/monitor/jobs.sql", "check_connection"),
    Check("login", services.login, "> 24 h to Sunday 01:00 in New York", "log in to the Gateway again, with the second factor", read=lambda _: None, severity=CRITICAL, is_ready=True),
    Check("permissions", data.permissions, "every exchange answers", "subscribe to its data for the login of the Gateway", "check_permissions", is_ready=True),
    Check("session", data.session, "", "bin/collect-daily loads the calendars", "check_sessions", severity=MEDIUM, is_ready=True),
    Check("redis", services.redis_judged, "answers, takes writes, < [redis] memory_bytes_max", "redis-cli ping; see [redis] in the configuration", read=services.redis),
    Check("alerts", data.alerts, "none undelivered for 10 min", "bin/psql -c 'SELECT * FROM v_alerts'", "check_alerts", severity=CRITICAL),
    Check("mail", services.mail_judged, "the relay greets, no mail waits for 10 min", "see [mail] in the configuration", read=services.mail, severity=CRITICAL, limit_seconds=6.0),
    Check("cron", host.cron_judged, "no CRON_TZ, no bare percent sign, mail can go out", "crontab -e; README, Schedule it", read=host.cron),
    Check("disk", host.disk, "< 90 % of bytes and inodes, critical > 95 % or < 500 MB", "bin/psql -f sql/monitor/space.sql; bin/prune", read=host.places, severity=CRITICAL),
    Check("growth", data.growth, "> 30 days left, critical < 7", "bin/psql -f sql/monitor/space.sql; bin/export --detach", "check_growth", is_ready=True),
    Check("memory", host.memory, "< 70 %, alert > 85 %, critical > 95 %", "ps aux --sort=-rss | head", read=host.load),
    Check("cpu", host.processor, "< 60 %, warning > 200 %", "ps aux --sort=-pcpu | head", read=host.load, severity=MEDIUM),
    Check("logs", host.logs_judged, "writable", "ls -ld logs; see [paths] in the configuration", read=host.logs),
    Check("locks", host.locks_judged, "local, ours, closed to others", "set [paths] state to a directory on a local disk", read=host.locks),
    Check("secrets", host.secrets_judged, "mode 0400", "chmod 0400 FILE", read=host.secrets),
    Check("environment", host.whole_judged, "equals etc/requirements.lock", "bin/setup", read=host.whole),
    Check("backups", data.backups, "verified < 26 h ago, critical > 74 h", "bin/psql -c 'SELECT * FROM backups ORDER BY id DESC LIMIT 5'", "check_backups", is_ready=True),
)  # fmt: skip


def chosen(only: Sequence[str], is_ready: bool) -> tuple[Check, ...]:
    """The checks that were asked for. UsageError names what is not known."""
    known = {each.name: each for each in TABLE}
    unknown = [name for name in only if name not in known]
    if unknown:
        raise UsageError(f"there is no check {', '.join(unknown)}", hint="there are: " + " ".join(known))
    return tuple(each for each in TABLE if (not only or each.name in only) and (not is_ready or each.is_ready))
