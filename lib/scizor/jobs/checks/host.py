"""What this machine says: room, memory, processor, directories, secrets, locks, cron. Readers look, judges decide.

Nothing is written: a directory's mount is asked whether it is read-only, since root may write wherever the kernel lets him.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import NamedTuple

from scizor.base import environment, lock, pausing
from scizor.base.clock import RunningClock
from scizor.base.config import Config, secret
from scizor.base.errors import ScizorError
from scizor.base.pausing import Pause
from scizor.jobs.checks.words import Answer, Moment, Remark, Status, above, size, worst

DISK_WARNING, DISK_CRITICAL = 90.0, 95.0  # percent used, of bytes and of inodes
FREE_BYTES_MIN = 500_000_000  # whatever the share: less is too little for a backup or a sort
MEMORY_WARNING, MEMORY_CRITICAL = 85.0, 95.0  # percent: promised < 70, alert > 85
CPU_WARNING = 200.0  # percent of the cores; promised < 60, and a backfill or a test may well ask for all of them for an hour
SAMPLE_SECONDS = 0.25
SKIPS_MAX = 3


class Place(NamedTuple):
    """A directory of ours: what it is for, and its filesystem. problem: why it could not be looked at."""

    name: str
    path: Path
    total: int = 0
    free: int = 0
    inodes: int = 0
    inodes_free: int = 0
    is_read_only: bool = False
    problem: str = ""


def places(moment: Moment) -> list[Place]:
    """state and logs, and the embedded server's data where that lies elsewhere; a filesystem that two share is told once."""
    from scizor.db.connect import embedded_data

    named = [("state", moment.paths.state), ("logs", moment.paths.logs)]
    data = embedded_data(moment.config.database.host) if moment.config.database.host else None
    if data is not None:
        named.append(("database", data))
    found: dict[tuple[int, bool], Place] = {}
    for name, path in named:
        place = look_at(name, path)
        device = -1 if place.problem else _existing(path).stat().st_dev
        found.setdefault((device if device >= 0 else hash(name), place.is_read_only), place)
    return list(found.values())


def look_at(name: str, path: Path) -> Place:
    try:
        status = os.statvfs(_existing(path))
    except OSError as problem:
        return Place(name, path, problem=problem.strerror or str(problem))
    return Place(
        name, path, status.f_blocks * status.f_frsize, status.f_bavail * status.f_frsize, status.f_files, status.f_favail,
        bool(status.f_flag & os.ST_RDONLY),
    )  # fmt: skip


def _existing(path: Path) -> Path:
    """The path, or the nearest directory above it that is there: what is made at the first run."""
    return next((each for each in (path, *path.parents) if each.exists()), Path("/"))


def disk(found: Sequence[Place], moment: Moment) -> Answer:
    """Bytes and inodes of each filesystem that we write to."""
    told, remarks = [], []
    for each in found:
        hint = "bin/psql -f sql/monitor/space.sql; bin/prune; bin/export --detach lets old years go"
        if each.problem:
            remarks.append(Remark(Status.CRITICAL, f"{each.name} {each.path}: {each.problem}", each.name, "see [paths] in the configuration"))
            continue
        if each.is_read_only:
            remarks.append(Remark(Status.CRITICAL, f"{each.name} {each.path} lies on a read-only filesystem", each.name, "dmesg | tail says why; then mount -o remount,rw"))
        used = 100.0 * (1 - each.free / each.total) if each.total else 0.0
        nodes = 100.0 * (1 - each.inodes_free / each.inodes) if each.inodes else 0.0
        told.append(f"{each.name} {used:.0f} % used, {size(each.free)} free")
        status = worst([above(used, DISK_WARNING, DISK_CRITICAL), Status.CRITICAL if each.free < FREE_BYTES_MIN else Status.OK])
        if status is not Status.OK:
            remarks.append(Remark(status, f"{each.name} {each.path} is {used:.0f} % full, {size(each.free)} free", each.name, hint))
        if (status := above(nodes, DISK_WARNING, DISK_CRITICAL)) is not Status.OK:
            remarks.append(Remark(status, f"{each.name} {each.path} has used {nodes:.0f} % of its inodes", each.name, "find out which directory: du --inodes -x -d 3 | sort -n | tail"))
    return Answer("; ".join(told), tuple(remarks))


