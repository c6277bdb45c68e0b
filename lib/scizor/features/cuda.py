"""The same kernel on a GPU: one thread a stream, a stream being one symbol, day and row of parameters with its own record.

For sweeps and backfill with many independent streams whose events stay on the device; and one launch for a snapshot. It is
not for 2,000 live symbols: the launch costs more than the work (README). The scalar source is that of the CPU; the one
difference is product(), which is a multiplication that the compiler must not contract into a fused multiply-add.

Without a device, `why_not()` says why, and nothing here is called. With NUMBA_ENABLE_CUDASIM=1, set before numba is imported,
the kernels run in numba's simulator: right and very slow.
"""

from __future__ import annotations

import functools
import importlib
import os
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scizor.features import formulas, parameter_table, state, steps, streams, tables
from scizor.features.cpu import check_events, check_output
from scizor.features.state import OUTPUT, State
from scizor.market.book import changes, layout, rows
from scizor.market.book.compilation import compiled

THREADS = 64


def why_not() -> str:
    """Why there is no GPU to use here; empty where there is one (or the simulator is asked for)."""
    if is_simulated() or numba_cuda().is_available():
        return ""
    return "numba finds no CUDA device and driver here"


def numba_cuda() -> Any:
    """numba.cuda, imported here; its own functions carry no types."""
    from numba import cuda

    return cuda


def is_simulated() -> bool:
    return os.environ.get("NUMBA_ENABLE_CUDASIM", "0") == "1"


def device_name() -> str:
    if is_simulated():
        return "numba's CUDA simulator"
    name = numba_cuda().get_current_device().name
    return name.decode() if isinstance(name, bytes) else str(name)


class Streams:
    """Records, parameters and events that stay on the device between launches.

    events: EVENT of all streams behind one another, in time order within each; starts: the first event of each stream, and
    behind the last the end (int64[streams + 1]). A stream's events name no symbol: record i is stream i's.
    """

    def __init__(self, state: State, events: NDArray[np.void], starts: NDArray[np.int64]) -> None:
        cuda = numba_cuda()
        check_events(events)
        count = len(state.records)
        ends = np.ascontiguousarray(starts, dtype=np.int64)
        if len(ends) != count + 1 or np.any(np.diff(ends) < 0) or ends[0] < 0 or ends[-1] > len(events):
            raise ValueError(f"starts of {count} streams over {len(events)} events: ascending, one more than streams")
        if count and int(state.records["parameter"].max()) >= len(state.parameters):
            raise ValueError("a record names a row of parameters that is not there")
        self.streams = count
        self.event_count = int(ends[-1] - ends[0])
        self.records = cuda.to_device(state.records)
        self.parameters = cuda.to_device(state.parameters)
        self.events = cuda.to_device(events)
        self.starts = cuda.to_device(ends)
        self._refused = cuda.to_device(np.zeros(count, np.int64))

    def apply(self) -> None:
        """Every stream's events into its record: one launch, accumulators only."""
        kernels().apply_streams[self._blocks, THREADS](self.records, self.parameters, self.events, self.starts, self._refused)

    def apply_evaluate(self, out: Any) -> None:
        """And all numbers after every event into out[event] (a device array of OUTPUT)."""
        kernels().apply_evaluate_streams[self._blocks, THREADS](
            self.records, self.parameters, self.events, self.starts, self._refused, out
        )

    def evaluate(self, now: int, out: Any) -> None:
        """A snapshot of every stream at `now` into out[stream] (a device array of OUTPUT)."""
        kernels().evaluate_streams[self._blocks, THREADS](self.records, self.parameters, now, out)

    def reset(self, state: State) -> None:
        """Other records, the same events: the next round of a sweep."""
        self.records.copy_to_device(state.records)

    def state(self) -> State:
        return State(self.records.copy_to_host(), self.parameters.copy_to_host())

    def refused(self) -> int:
        return int(self._refused.copy_to_host().sum())

    @property
    def _blocks(self) -> int:
        return max(1, -(-self.streams // THREADS))


def apply(state: State, events: NDArray[np.void]) -> int:
    """As cpu.apply, through the device: events are sorted by symbol there and back, which changes no bit."""
    found, events_of_none = by_symbol(state, events)
    found.apply()
    state.records[:] = found.state().records
    return found.refused() + events_of_none


def apply_evaluate(state: State, events: NDArray[np.void], out: NDArray[np.void]) -> int:
    """As cpu.apply_evaluate, through the device."""
    cuda = numba_cuda()
    check_output(out, len(events))
    order = order_by_symbol(state, events)
    found, events_of_none = by_symbol(state, events)
    on_device = cuda.to_device(np.zeros(len(order), OUTPUT))
    found.apply_evaluate(on_device)
    state.records[:] = found.state().records
    out["valid"][: len(events)] = 0
    out["symbol"][: len(events)] = events["symbol"]
    out[order] = on_device.copy_to_host()
    return found.refused() + events_of_none


def evaluate(state: State, now: int, out: NDArray[np.void]) -> None:
    """As cpu.evaluate, through the device: one launch and two copies."""
    cuda = numba_cuda()
    check_output(out, len(state.records))
    found, _ = by_symbol(state, np.zeros(0, dtype=events_dtype()))
    on_device = cuda.to_device(np.zeros(len(state.records), OUTPUT))
    found.evaluate(now, on_device)
    out[: len(state.records)] = on_device.copy_to_host()


def order_by_symbol(state: State, events: NDArray[np.void]) -> NDArray[np.intp]:
    """Places of the events of known symbols, symbol by symbol, each in its order."""
    order = np.argsort(events["symbol"], kind="stable")
    return order[: np.searchsorted(events["symbol"][order], len(state.records))]


def by_symbol(state: State, events: NDArray[np.void]) -> tuple[Streams, int]:
    """One stream a symbol, and how many events name a symbol that is not there."""
    check_events(events)
    order = order_by_symbol(state, events)
    ordered = events[order]
    starts = np.searchsorted(ordered["symbol"], np.arange(len(state.records) + 1))
    return Streams(state, ordered, starts), len(events) - len(order)


def events_dtype() -> np.dtype[Any]:
    from scizor.market.events import EVENT

    found: np.dtype[Any] = EVENT
    return found


@functools.cache
def kernels() -> SimpleNamespace:
    """The launchable kernels; numba.cuda is imported here."""
    cuda = numba_cuda()

    def decorate(function: Any, is_inlined: bool) -> Any:
        del is_inlined
        return cuda.jit(device=True)(function)

    replaced: dict[str, Any] = {}
    if not is_simulated():
        libdevice: Any = importlib.import_module("numba.cuda.libdevice")

        def rounded_product(a: float, b: float) -> Any:
            return libdevice.dmul_rn(a, b)

        replaced["product"] = cuda.jit(device=True)(rounded_product)
    scalar = compiled(
        [rows, changes, formulas, steps], decorate, sources=[tables, parameter_table, state, layout], replaced=replaced
    )
    return compiled([streams], lambda function, _: cuda.jit(function), base=scalar, given={"cuda": cuda})
