"""D9: bin/demo in a fresh clone with installs, as root and as an ordinary user; its second run.

Each clone runs with an empty environment (env -i HOME=… PATH=/usr/bin:/bin) from the root directory, as cron would. The
figure is the slower of the two users. A clone has no recordings beside it, so the input is simulated.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scizor.base.paths import ROOT

DEADLINE_SECONDS = 300


def figures(report: Callable[[str], None]) -> list[dict[str, Any]]:
    users = [pwd.getpwuid(os.geteuid())]
    if os.geteuid() == 0:
        users.append(pwd.getpwnam("nobody"))
    first, second = [], []
    for user in users:
        with tempfile.TemporaryDirectory(prefix="scizor-d9-") as folder:
            times = _demo_twice(Path(folder), user)
        report(f"{user.pw_name}: first {times[0]:.1f} s, second {times[1]:.1f} s")
        first.append(times[0])
        second.append(times[1])
    same = {"unit": "s", "op": "<=", "n": len(users), "rival": "the promise: three minutes for a newcomer"}
    return [
        {"id": "D9", "name": "first run with installs", "value": max(first), "bar": 90, "min": min(first),
         "median": sorted(first)[len(first) // 2], **same},
        {"id": "D9", "name": "second run", "value": max(second), "bar": 10, "min": min(second),
         "median": sorted(second)[len(second) // 2], **same},
    ]  # fmt: skip


def _demo_twice(folder: Path, user: pwd.struct_passwd) -> tuple[float, float]:
    folder.chmod(0o755)
    home, checkout = folder / "home", folder / "scizor"
    home.mkdir()
    home.chmod(0o755)
    subprocess.run(["git", "clone", "--quiet", f"file://{ROOT}", str(checkout)], check=True, umask=0o022)  # as a person has
    for path in (home, checkout):
        for each in (path, *path.rglob("*")):
            os.chown(each, user.pw_uid, user.pw_gid, follow_symlinks=False)
    try:
        return _demo(checkout, home, user, []), _demo(checkout, home, user, [])
    finally:
        _demo(checkout, home, user, ["--stop"])
        shutil.rmtree(checkout, ignore_errors=True)


def _demo(checkout: Path, home: Path, user: pwd.struct_passwd, words: list[str]) -> float:
    begun = time.perf_counter()
    done = subprocess.run(
        [str(checkout / "bin" / "demo"), *words], cwd="/", env={"HOME": str(home), "PATH": "/usr/bin:/bin"},
        user=user.pw_uid, group=user.pw_gid, extra_groups=[], timeout=DEADLINE_SECONDS, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise RuntimeError(f"bin/demo {' '.join(words)} as {user.pw_name} ended with {done.returncode}: {done.stderr[-2000:]}")
    return time.perf_counter() - begun


if __name__ == "__main__":
    for each in figures(print):
        print(each)
