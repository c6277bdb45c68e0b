"""The crontab: as Debian's cron reads it, as a person pastes it, and once under a real cron where one is installed.

Row 6: no percent sign. Row 4: nothing relies on CRON_TZ.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest
from cronsim import CronSim

from scizor.base.paths import ROOT

CRONTAB = ROOT / "cron" / "scizor.crontab"
SETTING = re.compile(r"([A-Za-z_]\w*)\s*=\s*(.*)")  # crontab(5): the value is everything behind the sign


class Entry(NamedTuple):
    when: str
    command: str
    comment: str


def parse(text: str) -> tuple[dict[str, str], list[Entry]]:
    """Settings and entries, each entry with the comment above it."""
    settings: dict[str, str] = {}
    entries: list[Entry] = []
    comment: list[str] = []
    for line in text.splitlines():
        setting = SETTING.fullmatch(line.strip())
        if line.startswith("#"):
            comment.append(line.lstrip("# "))
        elif not line.strip():
            comment = []
        elif setting:
            settings[setting[1]] = setting[2]
        else:
            fields = line.split(None, 5)
            entries.append(Entry(" ".join(fields[:5]), fields[5], " ".join(comment)))
            comment = []
    return settings, entries


SETTINGS, ENTRIES = parse(CRONTAB.read_text())


def script(entry: Entry) -> Path:
    """The script that an entry calls."""
    found = re.findall(r'"\$SCIZOR"/(bin/[a-z-]+)', entry.command)
    assert len(found) == 1, entry
    return ROOT / str(found[0])


def test_there_is_one_variable_for_the_path_and_cron_expands_nothing_in_values() -> None:
    assert set(SETTINGS) == {"SCIZOR", "MAILTO"}
    assert not any("$" in value or "~" in value for value in SETTINGS.values()), "cron takes values as they are"
    assert Path(SETTINGS["SCIZOR"]).is_absolute()


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.command)
def test_every_entry_calls_a_script_of_ours_that_can_be_run(entry: Entry) -> None:
    assert script(entry).is_file() and os.access(script(entry), os.X_OK)
    assert SETTINGS["SCIZOR"] not in entry.command, "the path stands in one place"


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.command)
def test_every_entry_says_why_that_minute(entry: Entry) -> None:
    first = entry.when.split()[0].split("-")[0]
    assert f" {first}" in entry.comment and len(entry.comment.split()) > 10


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.command)
def test_what_is_written_is_its_owner_s_alone(entry: Entry) -> None:
    assert entry.command.startswith("umask 077; ")


def test_row_6_no_active_line_holds_a_percent_sign_or_a_comment() -> None:
    active = [line for line in CRONTAB.read_text().splitlines() if line.strip() and not line.startswith("#")]
    assert active and not any("%" in line or "#" in line or "\t" in line for line in active)
    assert CRONTAB.read_text().endswith("\n"), "cron does not read a last line without an end"


def test_row_4_nothing_relies_on_a_time_zone_of_cron() -> None:
    assert not {"CRON_TZ", "TZ"} & set(SETTINGS)


#: At which minutes of every hour each script that fires all day does.
MINUTES = {"collect-daily": {7, 22, 37, 52}, "backfill": {33}, "fill-gaps": {11}}


@pytest.mark.parametrize(("name", "wanted"), MINUTES.items(), ids=list(MINUTES))
def test_what_collects_fires_every_hour(name: str, wanted: set[int]) -> None:
    entry = next(each for each in ENTRIES if script(each).name == name)  # one that fires more rarely may follow
    schedule = CronSim(entry.when, datetime(2025, 1, 15, tzinfo=UTC))
    fired = [next(schedule) for _ in range(24 * len(wanted))]
    assert fired[-1] <= datetime(2025, 1, 16, tzinfo=UTC) + timedelta(minutes=60 // len(wanted))
    assert {each.minute for each in fired} == wanted
    assert {later - earlier for earlier, later in pairwise(fired)} == {timedelta(minutes=60 // len(wanted))}


#: Health alone fires every minute, the busy ones among them: it asks nobody for data.
EVERY_MINUTE = {"health"}


def test_only_health_fires_every_minute() -> None:
    assert {script(each).name for each in ENTRIES if each.when == "* * * * *"} == EVERY_MINUTE


@pytest.mark.parametrize("entry", [each for each in ENTRIES if each.when != "* * * * *"], ids=lambda entry: entry.command)
def test_nothing_starts_at_the_busy_minutes(entry: Entry) -> None:
    schedule = CronSim(entry.when, datetime(2025, 1, 15, tzinfo=UTC))
    assert not {next(schedule).minute for _ in range(20)} & {0, 15, 30, 45}


def test_entries_do_not_all_start_in_one_minute() -> None:
    minutes = [entry.when.split()[0] for entry in ENTRIES]
    assert len(set(minutes)) == len(minutes)


#: Scripts of which the crontab says why they are not in it.
NOT_HERE = {name for names in re.findall(r"^#   ([a-z -]+): \w", CRONTAB.read_text().partition("# Not here, and why:")[2], re.MULTILINE) for name in names.split()}


def test_every_script_is_scheduled_or_the_crontab_says_why_not() -> None:
    scheduled = {script(each).name for each in ENTRIES}
    there = {path.name for path in (ROOT / "bin").iterdir() if path.is_file()}
    assert there - scheduled - NOT_HERE == set() and not scheduled & NOT_HERE and len(NOT_HERE) > 10


# A real cron, in a mount namespace of its own: the host's tables are neither read nor written.

UNDER_CRON = """
set -e
mount -t tmpfs scizor-test /var/spool
mount -t tmpfs scizor-test /run
for hidden in /etc/cron.d /etc/cron.hourly; do [ ! -d $hidden ] || mount -t tmpfs scizor-test $hidden; done
[ ! -e /etc/crontab ] || mount --bind /dev/null /etc/crontab
mkdir -p -m 1730 /var/spool/cron/crontabs
cp "$1" /var/spool/cron/crontabs/root
chmod 600 /var/spool/cron/crontabs/root
exec "$2" -f
"""


@pytest.fixture(scope="module")
def cron() -> str:
    found = shutil.which("cron", path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    if found is None:
        pytest.skip("cron absent: the crontab was only parsed")
    if os.geteuid() != 0 or not shutil.which("unshare"):
        pytest.skip("a private mount namespace needs root and unshare: the crontab was only parsed")
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("mount namespaces are forbidden here: the crontab was only parsed")
    return found


def run_under_cron(cron: str, table: str, directory: Path, result: Path, seconds: float) -> str:
    """Installs the table for root, starts cron, and waits until the result is there."""
    (directory / "table").write_text(table)
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", UNDER_CRON, "sh", str(directory / "table"), cron]
    # cron's own environment becomes the jobs': a bare one, as at boot
    daemon = subprocess.Popen(command, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}, start_new_session=True)
    try:
        deadline = time.monotonic() + seconds
        while not result.exists() and time.monotonic() < deadline:
            assert daemon.poll() is None, f"cron ended with {daemon.returncode}"
            time.sleep(0.05)
    finally:
        os.killpg(daemon.pid, signal.SIGTERM)
        daemon.wait(10)
    assert result.exists(), f"nothing ran within {seconds} s"
    return result.read_text()


def stub(directory: Path, name: str) -> Path:
    """A checkout with a blank and a percent sign in its path, whose script tells in what world it was started."""
    checkout = directory / "a 100 % checkout"
    (checkout / "bin").mkdir(parents=True)
    (checkout / "bin" / name).write_text(
        '#!/bin/sh\nhere=$(dirname "$0")\n'
        '{ umask; env; echo "arguments=$#"; } > "$here/partial"; mv "$here/partial" "$here/result"\n'
    )
    (checkout / "bin" / name).chmod(0o755)
    return checkout


def table_for(checkout: Path, when: str) -> str:
    text = re.sub(r"^SCIZOR=.*", f"SCIZOR={checkout}", CRONTAB.read_text(), flags=re.MULTILINE)
    return re.sub(re.escape(ENTRIES[0].when), when, text)


def assert_the_world_of_a_job(told: str) -> None:
    assert told.splitlines()[0] in ("0077", "077")
    world = dict(line.split("=", 1) for line in told.splitlines()[1:] if "=" in line)
    assert world["SHELL"] == "/bin/sh" and world["PATH"] == "/usr/bin:/bin" and world["arguments"] == "0"
    assert world["SCIZOR"].endswith("a 100 % checkout") and "LANG" not in world


def test_a_real_cron_takes_the_table_and_starts_the_script(cron: str, tmp_path: Path) -> None:
    """At once, as at boot: the minutes are cronsim's business above, and a cron's in the full run."""
    checkout = stub(tmp_path, script(ENTRIES[0]).name)
    told = run_under_cron(cron, table_for(checkout, "@reboot"), tmp_path, checkout / "bin" / "result", 20)
    assert_the_world_of_a_job(told)


@pytest.mark.exhaustive
def test_a_real_cron_starts_the_script_at_its_minute(cron: str, tmp_path: Path) -> None:
    checkout = stub(tmp_path, script(ENTRIES[0]).name)
    soon = datetime.now(UTC) + timedelta(minutes=1, seconds=5)
    told = run_under_cron(cron, table_for(checkout, f"{soon.astimezone().minute} * * * *"), tmp_path, checkout / "bin" / "result", 130)
    assert_the_world_of_a_job(told)


def test_a_real_cron_starts_our_own_script_which_names_what_is_missing(cron: str, tmp_path: Path) -> None:
    """The script finds its environment from cron's bare world, and refuses by name: there is no configuration."""
    result = tmp_path / "result"
    entry = ENTRIES[0]
    watched = f'{{ {entry.command} ; echo "status=$?"; }} >"{result}.partial" 2>&1; mv "{result}.partial" "{result}"'
    table = f"SCIZOR={ROOT}\nSCIZOR_CONFIG={tmp_path}/absent.toml\n@reboot {watched}\n"
    told = run_under_cron(cron, table, tmp_path, result, 60)
    assert "status=78" in told and "scizor.example.toml" in told and "Traceback" not in told
