"""The configuration is one list, seen four ways: these dataclasses, the loader, etc/scizor.example.toml and the README's
table. A test proves that they agree. Unknown sections and keys are refused by name, every problem at once.

Secrets never stand in it: a password lies in a 0400 file that is named here, in .pgpass, or in the environment.
"""

from __future__ import annotations

import difflib
import os
import re
import stat
import tomllib
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar, cast, get_type_hints

from scizor.base.clock import RunningClock
from scizor.base.errors import ConfigurationError
from scizor.base.masking import mask
from scizor.base.paths import ROOT, Paths

T = TypeVar("T")
FILE = ROOT / "etc" / "scizor.toml"
EXAMPLE = ROOT / "etc" / "scizor.example.toml"


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
class PathsConfig:
    state: str = option("var", "embedded servers, locks, outbox; relative to the checkout; local disk, not NFS")
    logs: str = option("logs", "one file a job, rotated at 10 MB")
    recordings: str = option("", "recorded market data; empty: SCIZOR_RECORDINGS, then ../shared/data")


@dataclass(frozen=True, slots=True)
class ClockConfig:
    """An accelerated clock, for replay only: every process counts on it."""

    origin: str = option("", "what the clock showed at `started`, as 2025-01-15T06:00:00Z; empty: the machine's time")
    started: str = option("", "when on the wall it showed `origin`, same form")
    speed: float = option(1.0, "clock seconds in a wall second", low=0.1, high=1000)


@dataclass(frozen=True, slots=True)
class Config:
    """The whole of it. `file`: where it came from."""

    mode: str = option(
        "paper", "live, paper or replay; the Gateway's account and the database's stamp must agree",
        choices=("live", "paper", "replay"),
    )  # fmt: skip
    database: DatabaseConfig = field(default_factory=DatabaseConfig)
    gateway: GatewayConfig = field(default_factory=GatewayConfig)
    pacing: PacingConfig = field(default_factory=PacingConfig)
    collect: CollectConfig = field(default_factory=CollectConfig)
    mail: MailConfig = field(default_factory=MailConfig)
    alert: AlertConfig = field(default_factory=AlertConfig)
    paths: PathsConfig = field(default_factory=PathsConfig)
    clock: ClockConfig = field(default_factory=ClockConfig)
    file: Path | None = field(default=None, compare=False)

    def make_paths(self) -> Paths:
        return Paths(root=ROOT, state=_below_root(self.paths.state), logs=_below_root(self.paths.logs))

    def make_clock(self) -> RunningClock:
        if not self.clock.origin:
            return RunningClock()
        return RunningClock(_instant(self.clock.origin), _instant(self.clock.started), self.clock.speed)


def default_file() -> Path:
    """SCIZOR_CONFIG where it is set, else etc/scizor.toml."""
    named = os.environ.get("SCIZOR_CONFIG", "")
    return Path(named) if named else FILE


def load(file: Path) -> Config:
    """Reads the file. ConfigurationError names every problem at once, with its line."""
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigurationError(f"there is no {file}", hint=f"cp {EXAMPLE} {FILE} and edit it, or try bin/demo") from None
    except (OSError, UnicodeDecodeError) as problem:
        raise ConfigurationError(f"cannot read {file}: {problem}") from None
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as problem:  # TOMLDecodeError; a number of 5,000 digits; a table of 1,000 levels
        hint = 'put text in quotes, as in mode = "paper"' if _is_bare_text(text, str(problem)) else ""
        raise ConfigurationError(f"{file} is not TOML: {problem}", hint=hint) from None
    problems: list[str] = []
    config = _section(Config, table, "", text.splitlines(), problems)
    if config is not None:
        problems += _contradictions(config)
    if problems or config is None:
        raise ConfigurationError(f"{file}: " + "; ".join(problems), hint=f"every key is explained in {EXAMPLE}")
    object.__setattr__(config, "file", file)
    return config


def _section(kind: type[T], table: dict[str, Any], prefix: str, lines: list[str], problems: list[str]) -> T | None:
    known = {each.name: each for each in fields(cast(Any, kind)) if each.name != "file"}
    types = get_type_hints(kind)
    values: dict[str, Any] = {}
    before = len(problems)
    for name, value in table.items():
        where = f"line {_line(lines, prefix, name)}"
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            what = "section" if isinstance(value, dict) else "key"
            problems.append(f"{where}: unknown {what} {prefix}{name}" + (f", did you mean {prefix}{near[0]}?" if near else ""))
        elif is_dataclass(types[name]):
            if isinstance(value, dict):
                values[name] = _section(cast(type, types[name]), value, f"{name}.", lines, problems)
            else:
                problems.append(f"{where}: {name} is a section: write [{name}]")
        else:
            problem = _problem(known[name], types[name], value)
            if problem:
                problems.append(mask(f"{where}: {prefix}{name} {problem}"))
                continue
            values[name] = float(value) if types[name] is float and isinstance(value, int) else value
    return kind(**values) if len(problems) == before else None


