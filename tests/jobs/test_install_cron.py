"""bin/install-cron with the real crontab(1), whose tables lie in a mount namespace of the test's own; and as systemd's units."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import make_dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import psycopg
import pytest
from cronsim import CronSim

from scizor.base import crontab
from scizor.base.clock import StoppedClock
from scizor.base.config import Config, DatabaseConfig
from scizor.base.errors import ConfigurationError
from scizor.base.exit import Exit
from scizor.base.paths import ROOT, Paths
from scizor.jobs import install_cron, timers
from tests.jobs.scripts import context_of

Run = Callable[..., subprocess.CompletedProcess[str]]
TABLE = crontab.entries((ROOT / "cron" / "scizor.crontab").read_text())
MINE = "MAILTO=me@example.org\n# my own\n5 4 * * * true\n"
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


@pytest.fixture(scope="module")
def inside() -> Iterator[list[str]]:
    """Words before a command that run it where /var/spool is an empty one."""
    if shutil.which("crontab", path=PATH) is None:
        pytest.skip("cron absent: no crontab was changed")
    if os.geteuid() != 0 or not shutil.which("unshare") or not shutil.which("nsenter"):
        pytest.skip("a private mount namespace needs root, unshare and nsenter: no crontab was changed")
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("mount namespaces are forbidden here: no crontab was changed")
    script = "mount -t tmpfs scizor-test /var/spool && mkdir -p -m 1730 /var/spool/cron/crontabs && echo ready && exec sleep 600"
    keeper = subprocess.Popen(["unshare", "--mount", "--propagation", "private", "sh", "-c", script], stdout=subprocess.PIPE, text=True)
    assert keeper.stdout and keeper.stdout.readline() == "ready\n"
    yield ["nsenter", "--target", str(keeper.pid), "--mount"]
    keeper.kill()
    keeper.wait()
    keeper.stdout.close()


@pytest.fixture
def install(inside: list[str], tmp_path: Path) -> Run:
    """Runs bin/install-cron there, with a configuration and a state of its own."""
    file = tmp_path / "scizor.toml"
    file.write_text(f'mode = "paper"\n[paths]\nstate = "{tmp_path / "state"}"\nlogs = "{tmp_path / "logs"}"\n')

    def call(*words: str, path: str = PATH) -> subprocess.CompletedProcess[str]:
        command = [*inside, str(ROOT / "bin" / "install-cron"), "--config", str(file), *words]
        return subprocess.run(command, env={"PATH": path, "HOME": "/nonexistent"}, cwd="/", capture_output=True, text=True, check=False, timeout=60)

    subprocess.run([*inside, "crontab", "-r"], capture_output=True, check=False)
    return call


def table(inside: list[str]) -> str:
    return subprocess.run([*inside, "crontab", "-l"], capture_output=True, text=True, check=False).stdout


def put(inside: list[str], text: str) -> None:
    subprocess.run([*inside, "crontab", "-"], input=text, text=True, check=True, capture_output=True)


def test_it_goes_in_once_is_replaced_and_comes_out_and_one_s_own_lines_stay(install: Run, inside: list[str], tmp_path: Path) -> None:
    put(inside, MINE)
    looked = install("--apply", "--dry-run")
    assert looked.returncode == 0 and "+SCIZOR=" in looked.stdout and table(inside) == MINE
    done = install("--apply", "--offset", "0")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    installed = table(inside)
    assert installed.startswith(MINE) and f"SCIZOR={ROOT}\n" in installed and "MAILTO=me@example.org\n" in installed.removeprefix(MINE)
    assert f"SCIZOR_CONFIG={tmp_path}/scizor.toml\n" in installed
    assert [str(each) for each in crontab.entries(installed.removeprefix(MINE))] == [str(each) for each in TABLE]
    assert install("--apply", "--offset", "0").returncode == 0 and table(inside) == installed, "twice is once"
    other = crontab.offsets(TABLE)[1]
    assert install("--apply", "--offset", str(other)).returncode == 0
    assert table(inside).count("# scizor begins") == 1 and table(inside) != installed
    assert [file.read_text() for file in sorted((tmp_path / "state" / "crontabs").iterdir())] == [MINE, installed]
    assert install("--remove").returncode == 0 and table(inside) == MINE
    assert install("--remove").returncode == 0


def test_printed_is_what_is_applied(install: Run, inside: list[str]) -> None:
    printed = install("--print")
    assert printed.returncode == 0 and printed.stderr == ""
    assert install("--apply").returncode == 0 and table(inside) == printed.stdout
    assert not re.search(r"^[^#]*%", printed.stdout, re.MULTILINE) and "CRON_TZ" not in printed.stdout


@pytest.mark.parametrize(
    ("there", "says"),
    [("CRON_TZ=Australia/Sydney\n" + MINE, "CRON_TZ=Australia/Sydney"), (f'SCIZOR={ROOT}\n7 * * * * "$SCIZOR"/bin/collect-daily\n', "were pasted"),
     (f"7 * * * * {ROOT}/bin/collect-daily\n", "were pasted"), (MINE + f"# scizor begins: {ROOT}\n", "half a block")],
)  # fmt: skip
def test_what_would_fire_wrongly_or_twice_is_refused_with_what_to_do(install: Run, inside: list[str], there: str, says: str) -> None:
    put(inside, there)
    refused = install("--apply")
    assert refused.returncode == Exit.CONFIGURATION and says in refused.stderr and "HINT: crontab -e" in refused.stderr
    assert table(inside) == there


def test_without_cron_the_hint_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install_cron, "SYSTEM_PATH", str(tmp_path))
    with pytest.raises(ConfigurationError, match="cron is not installed") as refusal:
        install_cron.read_table()
    assert "apt-get install cron" in refusal.value.hint and "--systemd" in refusal.value.hint


@pytest.mark.parametrize("words", [("--apply", "--offset", "8"), ("--apply", "--mailto", "me; rm -rf x"), ("--apply", "--print"), ()])
def test_a_wrong_command_line_changes_nothing(install: Run, inside: list[str], words: tuple[str, ...]) -> None:
    put(inside, MINE)
    refused = install(*words)
    assert refused.returncode == Exit.USAGE and "HINT:" in refused.stderr and table(inside) == MINE


# systemd


def units(tmp_path: Path, *, folder: str = "system") -> Path:
    """The units as bin/install-cron --systemd writes them."""
    file = tmp_path / "scizor.toml"
    file.write_text(f'mode = "paper"\n[database]\nhost = "127.0.0.1"\npassword_file = "credential:collector"\n[paths]\nstate = "{tmp_path / "state"}"\nlogs = "{tmp_path / "logs"}"\n')
    command = [str(ROOT / "bin" / "install-cron"), "--config", str(file), "--systemd", str(tmp_path / folder), "--offset", "0"]
    (tmp_path / folder).mkdir(exist_ok=True)
    (tmp_path / folder / "scizor-gone.timer").write_text(timers.MADE.format(ROOT) + "\n[Timer]\n")
    (tmp_path / folder / "scizor-mine.timer").write_text("# my own\n")
    told = subprocess.run(command, capture_output=True, text=True, check=False, env={"PATH": PATH}, timeout=60)
    assert (told.returncode, told.stdout, told.stderr) == (0, "", "")
    return tmp_path / folder


def analyze(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    program = shutil.which("systemd-analyze", path=PATH)
    if program is None:
        pytest.skip("systemd absent: the units were only written")
    environment = {"PATH": PATH, "SYSTEMD_UNIT_PATH": f"{folder}:/lib/systemd/system", "LC_ALL": "C.UTF-8"}
    return subprocess.run([program, *words], capture_output=True, text=True, check=False, env=environment, timeout=120)


def test_systemd_takes_every_unit_without_a_word(tmp_path: Path) -> None:
    """It ends with 0 even for a key that it does not know: only silence is approval."""
    folder = units(tmp_path)
    made = sorted(each for each in folder.glob("scizor-*") if each.is_file() and each.name != "scizor-mine.timer")
    assert {each.stem for each in made if each.suffix == ".timer"} == {each.stem for each in made if each.suffix == ".service"} - {"scizor-replay-gateway"}
    assert len([each for each in made if each.suffix == ".timer"]) == len(TABLE)
    assert not (folder / "scizor-gone.timer").exists() and (folder / "scizor-mine.timer").exists(), "stale ones go, others' stay"
    assert f"LoadCredential=collector:{ROOT}/etc/secrets/collector\n" in (folder / "scizor-prune.service").read_text()
    told = analyze("verify", *map(str, made), folder=folder)
    assert (told.returncode, told.stdout, told.stderr) == (0, "", "")
    (folder / "scizor-prune.service").write_text((folder / "scizor-prune.service").read_text().replace("TimeoutStartSec", "TimeoutStrtSec"))
    assert "TimeoutStrtSec" in analyze("verify", str(folder / "scizor-prune.service"), folder=folder).stderr, "planted: a key that it does not know"


def test_I40_a_checkout_s_path_is_a_path_whatever_stands_in_it(tmp_path: Path, clock: StoppedClock) -> None:
    """Specifiers, variables, quotes and blanks in a unit are systemd's own language: it must see the script that is there."""
    context = context_of(Config(), cast(psycopg.Connection, None), clock, "install-cron", "--print")
    root = tmp_path / "a 100 %n $HOME ${HOME} checkout; #"
    (root / "bin").mkdir(parents=True)
    context.paths = replace(context.paths, root=root)
    made = timers.made(context, TABLE, is_system=False)
    for name in {re.findall(r"bin/([a-z-]+)", each.command)[0] for each in TABLE}:
        (root / "bin" / name).write_text("#!/bin/sh\n")
        (root / "bin" / name).chmod(0o755)
    (tmp_path / "user").mkdir()
    for name, text in made.items():
        (tmp_path / "user" / name).write_text(text)
    services = [str(tmp_path / "user" / name) for name in made if name.endswith(".service")]
    told = analyze("verify", *services, folder=tmp_path / "user")
    assert (told.returncode, told.stderr) == (0, "")
    (root / "bin" / "prune").unlink()
    assert "is not executable" in analyze("verify", *services, folder=tmp_path / "user").stderr, "planted: it does look"
    for hostile in ('a "b', "a 'b", "a \\b", "a\nb"):
        context.paths = replace(context.paths, root=tmp_path / hostile)
        with pytest.raises(ConfigurationError, match="systemd takes no path"):
            timers.made(context, TABLE, is_system=False)


