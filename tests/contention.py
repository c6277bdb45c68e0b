"""Starters that contend for one lock while they are paused and killed at random: of the tests of the lock, and of bin/bench."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

KILLS_MAX = 6

# Takes the lock again and again; between two looks at a marker only it may be inside. Prints one line a second look.
STARTER = """
import os, sys, time
from pathlib import Path
from scizor.base import lock
from scizor.base.errors import BusyError
import contextlib
directory, marker, count, locked = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "locked"
noted = os.open(marker.parent / f"done-{os.getpid()}", os.O_WRONLY | os.O_CREAT)
shared = os.open(marker, os.O_WRONLY)
done = 0
while done < count:
    try:
        with lock.hold(directory, "job", {}) if locked else contextlib.nullcontext():
            counter = int(marker.read_text() or 0)
            if done % 16 == 0:
                time.sleep(0.0005)
            os.pwrite(shared, b"%012d" % (counter + 1), 0)  # one call: a kill must not leave the marker cut
            done += 1
            os.pwrite(noted, b"%012d" % done, 0)  # after the marker: a kill between the two invents no overlap
    except BusyError:
        time.sleep(0.0002)
    except ValueError:
        pass  # the unlocked rival caught the file half written: an overlap by itself
"""


def contend(tmp_path: Path, acquisitions: int, *, locked: bool) -> int:
    """How many increments were lost among 8 starters that are killed and paused at random (each kill may hide one).
    Prints its seed."""
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    dice, starters = random.Random(seed), 8
    marker = tmp_path / "marker"
    marker.write_text("0")
    each = acquisitions // starters
    words = [sys.executable, "-c", STARTER, str(tmp_path / "locks"), str(marker), str(each), "locked" if locked else "free"]
    running = [subprocess.Popen(words) for _ in range(starters)]
    paused: set[int] = set()
    kills = 0
    while any(child.poll() is None for child in running):
        time.sleep(0.05)
        child = dice.choice(running)
        if child.poll() is None and kills < KILLS_MAX and dice.random() < 0.1:  # what dies in the body frees the lock
            child.kill()
            child.wait()
            kills += 1
            paused -= {child.pid}
            running[running.index(child)] = subprocess.Popen(words)
        elif child.poll() is None:  # a pause in the middle of the body must not let anybody else in
            child.send_signal(signal.SIGCONT if child.pid in paused else signal.SIGSTOP)
            paused ^= {child.pid}
        if len(paused) == len([each for each in running if each.poll() is None]):
            for one in running:  # one that has ended meanwhile takes no signal
                if one.pid in paused:
                    one.send_signal(signal.SIGCONT)
            paused.clear()
    done = sum(int(file.read_text() or 0) for file in tmp_path.glob("done-*"))
    print(f"{kills} killed, {done} acquisitions")
    return max(0, done - int(marker.read_text() or 0))
