"""The kernel on the CPU: arrays in, arrays out. numba is imported when the first array comes."""

from __future__ import annotations

import functools
from types import SimpleNamespace

import numpy as np
from numpy.typing import NDArray

from scizor.features import formulas, loops, parameter_table, state, steps, tables
from scizor.features.state import OUTPUT, State
from scizor.market.book import changes, layout, rows
from scizor.market.book.compilation import compiled, cpu
from scizor.market.events import EVENT


@functools.cache
def kernels(depth: int) -> SimpleNamespace:
    """The functions compiled for records of `depth` rows, by their names in formulas, steps and loops."""
    return compiled([loops], cpu, base=scalars(depth))


@functools.cache
def scalars(depth: int) -> SimpleNamespace:
    """What is compiled once for all loops: one event into one record, all numbers of one record."""
    return compiled([rows, changes, formulas, steps], cpu, sources=[tables, parameter_table, state, layout], variant=f"state {depth}")


def apply(state: State, events: NDArray[np.void]) -> int:
    """Applies EVENT records in their order: accumulators only. Returns how many were refused (counters say why)."""
    check_events(events)
    return int(kernels(state.depth).apply_events(state.records, state.parameters, events))


def apply_evaluate(state: State, events: NDArray[np.void], out: NDArray[np.void]) -> int:
    """And writes all numbers of its symbol after every event into out[i] (OUTPUT, as many rows as events)."""
    check_events(events)
    check_output(out, len(events))
    return int(kernels(state.depth).apply_evaluate_events(state.records, state.parameters, events, out))


def evaluate(state: State, now: int, out: NDArray[np.void]) -> None:
    """A snapshot of all symbols at `now` (ns UTC), a row each; where a symbol's last event is later, at that."""
    check_output(out, len(state.records))
    kernels(state.depth).evaluate_symbols(state.records, state.parameters, now, out)


def check_events(events: NDArray[np.void]) -> None:
    """Compiled code checks neither dtype nor bounds: whoever calls from outside is checked here."""
    if (events.dtype is not EVENT and events.dtype != EVENT) or events.ndim != 1:
        raise TypeError(f"events are a row of EVENT records, not {events.dtype}[{events.ndim} dimensions]")


def check_output(out: NDArray[np.void], rows_wanted: int) -> None:
    if (out.dtype is not OUTPUT and out.dtype != OUTPUT) or out.ndim != 1 or len(out) < rows_wanted:
        raise TypeError(f"out needs {rows_wanted} OUTPUT records, not {len(out)} of {out.dtype}")
