"""The worker: the numbers of the batch, whatever the mode; readers get whole records; a checkpoint is taken at rest."""

from __future__ import annotations

import subprocess
import sys
import threading

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.features.synthetic import events

from scizor.base.paths import ROOT
from scizor.features import apply, evaluate, make_output, make_state
from scizor.features.checkpoint import CheckpointError, checkpoint, restore
from scizor.features.worker import Worker, WorkerError
from scizor.market.events import EVENT, UPDATE

SYMBOLS = 20


@pytest.fixture(scope="module")
def spell() -> NDArray[np.void]:
    return events(SYMBOLS, 20_000, spacing_ns=5_000_000, seed=3)


@pytest.mark.parametrize("is_spinning", [False, True], ids=["parked", "spinning"])
def test_the_numbers_are_those_of_the_batch(spell: NDArray[np.void], is_spinning: bool) -> None:
    state, expected = make_state(SYMBOLS), make_state(SYMBOLS)
    apply(expected, spell)
    wanted = make_output(expected)
    evaluate(expected, 0, wanted)
    with Worker(state, is_spinning=is_spinning, ring_events=1024) as worker:
        reader, done = worker.reader(), 0
        assert len(reader.changed()) == SYMBOLS
        while done < len(spell):
            done += worker.push(spell[done : done + 300])  # the ring is smaller than the spell: it says how much it took
        assert worker.settle(10)
        found = reader.changed().copy()
        assert len(reader.changed()) == 0
    assert found.tobytes() == wanted.tobytes() and worker.refused == 0
    evaluate(state, 0, found)
    assert found.tobytes() == wanted.tobytes()


def test_a_full_ring_takes_no_more_and_says_so(spell: NDArray[np.void]) -> None:
    with Worker(make_state(SYMBOLS), ring_events=64) as worker, worker.held():
        assert worker.push(spell[:1000]) == 64 and worker.push(spell[:1000]) == 0
    with pytest.raises(ValueError, match="power of two"):
        Worker(make_state(1), ring_events=100)


def test_a_reader_sees_what_changed_and_only_that(spell: NDArray[np.void]) -> None:
    with Worker(make_state(SYMBOLS)) as worker:
        reader, other = worker.reader(), worker.reader()
        reader.changed()
        one = spell[: 2 * 10 * SYMBOLS]
        worker.push(one[one["symbol"] == 4])
        assert worker.settle(10)
        assert reader.changed()["symbol"].tolist() == [4]
        assert len(other.changed()) == SYMBOLS, "another reader has seen nothing yet"


def test_a_reader_gets_whole_records_while_they_are_written(spell: NDArray[np.void]) -> None:
    """One symbol, written as fast as it goes: bid and ask always belong to the same event."""
    state = make_state(1)
    opening = spell[(spell["symbol"] == 0)][:20]
    with Worker(state, is_spinning=True) as worker:
        worker.push(opening)
        stop, torn, seen = threading.Event(), [0], [0]

        def read() -> None:
            reader = worker.reader()
            while not stop.is_set():
                for each in reader.changed():
                    seen[0] += 1
                    torn[0] += bool(each["ts"] > 10**18 + 10**12) and int(each["raw_flow"] != each["raw_flow"])
                    torn[0] += bool((int(each["ts"]) & 1) != (int(each["bid"]) & 1) and int(each["ts"]) > int(opening["ts"][-1]))

        thread = threading.Thread(target=read)
        thread.start()
        flood = np.zeros(512, EVENT)
        flood["op"], flood["side"], flood["size"] = UPDATE, 1, 5
        for turn in range(300):
            stamps = int(opening["ts"][-1]) + 1 + turn * 512 + np.arange(512)
            flood["ts"], flood["price"] = stamps, 1000 + (stamps & 1)
            while worker.push(flood) < 512 and not worker.settle(1):
                pass
        worker.settle(10)
        stop.set()
        thread.join()
    assert torn == [0] and seen[0] > 0


@pytest.mark.parametrize("is_spinning", [False, True], ids=["parked", "spinning"])
def test_a_checkpoint_of_a_running_worker_is_a_state_between_two_events(spell: NDArray[np.void], is_spinning: bool) -> None:
    state = make_state(SYMBOLS)
    with Worker(state, is_spinning=is_spinning) as worker:
        worker.push(spell[:10_000])
        with worker.held() as at_rest:
            done = worker.done
            data = checkpoint(at_rest)
        worker.push(spell[10_000:])
        assert worker.settle(10)
    other = restore(data)
    apply(other, spell[done:])
    found, wanted = make_output(state), make_output(state)
    evaluate(other, 0, found)
    evaluate(state, 0, wanted)
    assert found.tobytes() == wanted.tobytes()


def test_a_worker_that_does_not_run_says_so(spell: NDArray[np.void]) -> None:
    worker = Worker(make_state(SYMBOLS))
    with pytest.raises(WorkerError):
        worker.push(spell[:1])
    with worker:
        worker.push(spell[:1])
    with pytest.raises(WorkerError):
        worker.push(spell[:1])
    worker.stop()
    with pytest.raises(WorkerError, match="before"):
        worker.start()


@pytest.mark.parametrize("damage", ["cut", "flipped", "foreign", "other layout", "empty", "a list"])
def test_a_damaged_checkpoint_is_refused_by_name(damage: str) -> None:
    whole = checkpoint(make_state(3))
    broken = {
        "cut": whole[:-1], "flipped": whole[:-5] + bytes([whole[-5] ^ 1]) + whole[-4:], "foreign": b"PK\x03\x04" + whole,
        "other layout": whole.replace(b'"layout": "', b'"layout": "0', 1), "empty": b"", "a list": b"[]\n" + whole,
    }[damage]  # fmt: skip
    with pytest.raises(CheckpointError):
        restore(broken)
    assert restore(whole).records.tobytes() == make_state(3).records.tobytes()


def test_without_a_place_to_cache_in_it_still_works() -> None:
    """A NUMBA_CACHE_DIR that cannot be made: the kernel goes on without it."""
    code = (
        "import numpy as np\n"
        "from scizor.market.book.bare import apply, make_books, levels\n"
        "from scizor.market.events import EVENT\n"
        "events = np.zeros(1, EVENT); events['op'], events['side'], events['price'], events['size'] = 3, 1, 100, 7\n"
        "books = make_books(1, 16); print(apply(books, events), levels(books, 0, 1)[0].tolist())\n"
    )
    environment = {"PATH": "/usr/bin:/bin", "HOME": "/proc/none", "NUMBA_CACHE_DIR": "/proc/none/cache", "PYTHONPATH": str(ROOT / "lib")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout == "0 [100]\n", done.stderr