class Load(NamedTuple):
    """percent of memory, processor (runnable tasks for each core; may exceed 100) and network; None: not known. bytes_per_second: of the network, both ways."""

    memory: float
    cpu: float
    network: float | None
    bytes_per_second: float


def load(moment: Moment) -> Load:
    """Now; the network over a quarter of a second, the processor over a minute. The network's share needs an interface that says how fast it is."""
    import psutil

    before = psutil.net_io_counters()
    wall = RunningClock()
    since = wall.now()
    wall.pause(SAMPLE_SECONDS)
    after = psutil.net_io_counters()
    seconds = max(0.01, (wall.now() - since).total_seconds())
    # The run queue of a minute, not a sample of now: in a sample a look would see itself.
    cpu = 100.0 * os.getloadavg()[0] / (psutil.cpu_count() or 1)
    rate = (after.bytes_sent + after.bytes_recv - before.bytes_sent - before.bytes_recv) / seconds if before and after else 0.0
    speeds = [each.speed for each in psutil.net_if_stats().values() if each.isup and 0 < each.speed < 65535]
    share = 100.0 * rate * 8 / (max(speeds) * 1e6) if speeds else None
    return Load(float(psutil.virtual_memory().percent), float(cpu), share, rate)


def memory(found: Load, moment: Moment) -> Answer:
    status = above(found.memory, MEMORY_WARNING, MEMORY_CRITICAL)
    text = f"{found.memory:.0f} % in use"
    return Answer(text, () if status is Status.OK else (Remark(status, text),))


def processor(found: Load, moment: Moment) -> Answer:
    """More to do than cores for a minute slows us and breaks nothing: only a warning."""
    text = f"{found.cpu:.0f} % of its cores asked for in the last minute"
    return Answer(text, (Remark(Status.WARNING, text),) if found.cpu > CPU_WARNING else ())


def logs(moment: Moment) -> str:
    """Why nothing can be logged; "" when it can."""
    path = moment.paths.logs
    place = look_at("logs", path)
    if place.problem or place.is_read_only:
        return place.problem or "read-only filesystem"
    if path.exists() and not path.is_dir():
        return "it is no directory"
    return "" if os.access(_existing(path), os.W_OK | os.X_OK) else "permission denied"


def logs_judged(problem: str, moment: Moment) -> Answer:
    where = moment.paths.logs
    return Answer(f"{where} can be written", (Remark(Status.CRITICAL, f"{where} cannot be written: {problem}"),) if problem else ())


def locks(moment: Moment) -> str:
    """What is wrong with the lock directory; "" when it can be trusted, or is not there yet."""
    path = moment.paths.locks
    if not path.exists():
        return ""
    try:
        lock.check_directory(path)
    except ScizorError as problem:
        return problem.message
    if any(path.resolve().is_relative_to(shared) for shared in ("/tmp", "/var/tmp", "/dev/shm")):
        return f"the lock directory {path} lies where everybody may write and cleaners delete"
    return ""


def locks_judged(problem: str, moment: Moment) -> Answer:
    return Answer(f"{moment.paths.locks} is local and ours", (Remark(Status.CRITICAL, problem),) if problem else ())


def skips(moment: Moment) -> dict[str, lock.Skips]:
    return lock.skips_of(moment.paths.locks)


def skips_judged(found: dict[str, lock.Skips], moment: Moment) -> Answer:
    """Three starts in a row that found the lock held: the holder hangs, or the schedule is denser than the work allows."""
    remarks = [
        Remark(Status.WARNING, f"{name} found its lock held {each.times} times in a row", name, f"cat {moment.paths.locks}/{name}.holder; tail logs/{name}.log", each.first)
        for name, each in sorted(found.items()) if each.times >= SKIPS_MAX
    ]  # fmt: skip
    return Answer("no job waits behind itself", tuple(remarks))


