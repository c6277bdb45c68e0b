"""Installs the foreign clients below var/foreign, once for each version of their lock files."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from scizor.base.clock import RunningClock
from scizor.base.lock import hold
from scizor.base.paths import ROOT

HERE = ROOT / "tests" / "foreign"
HOME = ROOT / "var" / "foreign"
INSTALL_SECONDS = 180


class UnavailableError(Exception):
    """It cannot be installed here; the text says why (no node, no registry)."""


def ibapi() -> Path:
    """The directory to put on PYTHONPATH."""
    return _once("ibapi", ("ibapi.lock", "build.lock"), _install_ibapi)


def stoqey() -> Path:
    """The directory that holds node_modules."""
    if not (shutil.which("node") and shutil.which("npm")):
        raise UnavailableError("node and npm are not installed")
    return _once("stoqey", ("package.json", "package-lock.json", ".npmrc"), _install_stoqey)


def _once(name: str, locks: tuple[str, ...], install: object) -> Path:
    assert callable(install)
    mark = hashlib.sha256(b"\0".join((HERE / each).read_bytes() for each in locks)).hexdigest()[:12]
    target = HOME / f"{name}-{mark}"
    with hold(HOME / "locks", name, {"pid": os.getpid()}, wait_seconds=INSTALL_SECONDS, clock=RunningClock()):
        if not target.exists():
            partial = HOME / f"{name}.partial"
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
            install(partial)
            partial.rename(target)
    return target


def _install_ibapi(target: Path) -> None:
    build = target / "build"
    pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps", "--require-hashes"]
    _do([*pip, "--target", str(build), "--only-binary", ":all:", "-r", str(HERE / "build.lock")])
    _do(
        [*pip, "--target", str(target), "--no-build-isolation", "-r", str(HERE / "ibapi.lock")],
        environment={"PYTHONPATH": str(build)},
    )
    shutil.rmtree(build)


def _install_stoqey(target: Path) -> None:
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(HERE / name, target)
    _do(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], folder=target)


def _do(command: list[str], *, folder: Path | None = None, environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **(environment or {})}, capture_output=True, text=True, timeout=INSTALL_SECONDS
    )
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise UnavailableError(f"{Path(command[0]).name} ended with {done.returncode}: {' '.join(said)}")
