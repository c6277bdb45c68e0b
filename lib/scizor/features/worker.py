"""One thread that owns a state: events go in through a ring, numbers are read from the other side, Python is not in between.

Parked (the default), the thread sleeps in a pipe while there is nothing to do: a wake-up costs tens of microseconds and an
idle daemon costs nothing. Spinning, it looks without rest: below a microsecond, for a whole core. Either way the GIL is
released while the kernel runs. One producer pushes; readers take what changed since they last looked, whole records.

Nothing is unbounded: a full ring takes no more, push() says how much it took, and the caller counts what it then drops.
"""

from __future__ import annotations

import contextlib
import functools
import os
import threading
from collections.abc import Iterator
from types import SimpleNamespace, TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from scizor.features import atomics as atomics_source
from scizor.features import cpu, ring
from scizor.features.atomics import atomics
from scizor.features.state import OUTPUT, State, make_output
from scizor.market.book.compilation import compiled
from scizor.market.book.compilation import cpu as for_cpu
from scizor.market.events import EVENT

RING_EVENTS = 1 << 16
POLL_SECONDS = 0.001


class WorkerError(RuntimeError):
    """The worker does not run (never started, stopped, or failed: threading.excepthook has shown why)."""


class Worker:
    """`with Worker(state) as worker:` runs it. The state is the worker's until it is stopped; look at it under held()."""

    def __init__(self, state: State, *, is_spinning: bool = False, ring_events: int = RING_EVENTS) -> None:
        if ring_events < 1 or ring_events & (ring_events - 1):
            raise ValueError(f"a ring of {ring_events} events: a power of two")
        symbols = len(state.records)
        self.state = state
        self.is_spinning = is_spinning
        self.out = make_output(state)
        self.out["symbol"] = np.arange(symbols)
        self.versions = np.zeros(symbols, np.int64)
        self.cells = np.zeros(ring.CELLS, np.int64)
        self.room = np.zeros(ring_events, EVENT)
        self._marks, self._touched = np.zeros(symbols, np.uint8), np.zeros(symbols, np.uint32)
        self._lock = threading.Lock()  # parked: held during a turn
        self._pipe: tuple[int, int] | None = None
        self._thread: threading.Thread | None = None
        self._has_ended = False
        self.kernels = kernels(state.depth)

    def start(self) -> Self:
        """Compiles (or loads) first, so that the first event finds a warm kernel."""
        if self._thread is not None:
            raise WorkerError("the worker was started before")
        self.kernels.turns(*self._arguments())
        self._pipe = os.pipe()
        os.set_blocking(self._pipe[1], False)
        self._thread = threading.Thread(target=self._run, name="kernel", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Ends the thread; a parked worker finishes what was pushed. Twice is not wrong."""
        if self._thread is None or self._pipe is None:
            return
        if self.is_spinning:
            self.settle(1.0)
        self.kernels.store_cell(self.cells, ring.STOP, 1)
        self._wake()
        self._thread.join()
        for each in self._pipe:
            os.close(each)
        self._pipe = None

    def push(self, events: NDArray[np.void]) -> int:
        """Puts EVENT records into the ring; returns how many found room. From one thread only."""
        cpu.check_events(events)
        if self._pipe is None or self._has_ended:
            raise WorkerError("the worker does not run")
        taken = int(self.kernels.push(self.cells, self.room, events))
        if not self.is_spinning:
            self._wake()
        return taken

    @property
    def pushed(self) -> int:
        return int(self.cells[ring.HEAD])

    @property
    def done(self) -> int:
        """Events whose numbers are published."""
        return int(self.cells[ring.TAIL])

    @property
    def refused(self) -> int:
        return int(self.cells[ring.REFUSED])

    def settle(self, seconds: float) -> bool:
        """Waits until all that was pushed is published; False if it still is not after about `seconds`."""
        pause, wanted = threading.Event(), self.pushed
        for _ in range(max(1, round(seconds / POLL_SECONDS))):
            if self.done >= wanted or self._has_ended:
                break
            pause.wait(POLL_SECONDS)
        return self.done >= wanted

    def reader(self) -> Reader:
        """Sees every symbol's numbers as new the first time, from then on what changed."""
        return Reader(self)

    @contextlib.contextmanager
    def held(self) -> Iterator[State]:
        """The state at rest: to evaluate a snapshot at an instant, or to write a checkpoint. Events wait in the ring."""
        if not self.is_spinning or self._pipe is None:
            with self._lock:
                yield self.state
            return
        with self._lock:
            self.kernels.store_cell(self.cells, ring.HOLD, 1)
            try:
                while not self.kernels.reached(self.cells, ring.HELD, 1, 1_000_000):
                    if self._has_ended:
                        raise WorkerError("the worker does not run")
                yield self.state
            finally:
                self.kernels.store_cell(self.cells, ring.HOLD, 0)
                while int(self.cells[ring.HELD]) and not self._has_ended:
                    threading.Event().wait(POLL_SECONDS / 10)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def _arguments(self) -> tuple[Any, ...]:
        return (
            self.state.records, self.state.parameters, self.room, self.cells, self.out, self.versions, self._marks, self._touched,
        )  # fmt: skip

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):  # a full pipe wakes as well
            if self._pipe is not None:
                os.write(self._pipe[1], b"\0")

    def _run(self) -> None:
        try:
            if self.is_spinning:
                self.kernels.spin(*self._arguments())
                return
            assert self._pipe is not None
            while True:
                os.read(self._pipe[0], 65536)
                with self._lock:
                    self.kernels.turns(*self._arguments())
                if int(self.cells[ring.STOP]):
                    return
        finally:
            self._has_ended = True  # asked to, or by an error that threading.excepthook has shown


class Reader:
    """What one consumer has seen of a worker's numbers."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._seen = np.full(len(worker.versions), -1, np.int64)
        self._into = np.zeros(len(worker.versions), OUTPUT)

    def changed(self) -> NDArray[np.void]:
        """OUTPUT of the symbols that changed since the last call, whole records; overwritten by the next call."""
        count = self._worker.kernels.changed_since(self._worker.out, self._worker.versions, self._seen, self._into)
        return self._into[:count]


@functools.cache
def kernels(depth: int) -> SimpleNamespace:
    """The functions of ring.py compiled for records of `depth` rows; numba is imported here."""
    cells = atomics()
    replaced = {"load": cells.load, "store": cells.store, "fence": cells.fence}
    return compiled([ring], for_cpu, sources=[atomics_source], replaced=replaced, base=cpu.scalars(depth))
