"""O6: nine things that go wrong on a host: each is noticed, ends with the right exit status, and loses nothing.

For each: a job has stored a session; the fault; a day later the look (bin/check) and the job again; the fault mended, the job once more. Noticed
is what bin/check, or the script itself, says; lost would be a bar that is not there afterwards, or a mail that never comes.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from scizor.base.clock import RunningClock
from scizor.base.config import ClockConfig, Config
from scizor.base.paths import ROOT
from scizor.db import symbols
from scizor.db.connect import connect
from tests.bench import traffic
from tests.bench.shifted import SHIFTED
from tests.db.conftest import listed
from tests.jobs.checks.faults import mounted
from tests.jobs.checks.scene import place, redis
from tests.relay import Relay, free_port, relay
from tests.run.configured import write

START = datetime(2025, 1, 14, 8, 0, tzinfo=UTC)  # a Tuesday evening in Sydney; the fault comes a day later
DAY = timedelta(days=1)


@dataclass
class Host:
    """A host with everything in it well. config: on the day of the fault. owner: the database's."""

    config: Config
    folder: Path
    owner: Any
    relay: Relay
    redis: Path

    def script(self, name: str, *words: str, config: Config | None = None, root: Path = ROOT, prefix: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        file = write(config or self.config, self.folder / "scizor.toml")
        words = (*prefix, str(root / "bin" / name), *words, "--config", str(file))
        return subprocess.run(words, cwd="/", env={**os.environ, "SCIZOR_CONFIG": "/nonexistent/x.toml"}, capture_output=True, text=True, check=False)

    def bars(self) -> int:
        return int(self.owner.execute("SELECT count(*) FROM bars").fetchone()[0])


@dataclass
class Ended:
    """is_noticed, status (was it right) and is_whole (nothing was lost), with what was seen."""

    name: str
    is_noticed: bool
    is_status_right: bool
    is_whole: bool
    seen: str

    @property
    def is_good(self) -> bool:
        return self.is_noticed and self.is_status_right and self.is_whole


@contextlib.contextmanager
def host() -> Iterator[Host]:
    with place() as folder, traffic.database("bench_o6") as server, connect(server, application="bench", owner=True) as owner, relay() as running, redis(folder) as socket:
        symbols.store_listed(owner, [listed("BHP"), listed("CBA")], START)
        started = datetime.now(UTC)
        clock = ClockConfig((START + DAY).isoformat(), started.isoformat(), 1.0)
        with traffic.gateway(folder, clock, "--service-seconds", "0.01") as (port, _):
            config = Config(mode="replay", database=replace(server, connect_timeout_seconds=2), clock=clock, mail=running.config())
            config = replace(
                config, gateway=replace(config.gateway, port=port, ready_timeout_seconds=0.5, connect_timeout_seconds=2.0), redis=replace(config.redis, socket=str(socket)),
                collect=replace(config.collect, daily_years=1), paths=replace(config.paths, state=str(folder / "state"), logs=str(folder / "logs")),
            )  # fmt: skip
            found = Host(config, folder, owner, running, socket)
            yesterday = replace(config, clock=replace(clock, origin=START.isoformat()))
            done = found.script("collect-daily", config=yesterday)
            if done.returncode != 0:
                raise RuntimeError(f"the first collection ended with {done.returncode}: {done.stderr}")
            yield found


def ordinary(found: Host, name: str, check: str, config: Config, statuses: tuple[int, ...], *, prefix: tuple[str, ...] = (), mend: Callable[[], Any] = lambda: None) -> Ended:
    """The look in the fault, the job in the fault, and the job when it is mended."""
    before = found.bars()
    look = found.script("check", "--only", check, config=config, prefix=prefix)
    job = found.script("collect-daily", config=config, prefix=prefix)
    between = found.bars()
    mend()
    again = found.script("collect-daily")
    is_whole = between >= before and again.returncode == 0 and found.bars() == before + 2  # both symbols' session of the day
    said = look.stdout.splitlines()[-1] if look.stdout else look.stderr
    return Ended(name, look.returncode in (1, 2) and "HINT: " in look.stdout, job.returncode in statuses and look.returncode in (1, 2), is_whole, f"job {job.returncode}, then {again.returncode}; {said[:150]}")


def dead_cron(found: Host) -> Ended:
    late = replace(found.config, clock=replace(found.config.clock, origin=(START + 2 * DAY).isoformat()))
    return ordinary(found, "dead cron", "jobs", late, (0, 3, 69))


def dead_mail(found: Host) -> Ended:
    """A failure while the relay is dead: its mail must come when the relay is back."""
    before = found.bars()
    found.relay.down()
    no_gateway = replace(found.config, gateway=replace(found.config.gateway, port=free_port()))
    look = found.script("check", "--only", "mail")
    job = found.script("collect-daily", config=no_gateway)
    found.relay.up()
    again = found.script("collect-daily")
    is_whole = found.bars() == before + 2 and any("collect-daily" in each for each in found.relay.subjects)
    return Ended("dead mail", look.returncode == 2, job.returncode == 69, is_whole, f"job {job.returncode}, then {again.returncode}; {found.relay.subjects}")


def broken_environment(found: Host) -> Ended:
    """A checkout whose lock file is not what its environment was made of."""
    before = found.bars()
    copy = found.folder / "copy"
    for name in ("bin", "lib", "sql", "etc", "cron"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "scizor.toml"))
    (copy / ".venv").symlink_to(ROOT / ".venv")
    with (copy / "etc" / "requirements.lock").open("a") as lock:
        lock.write("\n")
    said = [found.script(each, root=copy) for each in ("health", "check", "collect-daily")]
    again = found.script("collect-daily")
    is_noticed = all("bin/setup" in each.stderr for each in said)
    return Ended("broken environment", is_noticed, [each.returncode for each in said] == [78] * 3, again.returncode == 0 and found.bars() == before + 2, said[0].stderr.strip()[:150])


