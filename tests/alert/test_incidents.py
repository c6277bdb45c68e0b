"""The files of open incidents: old or new, never mixed (I28), bounded, and never in the way when they are broken."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from scizor.alert import incidents
from scizor.alert.incidents import Mailbox
from scizor.alert.repeat import Failure, Incident, due

START = datetime(2025, 1, 15, 6, 7, tzinfo=UTC)


def incident(number: int = 0, **changes: object) -> Incident:
    opened = due(None, Failure("collect-daily", f"scope {number}", 69, "UnreachableError", "s", "t"), START).incident
    return replace(opened, **changes)  # type: ignore[arg-type]


def test_an_incident_reads_back_as_it_was(tmp_path: Path) -> None:
    for each in (incident(), incident(1, recovered_at=START, is_waiting=False, text="ü\n\0 \udcff")):
        incidents.save(tmp_path, each)
        assert incidents.load(tmp_path, each.fingerprint) == each
    assert len(incidents.load_all(tmp_path)) == 2
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


CHILD = """
import os, signal, sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from scizor.alert import incidents
from scizor.alert.repeat import Failure, due

def make(count):
    opened = due(None, Failure("j", "s", 69, "k", "s", "t"), datetime(2025, 1, 15, tzinfo=UTC)).incident
    return replace(opened, count=count, text=str(count % 10) * 8000)
"""
DIE_AT_LINE = CHILD + """
left = int(sys.argv[2])
def trace(frame, event, argument):
    global left
    if frame.f_code.co_filename != incidents.__file__:
        return None
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return trace
sys.settrace(trace)
incidents.save(Path(sys.argv[1]), make(2))
"""
SAVE_FOR_EVER = CHILD + """
for count in range(2, 1_000_000):
    incidents.save(Path(sys.argv[1]), make(count))
"""


def child(code: str, *arguments: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)])


def whole(directory: Path) -> Incident:
    """The one incident there, which must be all of one version."""
    (found,) = incidents.load_all(directory)
    assert set(found.text) == {str(found.count % 10)} and len(found.text) == 8000, "a mixture"
    return found


@pytest.fixture
def old(tmp_path: Path) -> Path:
    namespace: dict[str, Callable[[int], Incident]] = {}
    exec(CHILD, namespace)  # the same incident as the children's
    incidents.save(tmp_path, namespace["make"](1))
    return tmp_path


def test_I28_killed_at_each_line_of_a_replacement_the_file_is_old_or_new(old: Path) -> None:
    seen: list[int] = []
    for line in range(1, 200):
        process = child(DIE_AT_LINE, old, line)
        status = process.wait(30)
        seen.append(whole(old).count)
        if status == 0:
            break
        assert status == -signal.SIGKILL
    else:
        pytest.fail("the child never lived to the end")
    assert len(seen) > 12 and seen == sorted(seen) and {seen[0], seen[-1]} == {1, 2}, seen
    assert incidents.prune(old, START) == 0
    assert [path.suffix for path in old.iterdir()] == [".json"], "what the killed left behind is gone"


@pytest.mark.parametrize("kills", [8, pytest.param(300, marks=pytest.mark.exhaustive)])
def test_I28_killed_at_random_moments_the_file_is_whole(old: Path, kills: int) -> None:
    chooser = random.Random(28)
    seen = set()
    for _ in range(kills):
        process = child(SAVE_FOR_EVER, old)
        time.sleep(0.25 + chooser.random() / 4)
        process.kill()
        process.wait(30)
        seen.add(whole(old).count)
    assert len(seen) > 1, "nothing was being written when it was killed"


def test_I28_the_content_is_on_disk_before_the_name_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A power cut is not a kill: without this order the name may survive and the content not."""
    order: list[str] = []

    def record(module: object, name: str) -> None:
        real = getattr(module, name)

        def recorded(*arguments: object) -> object:
            order.append(name)
            return real(*arguments)

        monkeypatch.setattr(module, name, recorded)

    record(os, "fsync")
    record(os, "replace")
    incidents.save(tmp_path, incident())
    assert order == ["fsync", "replace", "fsync"]


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"null", b"[]", b"{}", b"\xff\xfe", b'{"fingerprint": 1}', b"[" * 100_000],
)
def test_a_broken_file_is_as_good_as_absent_and_goes_away(tmp_path: Path, content: bytes) -> None:
    good = incident()
    incidents.save(tmp_path, good)
    broken = tmp_path / f"{'0' * 32}.json"
    broken.write_bytes(content)
    assert incidents.load(tmp_path, "0" * 32) is None
    assert incidents.load_all(tmp_path) == [good]
    incidents.prune(tmp_path, START)
    assert not broken.exists() and incidents.load_all(tmp_path) == [good]


