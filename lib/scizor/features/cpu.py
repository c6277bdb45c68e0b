"""The kernel on the CPU: arrays in, arrays out. numba is imported when the first array comes."""

from __future__ import annotations

import functools
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scizor.features import formulas, loops, parameter_table, state, steps, tables
from scizor.features.state import OUTPUT, State, make_state
from scizor.market.book import changes, layout, rows
from scizor.market.book.compilation import compiled, cpu
from scizor.market.book.layout import ROWS_MAX
from scizor.market.events import EVENT


@functools.cache
def kernels(depth: int) -> SimpleNamespace:
    """The functions compiled for records of `depth` rows, by their names in formulas, steps and loops."""
    return compiled([loops], cpu, base=scalars(depth))


@functools.cache
def entry(depth: int) -> Any:
    """apply_evaluate_events for plain arrays without numba's dispatcher, which is more than half of a call with one event.

    It reads what it is given as contiguous arrays of the compiled types: whoever calls has seen that they are.
    """
    from numba import typeof

    of: Any = typeof  # untyped in numba
    function = kernels(depth).apply_evaluate_events
    plain = make_state(1, is_by_price=depth > ROWS_MAX)
    arguments = (plain.records, plain.parameters, np.zeros(0, EVENT), np.zeros(0, OUTPUT))
    function(*arguments)
    return function.overloads[tuple(of(each) for each in arguments)].entry_point


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
    if events.flags.c_contiguous and out.flags.carray and state.is_plain:
        return int(entry(state.depth)(state.records, state.parameters, events, out))
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
