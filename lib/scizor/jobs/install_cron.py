"""bin/install-cron: cron/scizor.crontab with this checkout's path, this host's minutes and this user's address, as one marked
block of the user's crontab; or the same as systemd timers. What a person has in his crontab besides stays as it is, byte by byte."""

from __future__ import annotations

import difflib
import os
import pwd
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

from scizor.base import config as configuration
from scizor.base import crontab
from scizor.base.errors import ConfigurationError, RefusedError, UsageError
from scizor.base.paths import private_directory
from scizor.jobs import timers
from scizor.run.context import Context, Result

COPIES_KEPT = 10
SYSTEM_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/bin", "/sbin", "/bin"])
PID_FILES = ("/run/crond.pid", "/var/run/crond.pid", "/run/cron.pid", "/var/run/cron.pid")
ADDRESS = re.compile(r"[\w.@+,-]*")  # cron hands it to a mailer's command line


def run(context: Context) -> Result:
    args = context.args
    table = crontab.entries((context.paths.root / "cron" / "scizor.crontab").read_text())
    minutes = crontab.offset(table, host_id()) if args.offset is None else args.offset
    if minutes not in crontab.offsets(table):
        raise UsageError(f"--offset {minutes} would start a job at a busy minute or beyond midnight", hint="one of " + ", ".join(map(str, crontab.offsets(table))))
    moved = [each for entry in table if (each := crontab.moved(entry, minutes))]
    if args.systemd:
        return timers.write(context, moved)
    name = str(context.paths.root)
    if args.print:
        print(block_of(context, moved, minutes, args.mailto if args.mailto is not None else _mailto(context, "")), end="")
        return Result()
    before = read_table()
    refuse_what_would_not_work(context, before)
    if args.remove:
        after = crontab.without(before, name)
    else:
        mailto = args.mailto if args.mailto is not None else _mailto(context, crontab.without(before, name))
        after = crontab.with_block(before, name, block_of(context, moved, minutes, mailto))
    for warning in warnings():
        print(f"{context.name}: {warning}", file=sys.stderr)
    if after == before:
        return Result("the crontab is as it should be", was_idle=True)
    if args.dry_run:
        sys.stdout.writelines(difflib.unified_diff(before.splitlines(True), after.splitlines(True), "crontab", "crontab, afterwards"))
        return Result()
    kept = keep(context, before)
    _crontab("-", stdin=after)
    if read_table() != after:
        raise ConfigurationError("crontab did not keep what it was given", hint=f"what was there before lies in {kept}: crontab {kept}")
    what = "removed from" if args.remove else f"{len(moved)} jobs, {minutes} minutes later than in cron/scizor.crontab, in"
    return Result(f"{what} the crontab of {pwd.getpwuid(os.geteuid()).pw_name}; the one before: {kept}")


def block_of(context: Context, entries: list[crontab.Entry], minutes: int, mailto: str) -> str:
    """The block: settings first, for they hold only for what stands below them."""
    root, file = str(context.paths.root), context.config.file
    if not ADDRESS.fullmatch(mailto):
        raise UsageError(f"{mailto!r} is no mail address that cron takes", hint="--mailto NAME@HOST")
    for value in (root, str(file)):
        if value != value.strip() or not value.isprintable() or value[:1] in "'\"":
            raise ConfigurationError(f"cron cannot take the path {value!r}", hint="move it to one without line ends, quotes and blanks around it")
    lines = ["# Made by bin/install-cron from cron/scizor.crontab, which says why each minute; do not edit here, it is replaced.",
             f"# This host's offset: {minutes} minutes. Away with it: bin/install-cron --remove",
             "SHELL=/bin/sh", "PATH=/usr/bin:/bin", f"SCIZOR={root}", f'MAILTO="{mailto}"' if not mailto else f"MAILTO={mailto}"]  # fmt: skip
    if file and file.resolve() != configuration.FILE.resolve():
        lines.append(f"SCIZOR_CONFIG={file.resolve()}")
    return crontab.block(root, lines + [str(each) for each in entries])


