"""Who we are to the server, and what its refusals mean.

A server that does not answer is UnreachableError (69): wait and try again. One that has no such role or database was not
set up yet: ConfigurationError (78). One that says no (password, pg_hba) is RefusedError (77) at once. psycopg gives a
failed connection no SQLSTATE, so PQping and the text decide.
"""

from __future__ import annotations

import logging
import re
import shutil
from pathlib import Path
from typing import Any

import psycopg
from psycopg import pq
from psycopg.conninfo import make_conninfo

from scizor.base.clock import Clock, RunningClock
from scizor.base.config import DatabaseConfig, secret
from scizor.base.errors import ConfigurationError, NoSpaceError, RefusedError, ScizorError, UnreachableError
from scizor.base.masking import mask

Connection = psycopg.Connection[tuple[Any, ...]]

_log = logging.getLogger("scizor.db")

CLOCK_DIFFERENCE_SECONDS_MAX = 5.0
STATEMENT_TIMEOUT_SECONDS = 300
LOCK_TIMEOUT_SECONDS = 5
IDLE_IN_TRANSACTION_SECONDS = 60
RETRY_FIRST_SECONDS, RETRY_MOST_SECONDS = 0.25, 10.0

SETTINGS = {
    "search_path": "scizor",
    "timezone": "UTC",
    "datestyle": "ISO",
    "statement_timeout": f"{STATEMENT_TIMEOUT_SECONDS}s",
    "lock_timeout": f"{LOCK_TIMEOUT_SECONDS}s",
    "idle_in_transaction_session_timeout": f"{IDLE_IN_TRANSACTION_SECONDS}s",
    # The planner must see a window's symbol, timeframe and dates: a generic plan is 3.5 to 9 times slower.
    "plan_cache_mode": "force_custom_plan",
}


def connect(
    database: DatabaseConfig, *, application: str, owner: bool = False,
    host: str | None = None, port: int | None = None, user: str | None = None, name: str | None = None,
    clock: Clock | None = None, patience_seconds: float = 0.0, read_only: bool = False,
) -> Connection:  # fmt: skip
    """An autocommit connection: every change needs an explicit `with connection.transaction()`.

    application: the script's name; seen in pg_stat_activity as scizor/NAME. owner: as database.owner, for migrations.
    host, port, user, name: instead of the configuration's. clock, patience_seconds: a server that does not answer, or
    has no connection left, is asked again for so long. read_only: do not insist on a server that takes writes.
    Raises UnreachableError (69), RefusedError (77), ConfigurationError (78: the password file, or not set up yet).
    """
    who = user or (database.owner if owner else database.user)
    conninfo: dict[str, Any] = {
        "host": host or database.host,
        "port": port or database.port,
        "dbname": name or database.name,
        "user": who,
        "password": secret(database.owner_password_file if owner else database.password_file),
        "connect_timeout": database.connect_timeout_seconds,
        "application_name": f"scizor/{application}",
        "options": " ".join(f"-c {key}={value}" for key, value in SETTINGS.items()),
        "client_encoding": "UTF8",
        "keepalives_idle": 15,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 15000,
    }
    conninfo = {key: value for key, value in conninfo.items() if value is not None}
    waited, pause = 0.0, RETRY_FIRST_SECONDS
    while True:
        try:
            connection = psycopg.connect(**conninfo, autocommit=True, prepare_threshold=None)
            break
        except psycopg.OperationalError as problem:
            refusal, is_transient = _explain_refused_connection(problem, conninfo)
            if not is_transient or clock is None or waited >= patience_seconds:
                raise refusal from None
            clock.pause(pause)
            waited, pause = waited + pause, min(pause * 2, RETRY_MOST_SECONDS)
    if not read_only and connection.info.parameter_status("in_hot_standby") == "on":
        connection.close()
        raise UnreachableError(
            f"{_place(conninfo)} is a read-only server (a standby)", hint="has it failed over? name the primary in [database]"
        )
    return connection


def check_mode(connection: Connection, mode: str, clock: Clock) -> None:
    """Stamps the database with its mode once; RefusedError (77) when it bears another."""
    row = connection.execute("SELECT mode FROM installation").fetchone()
    if row is None:
        connection.execute(
            "INSERT INTO installation (mode, stamped_at) VALUES (%s, %s) ON CONFLICT DO NOTHING", [mode, clock.now()]
        )
        row = connection.execute("SELECT mode FROM installation").fetchone()
    if row is None or row[0] != mode:
        raise RefusedError(
            f"the database {connection.info.dbname} holds {row[0] if row else 'nobody’s'} data, the configuration says {mode}",
            hint="give each mode a database of its own: [database] name",
        )


def check_clock(connection: Connection, clock: Clock) -> None:
    """UnreachableError (69) when the database's clock and ours differ by more than 5 s. An accelerated or stopped clock
    is not compared: it differs on purpose."""
    if not isinstance(clock, RunningClock) or clock.origin is not None:
        return
    before = clock.now()
    row = connection.execute("SELECT clock_timestamp()").fetchone()
    after = clock.now()
    assert row is not None
    ahead = (row[0] - after).total_seconds()
    behind = (before - row[0]).total_seconds()
    if max(ahead, behind) > CLOCK_DIFFERENCE_SECONDS_MAX:
        raise UnreachableError(
            f"this machine's clock and the database's differ by {max(ahead, behind):.0f} s: nothing is written",
            hint="timedatectl, chronyc tracking: which of the two is wrong?",
        )