@pytest.mark.parametrize("change", ['"count": 1|"count": "1"', '"is_waiting": true|"is_waiting": 1', "+00:00|", '"status": 69|"status": true'])
def test_a_file_with_one_wrong_value_is_broken(tmp_path: Path, change: str) -> None:
    good = incident()
    incidents.save(tmp_path, good)
    file = tmp_path / f"{good.fingerprint}.json"
    before, after = change.split("|")
    assert before in file.read_text()
    file.write_text(file.read_text().replace(before, after))
    assert incidents.load_all(tmp_path) == []


def test_a_file_under_another_name_is_not_believed(tmp_path: Path) -> None:
    good = incident()
    incidents.save(tmp_path, good)
    (tmp_path / f"{good.fingerprint}.json").rename(tmp_path / f"{'0' * 32}.json")
    assert incidents.load_all(tmp_path) == []


def test_what_nobody_speaks_of_any_more_ends_and_what_waited_is_counted(tmp_path: Path) -> None:
    for number, is_waiting in enumerate((True, False, True)):
        incidents.save(tmp_path, incident(number, is_waiting=is_waiting))
    incidents.save(tmp_path, incident(3, last_at=START + timedelta(days=20)))
    assert incidents.prune(tmp_path, START + timedelta(days=29)) == 0
    assert incidents.prune(tmp_path, START + timedelta(days=31)) == 2
    assert [each.scope for each in incidents.load_all(tmp_path)] == ["scope 3"]


def test_the_files_are_bounded_and_what_was_told_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incidents, "INCIDENTS_MAX", 5)
    for number in range(8):
        incidents.save(tmp_path, incident(number, is_waiting=number >= 2, last_at=START + timedelta(minutes=number)))
    assert incidents.prune(tmp_path, START) == 1, "two had been told, one that waited was lost"
    assert [each.scope for each in incidents.load_all(tmp_path)] != []
    assert {each.scope for each in incidents.load_all(tmp_path)} == {f"scope {number}" for number in range(3, 8)}


def test_a_link_in_the_place_of_a_file_is_not_followed(tmp_path: Path) -> None:
    good = incident()
    (tmp_path / "victim").write_text("untouched")
    (tmp_path / f"{good.fingerprint}.partial").symlink_to(tmp_path / "victim")
    with pytest.raises(OSError):
        incidents.save(tmp_path, good)
    assert (tmp_path / "victim").read_text() == "untouched"
    incidents.prune(tmp_path, START)
    incidents.save(tmp_path, good)


def test_the_mailbox_reads_back_and_a_broken_one_is_a_new_one(tmp_path: Path) -> None:
    box = Mailbox((START,), 3)
    incidents.save_mailbox(tmp_path, box)
    assert incidents.load_mailbox(tmp_path) == box and incidents.load_all(tmp_path) == []
    for content in (b"", b"[]", b'{"sent": 3, "dropped": 0}', b'{"sent": ["x"], "dropped": 0}', b"\xff"):
        (tmp_path / incidents.MAILBOX).write_bytes(content)
        assert incidents.load_mailbox(tmp_path) == Mailbox()