def test_the_units_are_hardened(tmp_path: Path) -> None:
    """systemd's own score, in tenths: 0 is nothing exposed, 100 everything."""
    folder = units(tmp_path)
    for name in ("scizor-replay-gateway.service", "scizor-collect-daily.service"):
        told = analyze("security", "--offline=true", "--threshold=30", "--no-pager", str(folder / name), folder=folder)
        assert told.returncode == 0, told.stdout + told.stderr
    shutil.rmtree(folder / "scizor-.service.d")
    bare = analyze("security", "--offline=true", "--threshold=30", "--no-pager", str(folder / "scizor-collect-daily.service"), folder=folder)
    assert bare.returncode != 0, "planted: without the drop-in"


def test_a_job_may_write_where_the_configuration_lets_it_write(tmp_path: Path) -> None:
    """Also where a section names a directory of its own, relative to the checkout or not."""
    section = make_dataclass("Section", [("directory", str)])
    both = make_dataclass("Both", [("mode", str), ("near", object), ("far", object)])("paper", section("var/near"), section("/mnt/far"))
    paths = Paths(root=tmp_path, state=tmp_path / "var", logs=tmp_path / "logs")
    assert timers.writable(both, paths) == [f"{tmp_path}/logs", f"{tmp_path}/var", "-/mnt/far", f"-{tmp_path}/var/near"]


