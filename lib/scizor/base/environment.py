"""Makes or mends the virtual environment. Started by bin/setup with the system's python: standard library only.

The lock file is copied into the environment last and by rename: its presence there means "whole". Two setups at once
are arranged by flock; the second finds the work done. pip installs with hashes, wheels only, no resolving.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import threading
import venv
from pathlib import Path
from typing import IO

UNREACHABLE, NO_SPACE, BUSY, CONFIGURATION = 69, 73, 75, 78  # base/exit.py, which this file must not import
WAIT_SECONDS = 1200.0  # for another bin/setup: with a slow registry it takes some minutes
BYTES_NEEDED = 1_200_000_000
#: What jobs and the kernel import. pip would compile everything, which takes longer than all the rest of it; the others are
#: compiled by whoever imports them first, if he may write here and Python may keep it: without these numba alone starts a second later.
COMPILED = (
    "psycopg", "psycopg_binary", "ib_insync", "eventkit", "filelock", "rich", "numpy", "numba", "llvmlite", "pandas", "exchange_calendars"
)


def main(root: Path) -> int:
    lock_file = root / "etc" / "requirements.lock"
    home = root / ".venv"
    try:
        with open(root / ".venv.lock", "w") as guard:
            if not _locked(guard):
                print(f"scizor: another bin/setup has been at it for {WAIT_SECONDS / 60:.0f} minutes. HINT: is it paused? fuser -v {root / '.venv.lock'}", file=sys.stderr)
                return BUSY
            _give_to_owner(root, root / ".venv.lock")
            if is_whole(home, lock_file):
                return 0
            return build(root, home, lock_file)
    except PermissionError as refusal:
        print(f"scizor: {refusal}. HINT: run bin/setup as the owner of {root}", file=sys.stderr)
        return CONFIGURATION
    except OSError as failure:
        print(f"scizor: cannot make {home}: {failure}", file=sys.stderr)
        return NO_SPACE if failure.errno == 28 else 1


def install_command(home: Path, lock_file: Path) -> list[str | Path]:
    """What installs the lock file into that environment: nothing without the hash that is locked, nothing that must be built."""
    return [
        home / "bin" / "python", "-m", "pip", "install", "--quiet", "--quiet", "--disable-pip-version-check", "--no-input",
        "--no-compile", "--require-hashes", "--only-binary", ":all:", "--no-deps", "--requirement", lock_file,
    ]  # fmt: skip


def _locked(guard: IO[str]) -> bool:
    """base/flock.py, which this file must not import, once more."""
    polls = int(WAIT_SECONDS / 0.2) + 1
    for _ in range(polls):
        try:
            fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            threading.Event().wait(0.2)
        else:
            return True
    return False


def is_whole(home: Path, lock_file: Path) -> bool:
    """True if the environment was finished from exactly this lock file and its python still starts."""
    mark = home / "requirements.lock"
    if not mark.is_file() or mark.read_bytes() != lock_file.read_bytes():
        return False
    python = home / "bin" / "python"
    try:
        return subprocess.run([python, "-I", "-c", ""], check=False, capture_output=True).returncode == 0
    except OSError:  # after an upgrade of the system it is a dangling link
        return False


def build(root: Path, home: Path, lock_file: Path) -> int:
    free = shutil.disk_usage(root).free
    if free < BYTES_NEEDED:
        print(f"scizor: the environment needs 1.2 GB, {root} has {free / 1e9:.1f} GB free", file=sys.stderr)
        return NO_SPACE
    print(f"scizor: making the environment in {home} (about a minute, once)", file=sys.stderr)
    (home / "requirements.lock").unlink(missing_ok=True)  # killed while it clears, it must not look whole
    venv.EnvBuilder(clear=True, with_pip=True, symlinks=True).create(home)
    # Whoever calls pip from a shell with PYTHONPATH or a target directory set would install elsewhere.
    clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_USER")}
    if subprocess.run(install_command(home, lock_file), env=clean, cwd=root, check=False).returncode != 0:
        print("scizor: pip could not install the packages. HINT: is the package registry reachable? "
              "Run bin/setup again; what is there is kept in pip's cache", file=sys.stderr)  # fmt: skip
        return UNREACHABLE
    for site in home.glob("lib/python3*/site-packages"):
        (site / "scizor.pth").write_text("../../../../lib\n")
        folders = [str(site / name) for name in COMPILED if (site / name).is_dir()]
        subprocess.run([home / "bin" / "python", "-m", "compileall", "-q", "-j", "0", "-x", "/tests/", *folders], env=clean, check=False, stdout=subprocess.DEVNULL)
    partial = home / "requirements.lock.partial"
    shutil.copyfile(lock_file, partial)
    _give_to_owner(root, home)
    partial.replace(home / "requirements.lock")
    return 0


def _give_to_owner(root: Path, path: Path) -> None:
    """Root in somebody else's checkout leaves nothing that the owner cannot write."""
    owner = root.stat()
    if os.geteuid() != 0 or owner.st_uid == 0:
        return
    paths = [path]
    if path.is_dir():
        paths += [Path(folder) / name for folder, folders, files in os.walk(path) for name in folders + files]
    for each in paths:
        with contextlib.suppress(FileNotFoundError):
            os.chown(each, owner.st_uid, owner.st_gid, follow_symlinks=False)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