def full_disk(found: Host, *options: str) -> Ended:
    """State and logs on a small disk, full or read-only. tests.jobs.checks.faults mounts it."""
    with mounted(found, *options) as config:  # type: ignore[arg-type]
        small = replace(config, paths=replace(config.paths, logs=str(Path(config.paths.state) / "logs")))
        return ordinary(found, "read-only disk" if options else "full disk", "disk", small, (78, 73) if options else (0, 73))


def postgres_down(found: Host) -> Ended:
    down = replace(found.config, database=replace(found.config.database, host="127.0.0.1", port=free_port()))
    return ordinary(found, "Postgres down", "database", down, (69,))


def redis_down(found: Host) -> Ended:
    down = replace(found.config, redis=replace(found.config.redis, socket="/nonexistent/redis.sock"))
    return ordinary(found, "Redis down", "redis", down, (0,))


def gateway_down(found: Host) -> Ended:
    down = replace(found.config, gateway=replace(found.config.gateway, port=free_port()))
    return ordinary(found, "Gateway down", "gateway", down, (69,))


def clock_off(found: Host) -> Ended:
    """The host's clock an hour ahead of the database's: nothing may be written. Only an unaccelerated clock is compared."""
    real = replace(found.config, clock=Config().clock)
    return ordinary(found, "clock off", "clock", real, (69,), prefix=(sys.executable, "-c", SHIFTED.format(3600)))


CASES: tuple[Callable[[Host], Ended], ...] = (
    dead_cron, dead_mail, broken_environment, full_disk, lambda found: full_disk(found, "ro"), postgres_down, redis_down, gateway_down, clock_off,
)  # fmt: skip


def measure(report: Callable[[str], None], cases: tuple[Callable[[Host], Ended], ...] = CASES) -> list[Ended]:
    found = []
    for case in cases:
        begun = RunningClock().now()
        with host() as each:
            try:
                ended = case(each)
            except NotImplementedError as reason:
                ended = Ended("a disk of its own", False, False, False, str(reason))
        found.append(ended)
        seconds = (RunningClock().now() - begun).total_seconds()
        report(f"{ended.name:<20} noticed {ended.is_noticed!s:<5} status {ended.is_status_right!s:<5} whole {ended.is_whole!s:<5} {seconds:4.0f} s  {ended.seen}")
    return found


def planted(found: Host) -> Ended:
    """Nothing is wrong: whoever notices something here notices nothing."""
    return ordinary(found, "nothing", "redis", found.config, (0,))


def figures(report: Callable[[str], None]) -> list[dict[str, Any]]:
    found = measure(report)
    innocent = measure(report, (planted,))
    good = sum(each.is_good for each in found)
    return [{
        "id": "O6", "name": "noticed, right exit status, nothing lost", "value": good, "unit": "", "op": "==", "bar": len(CASES), "n": len(found),
        "planted": sum(not each.is_noticed for each in innocent), "rival": ", ".join(each.name for each in found if not each.is_good) or "none was missed",
    }]  # fmt: skip


if __name__ == "__main__":
    for each in figures(print):
        print(each)
