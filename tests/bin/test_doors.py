"""The scripts from the outside: from any directory, through a symlink, in cron's bare environment, twice.

A copy of the checkout below var/tests borrows this environment, so that a person's own demo and configuration are left
alone. The copy's code runs, not the checkout's: PYTHONPATH comes before what the environment says.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from scizor.base.paths import ROOT

SCRIPTS = sorted(path.name for path in (ROOT / "bin").iterdir() if path.name != "python")
CONFIGURED = (
    "audit", "backup", "clean-logs", "collect-daily", "export", "health", "indicators", "install-cron", "make-partitions", "migrate", "prune",
    "restore", "symbols", "watchlist",
)


@pytest.fixture(scope="module")
def copy() -> Iterator[Path]:
    place = ROOT / "var" / "tests" / f"copy-{uuid.uuid4().hex[:8]}"
    place.mkdir(parents=True)
    for each in (place, place.parent, place.parent.parent):
        each.chmod(each.stat().st_mode | 0o011)  # whoever the server runs as must get there
    for name in ("bin", "lib", "sql", "etc", "cron"):
        shutil.copytree(ROOT / name, place / name, ignore=shutil.ignore_patterns("__pycache__", "scizor.toml"))
    (place / "logs").mkdir()
    (place / ".venv").symlink_to(ROOT / ".venv")
    yield place
    shutil.rmtree(place, ignore_errors=True)


def _run(copy: Path, *words: str, cwd: str = "/", **environment: str) -> subprocess.CompletedProcess[str]:
    """In cron's bare environment."""
    bare = {"HOME": "/nonexistent", "PATH": "/usr/bin:/bin", "PYTHONPATH": str(copy / "lib"), **environment}
    return subprocess.run(
        [str(copy / "bin" / words[0]), *words[1:]], cwd=cwd, env=bare, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_answers_help_from_any_directory_and_through_a_symlink(copy: Path, script: str, tmp_path: Path) -> None:
    direct = _run(copy, script, "--help")
    assert direct.returncode == 0, direct.stderr
    assert script in direct.stdout
    link = tmp_path / "some where" / script
    link.parent.mkdir()
    link.symlink_to(copy / "bin" / script)
    linked = subprocess.run(
        [str(link), "--help"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
        env={"HOME": "/nonexistent", "PATH": "/usr/bin:/bin", "PYTHONPATH": str(copy / "lib")},
    )  # fmt: skip
    assert (linked.returncode, linked.stdout) == (0, direct.stdout)


@pytest.mark.parametrize("script", CONFIGURED)
def test_without_a_configuration_a_script_ends_with_78_and_names_the_example(copy: Path, script: str) -> None:
    words = {
        "install-cron": ("--print",), "restore": ("--into", "x", "latest"), "symbols": ("list",), "watchlist": ("list",),
    }.get(script, ())  # fmt: skip
    ended = _run(copy, script, *words)
    assert ended.returncode == 78
    assert "etc/scizor.example.toml" in ended.stderr
    assert ended.stdout == ""


def test_an_option_that_is_not_known_is_one_line_with_status_2(copy: Path) -> None:
    ended = _run(copy, "collect-daily", "--dat", "2025-01-15")
    assert ended.returncode == 2
    assert "HINT: collect-daily --help" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_a_stale_environment_is_refused_with_the_command_that_mends_it(copy: Path) -> None:
    lock = copy / "etc" / "requirements.lock"
    whole = lock.read_text()
    try:
        lock.write_text(whole + "\n")
        ended = _run(copy, "collect-daily")
        assert ended.returncode == 78
        assert f"HINT: {copy}/bin/setup" in ended.stderr
    finally:
        lock.write_text(whole)


def test_without_a_python_setup_is_one_line_with_the_command_that_mends_it(copy: Path, tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in ("sh", "dirname", "readlink", "env", "id", "sed", "cmp"):
        (tools / tool).symlink_to(shutil.which(tool) or f"/bin/{tool}")
    ended = subprocess.run(
        [str(copy / "bin" / "setup")], cwd="/", env={"PATH": str(tools)}, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 78
    assert "HINT: apt-get install python3 python3-venv" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_psql_finds_a_file_in_the_checkout_and_says_whose_database_it_is(copy: Path) -> None:
    ended = _run(copy, "psql", "-c", "SELECT 1")
    assert ended.returncode == 78  # neither configured nor a demo
    assert "bin/demo" in ended.stderr


def _running() -> list[str]:
    """The command lines of this machine's processes."""
    found = []
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found.append(each.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return found


def test_the_demo_collects_twenty_years_shows_them_and_finds_nothing_due_the_second_time(copy: Path) -> None:
    try:
        first = _run(copy, "demo", "--simulated")
        assert first.returncode == 0, first.stderr
        assert "simulated" in first.stdout
        lines = {line.split()[0]: line for line in first.stdout.splitlines() if line and line.split()[0].isupper()}
        assert "5,0" in lines["CBA"]
        assert len([line for line in lines.values() if "▁" in line]) >= 17  # APT has left the simulated market too
        assert "successor SQ2" in first.stdout
        assert "^C" in first.stdout and first.stdout.count("bin/backfill") >= 2
        assert "QQQ     5min  TRADES        10       780     780          0        0  100.00 %  -" in first.stdout
        second = _run(copy, "demo", "--simulated")
        assert second.returncode == 0, second.stderr
        assert "nothing was due" in second.stdout
        shown = _run(copy, "psql", "-At", "-c", "SELECT count(*) FROM market_data")
        assert int(shown.stdout) > 17 * 1000
        assert "the demo's database" in shown.stderr
        monitored = _run(copy, "psql", "-f", "sql/monitor/coverage.sql")
        assert monitored.returncode == 0, monitored.stderr
        assert "CBA" in monitored.stdout
    finally:
        stopped = _run(copy, "demo", "--stop")
    assert stopped.returncode == 0
    assert _run(copy, "demo", "--stop").returncode == 0
    assert [line for line in _running() if f"{copy}/bin/replay-gateway" in line] == [], "it goes on after --stop"


def test_a_person_without_rights_at_the_checkout_is_told_in_one_line(copy: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root, to become somebody else")
    nobody = pwd.getpwnam("nobody")
    ended = subprocess.run(
        [str(copy / "bin" / "collect-daily"), "--help"], cwd="/", env={"HOME": "/nonexistent", "PATH": "/usr/bin:/bin"},
        user=nobody.pw_uid, group=nobody.pw_gid, extra_groups=[], capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode in (0, 78)  # where the environment's python is closed to others, the hint says so
    if ended.returncode:
        assert "HINT" in ended.stderr
        assert len(ended.stderr.splitlines()) == 1
