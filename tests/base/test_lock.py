"""One holder at a time, whoever is killed or paused; busy is information that names the holder."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.contention import contend

from scizor.base import lock
from scizor.base.errors import BusyError, ConfigurationError

HOLDER = """
import sys
from pathlib import Path
from scizor.base import lock
with lock.hold(Path(sys.argv[1]), "job", {"pid": 4711, "run": "7f3a"}):
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_row_1_a_second_start_is_told_who_runs_and_since_when(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    with pytest.raises(BusyError, match="job is already running: pid 4711, run 7f3a"), lock.hold(tmp_path, "job", {}):
        pass
    holder.communicate("\n", timeout=30)
    with lock.hold(tmp_path, "job", {}):
        pass


def test_a_lock_is_free_at_once_when_its_holder_is_killed(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    with lock.hold(tmp_path, "job", {}):
        pass
    assert (tmp_path / "job.lock").exists()  # never unlinked


def test_waiting_for_a_lock_has_a_limit(tmp_path: Path) -> None:
    with lock.hold(tmp_path, "job", {"pid": 1}):
        begun = time.monotonic()
        with pytest.raises(BusyError), lock.hold(tmp_path, "job", {}, wait_seconds=0.3):
            pass
        assert 0.2 < time.monotonic() - begun < 5


def test_I5_eight_starters_paused_at_random_never_overlap(tmp_path: Path) -> None:
    assert contend(tmp_path, 2_000, locked=True) == 0


def test_the_same_count_without_the_lock_finds_overlaps(tmp_path: Path) -> None:
    assert contend(tmp_path, 2_000, locked=False) > 0


@pytest.mark.exhaustive
def test_I5_forty_thousand_acquisitions(tmp_path: Path) -> None:
    assert contend(tmp_path, 40_000, locked=True) == 0


def test_row_3_a_lock_directory_that_others_may_write_is_refused(tmp_path: Path) -> None:
    open_to_all = tmp_path / "locks"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    with pytest.raises(ConfigurationError, match="writable by others") as refusal, lock.hold(open_to_all, "job", {}):
        pass
    assert "local" in refusal.value.hint


def test_row_3_a_lock_directory_on_a_network_filesystem_is_recognised(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"/dev/sda / ext4 rw 0 0\nserver:/export {tmp_path}/share nfs4 rw 0 0\n")
    (tmp_path / "share").mkdir()
    assert lock.filesystem(tmp_path / "share" / "locks", mounts) == "nfs4"
    assert lock.filesystem(tmp_path, mounts) == "ext4"
    assert "nfs4" in lock.NETWORK_FILESYSTEMS


def test_row_3_a_lock_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="lock directory"), lock.hold(tmp_path / "file" / "locks", "job", {}):
        pass


def test_row_73_a_lock_holds_without_the_note_of_its_holder(tmp_path: Path) -> None:
    """On a full disk the note cannot be written; here a directory stands in its place."""
    (tmp_path / "job.holder.partial").mkdir()
    with lock.hold(tmp_path, "job", {"pid": 1}), pytest.raises(BusyError, match="left no name"), lock.hold(tmp_path, "job", {"pid": 2}):
        pass