def is_transient(problem: BaseException) -> bool:
    """The same transaction may well succeed when it is tried again, on a new connection if need be."""
    if not isinstance(problem, psycopg.Error):
        return False
    state = problem.sqlstate
    if state is None:
        return isinstance(problem, psycopg.OperationalError)  # the connection was lost
    return state in TRANSIENT or state[:2] == "08"


def explain(problem: psycopg.Error, at: Connection | DatabaseConfig | None = None) -> ScizorError | None:
    """What a person must do about it; None for what only a programmer can mend. at: the server that said it, where known."""
    state = problem.sqlstate or ""
    text = str(problem).splitlines()[0] if str(problem) else state
    if state in ("53100", "53200") or state[:2] == "58":
        where, disk = _room(at)
        return NoSpaceError(f"the database server{where} is out of room: {text}", hint=f"free {disk}; nothing was lost")
    if state == "25006":
        return UnreachableError("the database takes no writes: connected to a read-only server", hint="has it failed over?")
    if state == "42501":
        return RefusedError(f"the database refuses: {text}", hint="are the roles as bin/migrate --print-setup says?")
    if state == "23514" and "no partition" in text:
        return ConfigurationError(f"the bars have no partition for that year: {text}", hint="bin/make-partitions --from YEAR")
    if state in TRANSIENT or isinstance(problem, psycopg.OperationalError):
        return UnreachableError(f"the database did not do it: {text} (SQLSTATE {state or 'none'})", hint="run it again")
    return None


#: serialization, deadlock, lock not available, query cancelled by our own timeout, server shutting down, crashed or
#: starting, too many connections, idle in transaction for too long
TRANSIENT = {"40001", "40P01", "55P03", "57014", "57P01", "57P02", "57P03", "53300", "25P03"}


def _explain_refused_connection(problem: psycopg.OperationalError, conninfo: dict[str, Any]) -> tuple[ScizorError, bool]:
    """The error to raise, and whether asking again can help. The password is never a part of it."""
    said = " ".join(str(problem).split())
    said = mask(said, conninfo.get("password"))
    place = _place(conninfo)
    ping_info = make_conninfo(**{key: conninfo[key] for key in ("host", "port", "dbname", "user", "connect_timeout")})
    ping = pq.PGconn.ping(ping_info.encode())
    if ping != pq.Ping.OK:  # libpq's C wrapper gives the bare number
        hint = "is PostgreSQL running? look at [database] in the configuration"
        _log.debug("PQping %s says %d", place, int(ping))
        return UnreachableError(f"the database server at {place} does not answer: {said}", hint=hint), True
    if any(text in said for text in ("too many clients", "too many connections", "connection slots are reserved")):
        hint = "who holds them: SELECT application_name, count(*) FROM pg_stat_activity GROUP BY 1 ORDER BY 2 DESC"
        return UnreachableError(f"the database server at {place} has no connection left: {said}", hint=hint), True
    if re.search(r'(role|database) ".*" does not exist', said):
        hint = "bin/migrate" if embedded_data(conninfo["host"]) else "bin/migrate --print-setup shows what a DBA must run once"
        return ConfigurationError(f"the database at {place} is not set up yet: {said}", hint=hint), False
    hint = "look at user, name and password_file under [database]; bin/migrate --print-setup shows what a DBA must run"
    return RefusedError(f"the database server at {place} refuses {conninfo['user']}: {said}", hint=hint), False


def _place(conninfo: dict[str, Any]) -> str:
    return f"{conninfo['host'] or 'the local socket'}:{conninfo['port']}/{conninfo['dbname']}"


def embedded_data(host: str) -> Path | None:
    """The data directory of the embedded server that listens in this socket directory; None for any other server.

    A running server names its data in the lock file beside its socket; only who may read that can be its owner. db.embedded
    puts socket and data side by side, or the socket into a directory of its own where the path would be too long.
    """
    sockets = Path(host)
    if not sockets.is_absolute():
        return None
    for lock in sockets.glob(".s.PGSQL.*.lock"):
        try:
            data = Path(lock.read_text().split("\n")[1])
        except (OSError, IndexError):
            continue
        if data.parent == sockets.parent or sockets.name.startswith("scizor-"):
            return data
    return None


def _room(at: Connection | DatabaseConfig | None) -> tuple[str, str]:
    """Which server, and which disk is to be freed."""
    try:
        host, port = (at.host, at.port) if isinstance(at, DatabaseConfig) else (at.info.host, at.info.port) if at else ("", 0)
    except psycopg.OperationalError:  # the connection is closed
        host, port = "", 0
    data = embedded_data(host)
    if data is not None:
        try:
            return "", f"the disk of {data}, which has {shutil.disk_usage(data).free:,} bytes left"
        except OSError:
            return "", f"the disk of {data}"
    return (f" at {host}:{port}", f"the disk of its data, on {host}") if host else ("", "its disk")