def refuse_what_would_not_work(context: Context, table: str) -> None:
    """What would fire at the wrong time, twice, or as the wrong user. `table`: what the user has now."""
    set_by_user = crontab.settings(table)
    if "CRON_TZ" in set_by_user:
        raise ConfigurationError(
            f"CRON_TZ={set_by_user['CRON_TZ']} stands in this crontab: Debian's cron ignores it, others would move every job",
            hint="crontab -e and take it out; the host runs in UTC (timedatectl set-timezone UTC)",
        )
    name = str(context.paths.root)
    pasted = [line for line in crontab.without(table, name).splitlines() if re.search(rf'"?\$SCIZOR"?/bin/|(?<!\S){re.escape(name)}/bin/', line) and not line.startswith("#")]
    others = [line for line in pasted if "$SCIZOR" not in line or crontab.settings(crontab.without(table, name)).get("SCIZOR") == name]
    if others and not context.args.remove and not _in_another_block(table, others):
        raise ConfigurationError(
            f"the crontab has {len(others)} lines of this checkout that were pasted, as {others[0].strip()!r}", hint="crontab -e and take them out: each job would start twice"
        )
    owner = context.paths.root.stat().st_uid
    if owner != os.geteuid():
        raise RefusedError(f"{name} belongs to {_user(owner)}, and the jobs are to run as that user, not as {_user(os.geteuid())}", hint=f"su {_user(owner)}, then bin/install-cron again")


def _in_another_block(table: str, lines: list[str]) -> bool:
    """Whether they belong to a block that another checkout has put there."""
    inside, found = False, set()
    for line in table.splitlines():
        inside = (inside or line.startswith(crontab.BEGIN.format(""))) and not line.startswith(crontab.END.format(""))
        if inside:
            found.add(line)
    return set(lines) <= found


def warnings() -> list[str]:
    """What does not keep the table from being installed, and keeps it from being of use."""
    found = []
    if not is_running():
        found.append("cron is installed, but it does not run. HINT: service cron start (in a container: cron)")
    if (time.timezone, time.daylight) != (0, 0):
        found.append(f"this host is not in UTC ({time.tzname[0]}): jobs with an hour start at another one. HINT: timedatectl set-timezone UTC, then restart cron")
    return found


def is_running() -> bool:
    """Whether a cron daemon runs, as far as its pid file or the process table shows it."""
    for file in map(Path, PID_FILES):
        try:
            pid = int(file.read_text().split()[0])
        except (OSError, ValueError, IndexError):
            continue
        if _command_of(pid) in ("cron", "crond", ""):
            return True
    return any(_command_of(int(each.name)) in ("cron", "crond") for each in Path("/proc").glob("[0-9]*"))


def _command_of(pid: int) -> str | None:
    """The name of a running process; empty where the system does not tell, None where it is not there."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return None if Path("/proc/self").exists() else ""


def read_table() -> str:
    """The user's crontab; empty where there is none yet."""
    told = _crontab("-l")
    if told.returncode != 0 and not told.stdout:
        if "no crontab for" in told.stderr:
            return ""
        raise RefusedError(f"crontab -l failed: {told.stderr.strip()}", hint="may this user have a crontab? see /etc/cron.allow and /etc/cron.deny")
    return told.stdout


def _crontab(*words: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    program = shutil.which("crontab", path=SYSTEM_PATH)
    if program is None:
        raise ConfigurationError("cron is not installed: there is no crontab", hint="apt-get install cron; or timers: bin/install-cron --systemd DIR")
    told = subprocess.run([program, *words], input=stdin, capture_output=True, text=True, check=False, timeout=60)
    if stdin is not None and told.returncode != 0:
        raise ConfigurationError(f"crontab refused the table: {told.stderr.strip()}", hint="nothing was changed")
    return told


def keep(context: Context, table: str) -> Path:
    """The table as it was, below the state directory; the newest ten of them."""
    directory = private_directory(context.paths.state / "crontabs")
    file = directory / f"crontab.{context.clock.now():%Y%m%dT%H%M%S.%f}"
    partial = directory / "partial"
    partial.write_text(table)
    partial.replace(file)
    for old in sorted(directory.glob("crontab.*"))[:-COPIES_KEPT]:
        old.unlink()
    return file


def host_id() -> str:
    """What stays the same on this host, and differs from the next one's."""
    for file in ("/etc/machine-id", "/var/lib/dbus/machine-id"):
        try:
            found = Path(file).read_text().strip()
        except OSError:
            continue
        if found:
            return found
    return socket.gethostname()


def _mailto(context: Context, table: str) -> str:
    """Nobody, where a job mails its failures by itself; else whoever the user has named in his own crontab, else the user."""
    if context.config.mail.host:
        return ""
    return crontab.settings(table).get("MAILTO", _user(os.geteuid()))


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
