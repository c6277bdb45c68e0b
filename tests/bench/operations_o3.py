"""O3: damage to a backup that is detected: 1,000 flipped bits, 200 truncations, 50 missing or superfluous files, a wrong key.

A backup of a simulated database, encrypted, on the product's own server; every damage is done to its folder and undone again.
The planted counter is what `pg_restore -l` misses of the same flips in the dump, which many take for a check.
"""

from __future__ import annotations

import random
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyrage

from scizor.base.errors import FindingError
from scizor.run import clients, dumping, sealing
from tests.bench.shelf import backed_up

FLIPS, TRUNCATIONS, FILES = 1000, 200, 50
BY_LIST = 100
SEED = 3


@contextmanager
def changed(file: Path, data: bytes | None) -> Iterator[None]:
    """The file with other bytes (None: without it) while the body runs."""
    before = file.read_bytes() if file.exists() else None
    file.unlink(missing_ok=True)
    if data is not None:
        file.write_bytes(data)
    try:
        yield
    finally:
        file.unlink(missing_ok=True)
        if before is not None:
            file.write_bytes(before)


def is_detected(folder: Path) -> bool:
    try:
        sealing.check(folder)
    except FindingError:
        return True
    return False


def flipped(data: bytes, random_: random.Random) -> bytes:
    at = random_.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << random_.randrange(8)]) + data[at + 1 :]


def measure(report: Callable[[str], None], flips: int, truncations: int, files: int) -> dict[str, Any]:
    random_ = random.Random(SEED)
    with tempfile.TemporaryDirectory(prefix="scizor-o3-") as name:
        keys = [pyrage.x25519.Identity.generate() for _ in range(2)]
        config, folder, task = backed_up(Path(name), keys[0], bars=2000)
        assert not is_detected(folder), "an undamaged backup is taken for damaged"
        whole = sorted(folder.iterdir())
        missed = 0
        for _ in range(flips):
            file = random_.choice(whole)
            with changed(file, flipped(file.read_bytes(), random_)):
                missed += not is_detected(folder)
        for _ in range(truncations):
            file = random_.choice([each for each in whole if each.stat().st_size])
            with changed(file, file.read_bytes()[: random_.randrange(file.stat().st_size)]):
                missed += not is_detected(folder)
        for number in range(files):
            file = random_.choice(whole) if number % 2 else folder / f"x{number}"
            with changed(file, None if number % 2 else random_.randbytes(number)):
                missed += not is_detected(folder)
        with sealing.opened(folder / "database.dump.age", [keys[0]]) as plain:
            dump = plain.read()
        try:
            dumping.read_through(task, folder, dumping.load(folder), [keys[1]])
            missed += 1
        except FindingError:
            pass
        binaries = clients.find(config, dumping.load(folder)["server_version"])
        unseen = 0
        for _ in range(BY_LIST):
            (Path(name) / "flipped.dump").write_bytes(flipped(dump, random_))
            unseen += subprocess.run([binaries / "pg_restore", "-l", Path(name) / "flipped.dump"], capture_output=True, check=False).returncode == 0
        report(f"seed {SEED}: {flips + truncations + files + 1} damages, {missed} not detected; pg_restore -l missed {unseen} of {BY_LIST} flipped bits")
    return {"n": flips + truncations + files + 1, "missed": missed, "unseen": unseen}


def figures(report: Callable[[str], None]) -> list[dict[str, Any]]:
    found = measure(report, FLIPS, TRUNCATIONS, FILES)
    share = round(100 * (1 - found["missed"] / found["n"]), 3)
    return [
        {"id": "O3", "name": "damage detected", "value": share, "unit": "%", "op": "==", "bar": 100.0, "n": found["n"],
         "planted": found["unseen"], "rival": "pg_restore -l (planted: what it misses)"},
    ]  # fmt: skip


if __name__ == "__main__":
    for each in figures(print):
        print(each)
