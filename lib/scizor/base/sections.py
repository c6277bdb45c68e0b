"""The sections of the configuration: each key with its default, what it means, and what it may be. config.py loads them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

T = TypeVar("T")


def option(default: T, text: str, *, choices: tuple[str, ...] = (), low: float | None = None, high: float | None = None) -> T:
    """One key: its default, what it means, and what it may be."""
    return field(default=default, metadata={"text": text, "choices": choices, "low": low, "high": high})


@dataclass(frozen=True, slots=True)
class DatabaseConfig:
    """PostgreSQL. Without a host, an embedded server is started below paths.state: for trying and testing."""

    host: str = option("", "host name, or the directory of a Unix socket; empty: the embedded server")
    port: int = option(5432, "TCP port, or the number in the socket's name", low=1, high=65535)
    name: str = option("scizor", "the database")
    user: str = option("scizor_collector", "the login of the jobs; it may insert and read, not delete or alter")
    owner: str = option("scizor_owner", "the login that bin/migrate uses; it owns the tables")
    password_file: str = option("", "a file of mode 0400 with the jobs' password; empty: .pgpass, peer or PGPASSWORD")
    owner_password_file: str = option("", "the same for the owner")
    connect_timeout_seconds: int = option(10, "how long to wait for the server's answer", low=1, high=600)


@dataclass(frozen=True, slots=True)
class GatewayConfig:
    """IB Gateway or TWS. One port, no fall-back: Gateway 4001 live, 4002 paper; TWS 7496 live, 7497 paper."""

    host: str = option("127.0.0.1", "where the Gateway listens")
    port: int = option(4002, "its API port; 14002 is the replay gateway's", low=1, high=65535)
    account: str = option("", "refuse any other account; empty: any account of the right mode")
    client_id_first: int = option(100, "the first API client id that jobs may use; never 0", low=1, high=2**31 - 1)
    client_id_last: int = option(131, "the last one; the Gateway takes 32 clients", low=1, high=2**31 - 1)
    connect_timeout_seconds: float = option(15.0, "for the whole handshake", low=0.1, high=600)
    request_timeout_seconds: float = option(30.0, "for one historical request", low=0.1, high=3600)
    ready_timeout_seconds: float = option(15.0, "for the history farm to say that it is there; then ask anyway", low=0, high=600)


@dataclass(frozen=True, slots=True)
class PacingConfig:
    """IB's request limits: one budget for the whole login."""

    regime: str = option(
        "published", "published: IB's hard rule where IB publishes it; strict: for every request",
        choices=("published", "strict"),
    )  # fmt: skip
    requests_max: int = option(60, "requests in one window under the hard rule (IB: 60)", low=1, high=60)
    window_seconds: float = option(600.0, "that window (IB: ten minutes)", low=1, high=86400)
    daemon_share: int = option(0, "how many of requests_max belong to the live daemon", low=0, high=59)
    open_max: int = option(50, "open historical requests of the login (IB: 50)", low=1, high=50)
    soft_open_first: int = option(4, "concurrency with which the soft regime begins", low=1, high=50)


@dataclass(frozen=True, slots=True)
class CollectConfig:
    """What is due, and how far back."""

    settle_minutes: int = option(45, "a session is due this long after its last phase", low=0, high=1440)
    daily_years: int = option(20, "horizon of daily bars", low=1, high=50)
    intraday_days: int = option(365, "horizon of shorter bars", low=1, high=7300)
    refetch_sessions: int = option(5, "the newest sessions are fetched once more the next day", low=0, high=60)
    deadline_minutes: int = option(180, "a run stops by itself after this long (exit 124)", low=1, high=1440)


@dataclass(frozen=True, slots=True)
class MailConfig:
    """Failure mail over SMTP. Without a host nothing is mailed."""

    host: str = option("", "SMTP relay; empty: no mail")
    port: int = option(25, "its port", low=1, high=65535)
    security: str = option("none", "none on loopback, starttls or tls elsewhere", choices=("none", "starttls", "tls"))
    sender: str = option("scizor@localhost", "From:")
    to: str = option("", "To:; several separated by commas; needed where host is set")
    user: str = option("", "login at the relay; empty: none")
    password_file: str = option("", "a file of mode 0400 with its password")
    timeout_seconds: float = option(10.0, "for the whole delivery", low=0.1, high=120)


