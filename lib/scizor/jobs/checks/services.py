"""The strangers, asked directly: Gateway, Redis, mail relay. A reader returns what it saw, or the error; a judge decides.

The Gateway is asked for the time over a short connection under the last client id of our range, so that no job's is taken; no account
data are asked for. Whether it is logged in shows in the handshake (the account is named) and in the farms.
"""

from __future__ import annotations

import socket
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from scizor.base.errors import RefusedError, ScizorError
from scizor.ib import pulse
from scizor.ib.pulse import Pulse as GatewaySeen
from scizor.ib.resets import login_expires
from scizor.jobs.checks.data import CLOCK_CRITICAL, TOLERANCE_IN_RESET_SECONDS, outage
from scizor.jobs.checks.words import Answer, Moment, Remark, Status, above, ago, at, one, size

if TYPE_CHECKING:
    from scizor.hot.probe import Pulse

GATEWAY_SECONDS = 6.0  # for all of it
MAIL_SECONDS = 3.0
REDIS_SECONDS = 2.0
CLOCK_GATEWAY_WARNING = 2.0  # seconds: the Gateway tells whole ones
LOGIN_WARNING = timedelta(hours=24)
MAIL_OVERDUE = timedelta(minutes=10)
EVICTING = ("allkeys", "volatile")


def gateway(moment: Moment) -> GatewaySeen | ScizorError:
    """Connects, asks for the time, hangs up."""
    try:
        return pulse.take(moment.config.gateway, moment.config.mode, moment.clock, min(moment.config.gateway.request_timeout_seconds, GATEWAY_SECONDS))
    except ScizorError as problem:
        return problem


def gateway_judged(seen: GatewaySeen | ScizorError, moment: Moment) -> Answer:
    """Down is a warning until it has lasted longer than is tolerated; another account or a refusal is critical at once."""
    since = moment.troubled_since("gateway")
    if isinstance(seen, RefusedError):
        return Answer("", (Remark(Status.CRITICAL, seen.message, hint=seen.hint),))
    if isinstance(seen, ScizorError):
        if "client id" in seen.message:
            return Answer("", (Remark(Status.WARNING, seen.message, hint=seen.hint),))
        status, text = outage(since, moment)
        return Answer("", (Remark(status, f"{seen.message}; down for {text}", hint=seen.hint, since=since),))
    told = f"account {seen.account}, protocol {seen.version}, answered in {seen.answered_ms:.0f} ms"
    if not seen.is_upstream:
        status, text = outage(since, moment)
        return Answer("", (Remark(status, f"the Gateway answers, but has lost IB; for {text}", hint="look at the Gateway's window: is it logged in?", since=since),))
    if not seen.is_ready:
        grave = (moment.now - since).total_seconds() >= TOLERANCE_IN_RESET_SECONDS  # farms flap, and are back in a second
        return Answer("", (Remark(Status.CRITICAL if grave else Status.WARNING, f"{told}; no history farm is there", hint="look at the Gateway's window: are its farms green?", since=since),))
    return Answer(told)


def gateway_clock(seen: GatewaySeen | ScizorError, moment: Moment) -> Answer:
    """The Gateway's clock against ours; nothing is said where it did not answer: another check does."""
    if isinstance(seen, ScizorError):
        return Answer("not asked: the Gateway does not answer")
    off = seen.ahead_seconds
    return one(above(off, CLOCK_GATEWAY_WARNING, CLOCK_CRITICAL), f"this machine and the Gateway differ by {off:.0f} s")


def login(_: object, moment: Moment) -> Answer:
    """Hours to the weekly end of the login. A replay has none."""
    if moment.config.mode == "replay":
        return Answer("a replay's login does not expire")
    expires = login_expires(moment.now)
    left = expires - moment.now
    text = f"the login expires in {ago(left)}, {at(expires)}"
    return one(Status.WARNING if left < LOGIN_WARNING else Status.OK, text)


def redis(moment: Moment) -> Pulse | ScizorError | None:
    from scizor.hot.probe import probe

    config = moment.config.redis
    if not (config.host or config.socket):
        return None
    try:
        return probe(config, REDIS_SECONDS)
    except ScizorError as problem:
        return problem


def redis_judged(seen: Pulse | ScizorError | None, moment: Moment) -> Answer:
    """Reachable, takes writes, evicts nothing, below its limit. It is never the only place of anything: no data are lost."""
    if seen is None:
        return Answer("not configured")
    if isinstance(seen, ScizorError):
        return Answer("", (Remark(Status.CRITICAL, seen.message, hint=seen.hint),))
    used = float(seen.info.get("used_memory", 0))
    found = []
    if used > moment.config.redis.memory_bytes_max:
        found.append(Remark(Status.WARNING, f"Redis uses {size(used)}, more than {size(moment.config.redis.memory_bytes_max)}", "memory", "redis-cli --bigkeys"))
    policy = seen.info.get("maxmemory_policy", "noeviction")
    if policy.startswith(EVICTING):
        found.append(Remark(Status.WARNING, f"Redis drops keys when it is full: maxmemory-policy is {policy}", "policy", "redis-cli config set maxmemory-policy noeviction, and in its configuration file"))
    if seen.info.get("rdb_last_bgsave_status", "ok") != "ok":
        found.append(Remark(Status.CRITICAL, "Redis refuses writes: its last save failed (MISCONF)", "save", "free its disk; redis-cli bgsave"))
    if seen.info.get("role", "master") != "master":
        found.append(Remark(Status.CRITICAL, "Redis is a replica and takes no writes", "role", "name the primary under [redis]"))
    return Answer(f"{size(used)} in use", tuple(found))


class MailSeen(NamedTuple):
    """problem: why the relay does not greet, "" when it does or none is configured. waiting: since when mail waits."""

    problem: str
    waiting: int
    since: datetime | None


def mail(moment: Moment) -> MailSeen:
    """The relay's greeting, and mail that was decided on and did not go out."""
    from scizor.alert import incidents

    waiting = [each for each in incidents.load_all(moment.paths.state / "alerts") if each.is_waiting]
    overdue = [each for each in waiting if moment.now - (each.recovered_at or each.told_at) > MAIL_OVERDUE]
    return MailSeen(_greeting(moment), len(overdue), min((each.told_at for each in overdue), default=None))


def _greeting(moment: Moment) -> str:
    config = moment.config.mail
    if not config.host:
        return ""
    try:
        with socket.create_connection((config.host, config.port), MAIL_SECONDS) as link:
            if config.security == "tls":
                return ""  # it greets inside; that somebody listens must do for a look
            said = link.recv(512)
            if said.startswith(b"220"):
                link.sendall(b"QUIT\r\n")
                return ""
            return f"it says {said[:80].decode(errors='replace').strip()!r}" if said else "it hangs up"
    except OSError as problem:
        return problem.strerror or str(problem)


def mail_judged(seen: MailSeen, moment: Moment) -> Answer:
    config = moment.config.mail
    found = []
    if seen.problem:
        found.append(Remark(Status.CRITICAL, f"the mail relay {config.host}:{config.port} does not take mail: {seen.problem}", "relay"))
    if seen.waiting:
        found.append(Remark(Status.CRITICAL, f"{seen.waiting} mails wait since {at(seen.since) if seen.since else 'long ago'}", "waiting", since=seen.since))
    return Answer(f"{config.host}:{config.port} greets, no mail waits" if config.host else "not configured", tuple(found))
