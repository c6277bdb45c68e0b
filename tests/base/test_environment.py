"""The environment: made whole or not at all, mended when it is stale, and made once by two at once.

Each test has a checkout of its own with the real bin/setup and bin/python and a lock file of no packages: seconds, and
no package registry.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from scizor.base import environment
from scizor.base.exit import Exit
from scizor.base.paths import ROOT

BARE = {"PATH": f"{Path(sys.base_prefix) / 'bin'}:/usr/bin:/bin", "HOME": "/nonexistent"}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "a checkout"
    for folder in ("bin", "etc", "lib/scizor/base"):
        (root / folder).mkdir(parents=True)
    for name in ("bin/setup", "bin/python", "lib/scizor/base/environment.py"):
        shutil.copy(ROOT / name, root / name)
    (root / "lib" / "scizor" / "__init__.py").write_text("")
    (root / "etc" / "requirements.lock").write_text("# nothing\n")
    return root


def setup(root: Path, *arguments: str, cwd: str = "/") -> subprocess.CompletedProcess[str]:
    return subprocess.run([root / "bin" / "setup", *arguments], env=BARE, cwd=cwd, capture_output=True, text=True, check=False, timeout=120)


def python(root: Path, code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([root / "bin" / "python", "-c", code], env=BARE, cwd="/", capture_output=True, text=True, check=False, timeout=60)


def mark(root: Path) -> Path:
    return root / ".venv" / "requirements.lock"


def test_it_is_made_once_then_found_whole_and_mended_when_stale(checkout: Path, tmp_path: Path) -> None:
    refusal = python(checkout, "")
    assert refusal.returncode == Exit.CONFIGURATION and f"HINT: {checkout}/bin/setup" in refusal.stderr
    assert refusal.stderr.count("\n") == 1

    first = setup(checkout)
    assert (first.returncode, first.stdout) == (0, ""), first.stderr
    assert "making the environment" in first.stderr
    assert python(checkout, "import scizor; print(scizor.__file__)").stdout.strip() == str(checkout / "lib/scizor/__init__.py")

    second = setup(checkout)
    assert (second.returncode, second.stdout, second.stderr) == (0, "", ""), "found whole, and silent"

    link = tmp_path / "link"
    link.symlink_to(checkout / "bin" / "setup")
    script = checkout / "bin" / "tell"
    script.write_text("import sys; print(sys.argv[1:])\n")
    told = subprocess.run([link, str(script), "an argument", ""], env=BARE, cwd="/", capture_output=True, text=True, check=False)
    assert told.stdout.strip() == "['an argument', '']", "through a symlink, with arguments as they are"

    (checkout / "etc" / "requirements.lock").write_text("# nothing, later\n")
    stale = python(checkout, "")
    assert stale.returncode == Exit.CONFIGURATION and "stale" in stale.stderr
    (checkout / ".venv" / "left-over").write_text("of the old one")
    assert setup(checkout).returncode == 0 and python(checkout, "").returncode == 0
    assert not (checkout / ".venv" / "left-over").exists(), "mended means made anew"


def test_two_at_once_make_it_once(checkout: Path) -> None:
    running = [
        subprocess.Popen([checkout / "bin" / "setup"], env=BARE, cwd="/", stderr=subprocess.PIPE, text=True) for _ in range(3)
    ]
    said = [each.communicate(timeout=180)[1] for each in running]
    assert [each.returncode for each in running] == [0, 0, 0]
    assert sum("making the environment" in each for each in said) == 1
    assert python(checkout, "").returncode == 0


def test_what_was_killed_before_its_end_is_not_whole(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mark of an earlier time must not outlive the environment that it speaks of."""
    home = checkout / ".venv"
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "python").symlink_to(sys.executable)
    shutil.copy(checkout / "etc" / "requirements.lock", mark(checkout))
    assert environment.is_whole(home, checkout / "etc" / "requirements.lock")

    class KilledError(BaseException):
        pass

    def killed(*_: object, **__: object) -> None:
        raise KilledError

    monkeypatch.setattr(environment.venv.EnvBuilder, "create", killed)
    with pytest.raises(KilledError):
        environment.build(checkout, home, checkout / "etc" / "requirements.lock")
    assert not environment.is_whole(home, checkout / "etc" / "requirements.lock")


