"""One holder at a time, whoever is killed or paused; busy is information that names the holder."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from scizor.base import lock
from scizor.base.errors import BusyError, ConfigurationError

NOW = datetime(2025, 1, 15, 6, 0, tzinfo=UTC)
HOLDER = """
import sys
from pathlib import Path
from scizor.base import lock
with lock.hold(Path(sys.argv[1]), "job", {"pid": 4711, "run": "7f3a"}):
    print("held", flush=True)
    sys.stdin.readline()
"""

# Takes the lock again and again; between two looks at a marker only it may be inside. Prints one line a second look.
STARTER = """
import os, sys, time
from pathlib import Path
from scizor.base import lock
from scizor.base.errors import BusyError
import contextlib
directory, marker, count, locked = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "locked"
done = 0
while done < count:
    try:
        with lock.hold(directory, "job", {}) if locked else contextlib.nullcontext():
            counter = int(marker.read_text() or 0)
            if done % 16 == 0:
                time.sleep(0.0005)
            marker.write_text(str(counter + 1))
            done += 1
    except BusyError:
        time.sleep(0.0002)
    except ValueError:
        pass  # the unlocked rival caught the file half written: an overlap by itself
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


def _contend(tmp_path: Path, acquisitions: int, *, locked: bool) -> int:
    """How many increments were lost among 8 starters that are killed and paused at random. Prints its seed."""
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    dice, starters = random.Random(seed), 8
    marker = tmp_path / "marker"
    marker.write_text("0")
    share = acquisitions // starters
    words = [sys.executable, "-c", STARTER, str(tmp_path / "locks"), str(marker), str(share), "locked" if locked else "free"]
    running = [subprocess.Popen(words) for _ in range(starters)]
    paused: set[int] = set()
    while any(child.poll() is None for child in running):
        time.sleep(0.05)
        child = dice.choice(running)
        if child.poll() is None:  # a pause in the middle of the body must not let anybody else in
            child.send_signal(signal.SIGCONT if child.pid in paused else signal.SIGSTOP)
            paused ^= {child.pid}
        if len(paused) == len([each for each in running if each.poll() is None]):
            for each in running:  # one that has ended meanwhile takes no signal
                if each.pid in paused:
                    each.send_signal(signal.SIGCONT)
            paused.clear()
    return share * starters - int(marker.read_text() or 0)


def test_I5_eight_starters_paused_at_random_never_overlap(tmp_path: Path) -> None:
    assert _contend(tmp_path, 2_000, locked=True) == 0


def test_the_same_count_without_the_lock_finds_overlaps(tmp_path: Path) -> None:
    assert _contend(tmp_path, 2_000, locked=False) > 0


@pytest.mark.exhaustive
def test_I5_forty_thousand_acquisitions(tmp_path: Path) -> None:
    assert _contend(tmp_path, 40_000, locked=True) == 0


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


def test_row_1_skips_are_counted_until_the_lock_is_got_and_never_without_end(tmp_path: Path) -> None:
    lock.check_directory(tmp_path / "locks")
    for minute in range(1000):
        lock.note_skip(tmp_path / "locks", "a", NOW + timedelta(minutes=minute))
    lock.note_skip(tmp_path / "locks", "b", NOW)
    found = lock.skips_of(tmp_path / "locks")
    assert found["a"].first == NOW and 700 < found["a"].times < 800
    assert found["b"] == lock.Skips(1, NOW)
    lock.forget_skips(tmp_path / "locks", "a")
    assert list(lock.skips_of(tmp_path / "locks")) == ["b"]


def test_when_a_lock_was_held_last_is_read_from_its_holder_s_note(tmp_path: Path) -> None:
    with lock.hold(tmp_path / "locks", "a", {"since": NOW.isoformat()}), lock.hold(tmp_path / "locks", "b", {"pid": 1}):
        pass
    (tmp_path / "locks" / "c.holder").write_text("damaged")
    assert lock.last_held(tmp_path / "locks") == {"a": NOW}
    assert lock.last_held(tmp_path / "nowhere") == {}
