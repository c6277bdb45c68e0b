"""O1: every fault of the table that touches operations, injected, and bin/health run as cron runs it: noticed within 90 s, with what to do next.

The real script as a process; a fault shows in v_health, or, where the database is what is down, in a mail. From the fault to the notice lie
at most the minute of cron and the run itself. The planted counter is the same one with nothing injected: it must miss them all.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from scizor.base.clock import RunningClock
from scizor.base.config import Config
from scizor.base.paths import ROOT
from scizor.db.connect import connect
from tests.bench import traffic
from tests.bench.shifted import SHIFTED
from tests.jobs.checks.faults import FAULTS, Fault
from tests.jobs.checks.scene import Scene, place, scene
from tests.jobs.checks.test_faults import NEXT
from tests.run.configured import write

CRON_SECONDS = 60.0


def measure(report: Callable[[str], None], faults: tuple[Fault, ...] = FAULTS) -> dict[str, Any]:
    found: dict[str, Any] = {"noticed": 0, "hinted": 0, "seconds": [], "skipped": [], "missed": [], "innocent": 0}
    with place() as folder, traffic.database("bench_o1") as server, connect(server, application="bench", owner=True) as owner, scene(server, owner, folder) as well:
        for fault in faults:
            try:
                with fault.inject(well) as config:
                    seconds, status, hint = _health(well, config, fault)
            except NotImplementedError as reason:
                found["skipped"].append(f"{fault.name}: {reason}")
                continue
            found["seconds"].append(CRON_SECONDS + seconds)
            is_noticed = status in ("warning", "critical") and CRON_SECONDS + seconds <= 90
            found["noticed"] += is_noticed
            found["hinted"] += bool(NEXT.search(hint))
            if not is_noticed or not NEXT.search(hint):
                found["missed"].append(f"{fault.row} {fault.name}: {status}, {hint!r}")
            report(f"{fault.row:>3} {fault.name:<40} {status:<9} {seconds:5.1f} s  {hint[:70]}")
            _, status, _ = _health(well, well.config, fault._replace(is_without_database=False))
            found["innocent"] += status == "ok"
    return found


def _health(well: Scene, config: Config, fault: Fault) -> tuple[float, str, str]:
    """Seconds, the check's status and its hint, from the table or from the mail."""
    before = len(well.relay.mails)
    prefix: tuple[str, ...] = ()
    if config.mode != "replay":  # only a replay's clock may be set: for the others the machine's is
        offset = (config.make_clock().now() - RunningClock().now()).total_seconds()
        config, prefix = replace(config, clock=Config().clock), (sys.executable, "-c", SHIFTED.format(offset))
    file = write(config, well.folder / "bench.toml")
    start = time.perf_counter()
    done = subprocess.run([*prefix, str(ROOT / "bin" / "health"), "--config", str(file)], env=dict(os.environ), cwd="/", capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    if done.returncode != 0:
        return seconds, f"exit {done.returncode}", done.stderr
    if fault.is_without_database:
        mails = [mail.get_content() for mail in well.relay.mails[before:] if f"[{fault.check}" in str(mail["Subject"]) or f"{fault.check}:" in mail.get_content()]
        hints = re.findall(r"HINT: (.*)", str(mails[0])) if mails else []
        return seconds, "critical" if mails else "unnoticed", hints[0] if hints else ""
    rows = well.rows("SELECT status, hint FROM v_health WHERE name = %s", fault.check)
    return seconds, *(rows[0] if rows else ("unnoticed", ""))


def figures(report: Callable[[str], None], faults: tuple[Fault, ...] = FAULTS) -> list[dict[str, Any]]:
    found = measure(report, faults)
    count = len(found["seconds"])
    for each in (*found["missed"], *found["skipped"]):
        report(each)
    common = {"n": count, "rival": f"{len(found['skipped'])} could not be injected here"}
    return [
        {"id": "O1", "name": "faults noticed within 90 s", "value": round(100 * found["noticed"] / count, 2), "unit": "%", "op": "==", "bar": 100,
         "planted": found["innocent"], **common},
        {"id": "O1", "name": "with what to do next", "value": round(100 * found["hinted"] / count, 2), "unit": "%", "op": "==", "bar": 100, **common},
        {"id": "O1", "name": "slowest notice, cron's minute included", "value": round(max(found["seconds"]), 1), "unit": "s", "op": "<=", "bar": 90, **common},
        {"id": "O1", "name": "well once it is mended", "value": round(100 * found["innocent"] / count, 2), "unit": "%", "op": "==", "bar": 100, **common},
    ]  # fmt: skip


if __name__ == "__main__":
    for each in figures(print):
        print(each)