@pytest.mark.parametrize("python", ["absent", "dangling", "broken", "not executable"])
def test_an_environment_whose_python_is_gone_is_not_whole(checkout: Path, python: str) -> None:
    """After an upgrade of the system its python is a dangling link: to be mended, not to be reported."""
    home = checkout / ".venv"
    (home / "bin").mkdir(parents=True)
    shutil.copy(checkout / "etc" / "requirements.lock", mark(checkout))
    file = home / "bin" / "python"
    if python == "dangling":
        file.symlink_to("/nonexistent/python3.10")
    elif python != "absent":
        file.write_text("#!/bin/sh\nexit 1\n")
        file.chmod(0o755 if python == "broken" else 0o644)
    assert not environment.is_whole(home, checkout / "etc" / "requirements.lock")


def test_a_registry_that_does_not_answer_is_69_and_leaves_nothing_that_looks_whole(checkout: Path) -> None:
    digest = "0" * 64
    (checkout / "etc" / "requirements.lock").write_text(f"absent==1.0 --hash=sha256:{digest}\n")
    nowhere = {**BARE, "PIP_NO_INDEX": "1"}
    told = subprocess.run([checkout / "bin" / "setup"], env=nowhere, cwd="/", capture_output=True, text=True, check=False, timeout=120)
    assert told.returncode == Exit.UNREACHABLE and "HINT:" in told.stderr and "Traceback" not in told.stderr
    assert not mark(checkout).exists() and python(checkout, "").returncode == Exit.CONFIGURATION


def test_no_room_is_said_before_anything_is_made(checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(environment, "BYTES_NEEDED", 10**18)
    assert environment.main(checkout) == Exit.NO_SPACE
    assert "GB free" in capsys.readouterr().err and not (checkout / ".venv").exists()


def test_no_python_is_one_line_with_the_command_that_mends_it(checkout: Path, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("sh", "dirname", "readlink", "env", "sed"):
        (tools / name).symlink_to(str(shutil.which(name)))
    (tools / "python3").write_text("#!/bin/sh\nexit 1\n")  # too old, or without venv
    (tools / "python3").chmod(0o755)
    told = subprocess.run(["/bin/sh", checkout / "bin" / "setup"], env={"PATH": str(tools)}, cwd="/", capture_output=True, text=True, check=False)
    assert told.returncode == Exit.CONFIGURATION
    assert told.stderr.count("\n") == 1 and "HINT: apt-get install python3 python3-venv" in told.stderr


def test_the_numbers_it_repeats_are_those_of_the_exit_statuses() -> None:
    found = (environment.UNREACHABLE, environment.NO_SPACE, environment.BUSY, environment.CONFIGURATION)
    assert found == (Exit.UNREACHABLE, Exit.NO_SPACE, Exit.BUSY, Exit.CONFIGURATION)


def test_another_setup_that_is_paused_is_waited_for_with_a_limit(checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(environment, "WAIT_SECONDS", 0.3)
    with open(checkout / ".venv.lock", "w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert environment.main(checkout) == Exit.BUSY
    assert "another bin/setup" in capsys.readouterr().err and not (checkout / ".venv").exists()


def test_a_wheel_that_is_not_the_one_that_was_locked_is_not_installed(tmp_path: Path) -> None:
    """A real wheel in a folder, once with its hash in the lock file and once with another's: nothing is installed unhashed."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    wheel = wheels / "planted-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("planted.py", "")
        archive.writestr("planted-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: planted\nVersion: 1.0\n")
        archive.writestr("planted-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: a test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("planted-1.0.dist-info/RECORD", "planted.py,,\nplanted-1.0.dist-info/RECORD,,\n")
    right = hashlib.sha256(wheel.read_bytes()).hexdigest()
    offline = {**BARE, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels), "PIP_NO_CACHE_DIR": "1"}
    for hashes, is_installed in ((f" --hash=sha256:{'0' * 64}", False), ("", False), (f" --hash=sha256:{right}", True)):
        (tmp_path / "requirements.lock").write_text(f"planted==1.0{hashes}\n")
        command = [*environment.install_command(Path(sys.prefix), tmp_path / "requirements.lock"), "--target", tmp_path / "there"]
        told = subprocess.run(command, env=offline, cwd="/", capture_output=True, text=True, check=False, timeout=120)
        assert (told.returncode == 0, (tmp_path / "there" / "planted.py").exists()) == (is_installed, is_installed), told.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can stand in somebody else's checkout")
def test_root_in_somebody_else_s_checkout_leaves_nothing_that_its_owner_cannot_write(checkout: Path) -> None:
    for path in (checkout, *checkout.rglob("*")):
        os.chown(path, 65534, 65534)
    assert setup(checkout).returncode == 0
    made = [checkout / ".venv.lock", checkout / ".venv", *(checkout / ".venv").rglob("*")]
    assert not [path for path in made if path.lstat().st_uid != 65534]