def _problem(key: Field[Any], kind: type, value: object) -> str:
    """What is wrong with the value, or nothing."""
    accepted = (int, float) if kind is float else kind
    if not isinstance(value, accepted) or (isinstance(value, bool) and kind is not bool):
        return f"must be {_NAMES[kind]}, not {value!r}"
    if isinstance(value, str) and not value.isprintable():
        return "must hold no control characters"
    choices, low, high = key.metadata["choices"], key.metadata["low"], key.metadata["high"]
    if choices and value not in choices:
        return f"must be one of {', '.join(choices)}, not {value!r}"
    if isinstance(value, int | float) and low is not None and high is not None and not low <= value <= high:
        return f"must lie in {low} to {high}, not {value}"
    return ""


def _contradictions(config: Config) -> list[str]:
    """What no single key can know."""
    found = []
    gateway, clock = config.gateway, config.clock
    if gateway.client_id_first > gateway.client_id_last:
        found.append("gateway.client_id_first is above gateway.client_id_last")
    if config.pacing.daemon_share >= config.pacing.requests_max:
        found.append("pacing.daemon_share leaves nothing for the jobs")
    if config.mail.host and not config.mail.to.strip(" ,"):
        found.append("mail.host is set and mail.to is empty: nobody would be mailed")
    if bool(clock.origin) != bool(clock.started):
        found.append("clock.origin and clock.started go together")
    for name in ("origin", "started"):
        if getattr(clock, name) and not _is_instant(getattr(clock, name)):
            found.append(f"clock.{name} must look like 2025-01-15T06:00:00Z")
    if clock.speed != 1.0 and not clock.origin:
        found.append("clock.speed needs clock.origin and clock.started")
    if config.mode != "replay" and (clock.origin or clock.speed != 1.0):
        found.append("an accelerated [clock] belongs to mode = \"replay\" only")
    return found


def example() -> str:
    """etc/scizor.example.toml, made from the list above; a test compares the two."""
    lines = ["# Copy to etc/scizor.toml and change what differs. Every key is shown with its default.", ""]
    sections = []
    for each in fields(Config):
        if each.name == "file":
            continue
        if each.default is MISSING:
            sections.append(each)
        else:
            lines += _example_key(each)
    for section in sections:
        kind = get_type_hints(Config)[section.name]
        lines += ["", f"[{section.name}]"]
        lines += [f"# {line}" for line in (kind.__doc__ or "").splitlines() if line and not line.startswith(kind.__name__)]
        for key in fields(kind):
            lines += _example_key(key)
    return "\n".join(lines) + "\n"


def _example_key(key: Field[Any]) -> list[str]:
    value = f'"{key.default}"' if isinstance(key.default, str) else str(key.default).lower()
    return [f"{f'{key.name} = {value}':<36}# {key.metadata['text']}"]


def table() -> str:
    """The README's table of keys, made from the list above; a test compares the two."""
    lines = ["| key | default | meaning |", "|---|---|---|"]
    for each in fields(Config):
        if each.name == "file":
            continue
        kind = get_type_hints(Config)[each.name]
        for prefix, key in [(f"[{each.name}] ", key) for key in fields(kind)] if is_dataclass(kind) else [("", each)]:
            default = key.default if key.default != "" else "empty"
            lines.append(f"| `{prefix}{key.name}` | {str(default).lower()} | {key.metadata['text']} |")
    return "\n".join(lines)


def secret(file: str) -> str | None:
    """The content of a secret file, or None when none is named. Refuses one that others can read."""
    if not file:
        return None
    path = _below_root(file)
    try:
        status = path.stat()
        mode = status.st_mode & 0o777
        if not stat.S_ISREG(status.st_mode):  # a pipe would keep a job waiting for ever
            raise ConfigurationError(f"the secret file {path} is no file")
        if mode & 0o077:
            raise ConfigurationError(f"permissions {mode:04o} on {path} must be 0400", hint=f"chmod 0400 {path}")
        found = path.read_text(encoding="utf-8").strip()
    except OSError as problem:
        raise ConfigurationError(f"cannot read the secret file {path}: {problem.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"the secret file {path} holds no UTF-8 text") from None
    if not found:
        raise ConfigurationError(f"the secret file {path} is empty")
    return found


def _below_root(path: str) -> Path:
    """Absolute; a relative path is relative to the checkout, never to the caller's directory."""
    return ROOT / Path(path).expanduser()


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _is_instant(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _is_bare_text(text: str, problem: str) -> bool:
    """Whether the line that the parser names has a word where a value must stand, like `mode = paper`."""
    at = re.search(r"at line (\d+)", problem)
    lines = text.splitlines()
    if at is None or int(at[1]) > len(lines):
        return False
    return re.match(r"\s*[A-Za-z_]+\s*=\s*(?!(?:true|false|nan|inf)\b)[A-Za-z/~.]", lines[int(at[1]) - 1]) is not None


def _line(lines: list[str], prefix: str, name: str) -> int | str:
    """The line on which a key or section stands; TOML's own parser does not tell."""
    section = ""
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if text.startswith("["):
            section = text.strip("[] ").split("#")[0].strip("] ")
            if section == name and not prefix:
                return number
        elif text.split("=")[0].strip(" \"'") == name and section == prefix.rstrip("."):
            return number
    return "?"


_NAMES: dict[type, str] = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