def secrets(moment: Moment) -> list[tuple[str, str, str]]:
    """(key, problem, hint) of every secret file that is named and cannot be used."""
    found = []
    for key, file in _secret_files(moment.config):
        try:
            secret(file)
        except ScizorError as problem:
            found.append((key, problem.message, problem.hint))
    return found


def _secret_files(config: Config) -> Iterator[tuple[str, str]]:
    for section in fields(config):
        value = getattr(config, section.name)
        for key in fields(value) if is_dataclass(value) and not isinstance(value, type) else ():
            if key.name.endswith("_file") and getattr(value, key.name):
                yield f"[{section.name}] {key.name}", getattr(value, key.name)


def secrets_judged(found: list[tuple[str, str, str]], moment: Moment) -> Answer:
    count = len(list(_secret_files(moment.config)))
    return Answer(f"{count} secret files, closed to others", tuple(Remark(Status.CRITICAL, f"{key}: {text}", key, hint) for key, text, hint in found))


def whole(moment: Moment) -> bool:
    return environment.is_whole(moment.paths.root / ".venv", moment.paths.root / "etc" / "requirements.lock")


def whole_judged(is_whole: bool, moment: Moment) -> Answer:
    return Answer("as etc/requirements.lock says", () if is_whole else (Remark(Status.CRITICAL, "the environment is not what etc/requirements.lock says"),))


def pause(moment: Moment) -> Pause | None:
    """What bin/pause holds; None: nothing."""
    return pausing.read(moment.paths.state, moment.now)


def pause_judged(found: Pause | None, moment: Moment) -> Answer:
    if found is None:
        return Answer("not paused")
    return Answer("", (Remark(Status.WARNING, f"{found.told}: nothing is collected", since=found.since),))


class Cron(NamedTuple):
    """crontab: of this user; None: there is no crontab command, or he has none. has_mta: something takes local mail."""

    crontab: str | None
    has_mta: bool


def cron(moment: Moment) -> Cron:
    command = shutil.which("crontab")
    text = None
    if command:
        listed = subprocess.run([command, "-l"], capture_output=True, text=True, errors="replace", timeout=2, check=False)
        text = listed.stdout if listed.returncode == 0 else None
    return Cron(text, any(shutil.which(name, path="/usr/sbin:/usr/lib:/usr/bin:/sbin") for name in ("sendmail", "msmtp", "exim4")))


PERCENT = re.compile(r"(?<!\\)%")


def cron_judged(found: Cron, moment: Moment) -> Answer:
    """What Debian's cron does silently: it ignores CRON_TZ, cuts a command at a percent sign, and throws mail away without an MTA."""
    remarks = []
    active = [line.strip() for line in (found.crontab or "").splitlines() if line.strip() and not line.lstrip().startswith("#")]
    ours = [line for line in active if "/bin/" in line and ("$SCIZOR" in line or str(moment.paths.root) in line)]
    if ours and any(re.match(r"(CRON_)?TZ\s*=", line) for line in active):
        remarks.append(Remark(Status.WARNING, "the crontab sets CRON_TZ or TZ, which Debian's cron ignores", "zone", "crontab -e: delete that line; hosts run in UTC"))
    cut = [line for line in ours if PERCENT.search(line)]
    if cut:
        remarks.append(Remark(Status.CRITICAL, f"cron cuts this command at its percent sign: {cut[0][:80]}", "percent", r"crontab -e: write \% or call a script"))
    if not found.has_mta and not moment.config.mail.host:
        remarks.append(Remark(Status.CRITICAL, "failure mail cannot be delivered: no mail transport on this host, and [mail] host is empty", "mail", "set [mail] host and to in etc/scizor.toml, or apt-get install msmtp-mta"))
    return Answer(f"{len(ours)} entries of ours" if found.crontab else "no crontab of this user", tuple(remarks))