def test_the_user_s_manager_gets_units_without_what_only_the_system_s_may(tmp_path: Path) -> None:
    folder = units(tmp_path, folder="user")
    text = (folder / "scizor-collect-daily.service").read_text()
    assert "User=" not in text and not (folder / "scizor-.service.d").exists() and "SuccessExitStatus=75" in text


def test_systemd_fires_when_cron_does(tmp_path: Path) -> None:
    start = datetime(2026, 1, 14, 12, 0, 30, tzinfo=UTC)
    for entry in TABLE:
        told = analyze("calendar", "--iterations=4", f"--base-time={start:%Y-%m-%d %H:%M:%S} UTC", timers.calendar(entry), folder=tmp_path)
        assert told.returncode == 0, told.stderr
        found = re.findall(r"(?:Next elapse|Iter\. #\d|Iteration #\d): \w+ ([\d-]+ [\d:]+) UTC", told.stdout)
        schedule = CronSim(" ".join(entry.fields), start)
        assert found == [f"{next(schedule):%Y-%m-%d %H:%M:%S}" for _ in range(4)], told.stdout


def test_an_embedded_server_is_not_for_systemd(tmp_path: Path) -> None:
    assert DatabaseConfig().host == ""
    file = tmp_path / "scizor.toml"
    file.write_text(f'mode = "paper"\n[paths]\nstate = "{tmp_path / "state"}"\nlogs = "{tmp_path / "logs"}"\n')
    command = [str(ROOT / "bin" / "install-cron"), "--config", str(file), "--systemd", str(tmp_path / "system")]
    told = subprocess.run(command, capture_output=True, text=True, check=False, env={"PATH": PATH}, timeout=60)
    assert told.returncode == Exit.CONFIGURATION and "HINT: set [database] host" in told.stderr and not (tmp_path / "system").exists()