@dataclass(frozen=True, slots=True)
class AlertConfig:
    """Who else is told of what bin/health finds. Each file holds one apprise URL, which is a secret; mail goes by [mail]."""

    slack_alerts_file: str = option("", "a file of mode 0400 with the URL of #trading-alerts (critical, high); empty: none")
    slack_performance_file: str = option("", "the same of #trading-performance (medium); empty: none")
    sms_file: str = option("", "the same of an SMS service (critical); empty: none")
    webhook_file: str = option("", "the same of a webhook (critical, high, medium), as json://host/path; empty: none")
    messages_per_hour: int = option(3, "news through one channel in an hour; what is beyond is one summary", low=2, high=60)
    recovery_seconds: int = option(120, "a recovery is told when it has lasted so long; what comes back before never ended", low=0, high=3000)
    attempts_max: int = option(5, "tries of one channel before the next one is told instead", low=1, high=20)
    timeout_seconds: float = option(10.0, "for one delivery to one of these", low=0.1, high=60)


@dataclass(frozen=True, slots=True)
class PingConfig:
    """The dead-man's switch: who rings when a job is not heard of. Without a file there is none."""

    url_file: str = option("", "a file of mode 0400 with a ping address (https://hc-ping.com/KEY); jobs ping ADDRESS/JOB; empty: none")
    timeout_seconds: float = option(5.0, "for one ping; a job waits for two at most", low=0.1, high=30)


@dataclass(frozen=True, slots=True)
class RedisConfig:
    """Redis or Valkey, for the newest values. Without a host or a socket there is none, and nothing asks for it."""

    host: str = option("", "host name; empty, and no socket: no Redis")
    port: int = option(6379, "TCP port", low=1, high=65535)
    socket: str = option("", "path of its Unix socket, in place of host and port")
    user: str = option("", "its ACL user; empty: the default one")
    password_file: str = option("", "a file of mode 0400 with the password; empty: none")
    memory_bytes_max: int = option(1_000_000_000, "more in use than this is an alert", low=1_000_000, high=10**13)


@dataclass(frozen=True, slots=True)
class BackupConfig:
    """Backups: where, by which login, for which keys, and how many are kept. Only verified ones are counted."""

    directory: str = option("var/backups", "where backups lie, best on another disk; relative to the checkout")
    user: str = option("scizor_backup", "the login that dumps; it reads everything and writes nothing")
    password_file: str = option("", "a file of mode 0400 with its password; empty: .pgpass, peer or PGPASSWORD")
    restore_user: str = option("", "the login that restores; needs CREATEDB; empty: the owner, or the embedded server's superuser")
    restore_password_file: str = option("", "the same for it; empty: database.owner_password_file")
    client_binaries: str = option("", "the folder of pg_dump and pg_restore; empty: the best of PATH, the system's and the wheel's")
    recipients: str = option("", "age public keys, or files with one a line, separated by commas; empty: not encrypted")
    identity_file: str = option("", "a file of mode 0400 with an age key, for verify and restore; needed where recipients is set")
    daily: int = option(7, "days of which the newest backup is kept", low=1, high=3660)
    weekly: int = option(5, "weeks of which it is kept", low=0, high=520)
    monthly: int = option(12, "months of which it is kept", low=0, high=240)
    yearly: int = option(3, "years of which it is kept", low=0, high=100)
    last: int = option(3, "the newest so many are never removed, however old", low=1, high=100)
    free_gb_min: float = option(5.0, "so much of the disk stays free, beside 1.5 times the last backup", low=0, high=100000)
    shrink_percent_max: float = option(20.0, "a backup that is smaller by more than this does not count", low=1, high=100)


@dataclass(frozen=True, slots=True)
class PathsConfig:
    state: str = option("var", "embedded servers, locks, outbox; relative to the checkout; local disk, not NFS")
    logs: str = option("logs", "one file a job, rotated at 10 MB")
    recordings: str = option("", "recorded market data; empty: SCIZOR_RECORDINGS, then ../shared/data")


@dataclass(frozen=True, slots=True)
class LogsConfig:
    """How long logs are kept, and how much of them. bin/clean-logs sees to it."""

    keep_days: int = option(90, "a log that nobody has written for so long goes", low=1, high=3650)
    total_mb: int = option(1000, "all of them together; above it the oldest rotated ones go first", low=10, high=1_000_000)


@dataclass(frozen=True, slots=True)
class AuditConfig:
    """What bin/audit compares and asks."""

    url: str = option("https://api.osv.dev/v1/querybatch", "who knows of vulnerabilities (OSV's API); empty: nobody is asked")
    timeout_seconds: float = option(30.0, "for each question", low=0.1, high=600)
    also: str = option("", "packages that you added to .venv yourself, separated by commas")


@dataclass(frozen=True, slots=True)
class ClockConfig:
    """An accelerated clock, for replay only: every process counts on it."""

    origin: str = option("", "what the clock showed at `started`, as 2025-01-15T06:00:00Z; empty: the machine's time")
    started: str = option("", "when on the wall it showed `origin`, same form")
    speed: float = option(1.0, "clock seconds in a wall second", low=0.1, high=1000)
