"""Whatever comes, a record is never left, no number is no number, and what is refused changes nothing but counters."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.market.random_events import GARBAGE_SEED, garbage, of

from scizor.features import OUTPUT, apply, apply_evaluate, evaluate, loops, make_output, make_state
from scizor.features.state import aligned
from scizor.market.book.bare import counters, levels
from scizor.market.book.layout import COUNTERS
from scizor.market.events import (
    ASK,
    BID,
    CLOCK,
    DELETE,
    EVENT,
    HALT,
    INSERT,
    LEVEL,
    OFF_GRID,
    RESET,
    RESUME,
    TRADE,
    UPDATE,
)

NUMBERS = ("s1", "s2", "s3", "s4", "s5", "kappa", "score", "raw_flow", "n_flow", "n_trades", "n_depth")


def sane(out: NDArray[np.void]) -> bool:
    finite = all(np.isfinite(out[each]).all() for each in NUMBERS)
    bounded = all((np.abs(out[each]) <= 1).all() for each in ("s1", "s2", "s3", "s4", "s5", "kappa"))
    return finite and bounded and bool((np.abs(out["score"]) <= 100).all())


@pytest.mark.parametrize("is_by_price", [False, True], ids=["rows", "prices"])
def test_a_million_random_events_leave_numbers_that_are_numbers(is_by_price: bool) -> None:
    """All 24 bytes random, most of them nearly sane; the records' neighbours in memory keep their bytes."""
    symbols, fence, refused = 6, 2, 0
    state = make_state(symbols + 2 * fence, 7, is_by_price=is_by_price)
    whole = state.records
    whole[:fence].view("u1")[:] = whole[-fence:].view("u1")[:] = 0xA5
    inner = type(state)(whole[fence:-fence], state.parameters)
    out = np.zeros(100_000, OUTPUT)
    for seed in range(5):
        refused += apply_evaluate(inner, garbage(len(out), symbols=symbols + 1, depth=7, seed=GARBAGE_SEED + seed), out)
        known = out[out["symbol"] < symbols]
        assert sane(known)
        assert (inner.records["rows"] <= inner.depth).all()
    snapshot = make_output(inner)
    for now in (0, 1 << 40, 1 << 50, (1 << 63) - 1):
        evaluate(inner, now, snapshot)
        assert sane(snapshot)
    assert 0 < refused < 500_000
    assert (whole[:fence].view("u1") == 0xA5).all() and (whole[-fence:].view("u1") == 0xA5).all()
    seen = counters(inner.records)
    assert all(seen[each] for each in COUNTERS if each != "lost")


def test_compiled_and_plain_python_give_the_same_bits_for_garbage() -> None:
    events = garbage(4000, symbols=4, depth=7, seed=GARBAGE_SEED)
    compiled, plain = make_state(3, 7), make_state(3, 7)
    ours, theirs = np.zeros(len(events), OUTPUT), np.zeros(len(events), OUTPUT)
    assert apply_evaluate(compiled, events, ours) == loops.apply_evaluate_events(plain.records, plain.parameters, events, theirs) > 0
    assert compiled.records.tobytes() == plain.records.tobytes() and ours.tobytes() == theirs.tobytes()


@pytest.mark.parametrize(
    ("what", "event"),
    [
        ("row", (INSERT, BID, 2, 99, 5)),
        ("row", (UPDATE, ASK, 1, 101, 5)),
        ("row", (DELETE, BID, 255, 0, 0)),
        ("side", (LEVEL, 2, 0, 100, 1)),
        ("side", (TRADE, 7, 0, 100, 1)),
        ("size", (UPDATE, BID, 0, 100, -5)),
        ("size", (TRADE, BID, 0, 100, -(2**31))),
        ("price", (INSERT, BID, 0, OFF_GRID, 1)),
        ("price", (TRADE, BID, 0, OFF_GRID, 1)),
        ("op", (200, BID, 0, 100, 1)),
    ],
)
def test_what_is_refused_changes_counters_and_flags_and_nothing_else(what: str, event: tuple[int, ...]) -> None:
    state = make_state(1, 5)
    apply(state, of((INSERT, BID, 0, 100, 7), (INSERT, ASK, 0, 101, 7), (TRADE, BID, 0, 101, 3)))
    before = state.records.copy()
    assert apply(state, of(event)) == 1 and counters(state.records)[what] == 1
    state.records["counters"], state.records["flags"] = before["counters"], before["flags"]
    assert state.records.tobytes() == before.tobytes()


def test_a_halt_takes_the_rows_and_validity_and_keeps_what_was_counted() -> None:
    state, out = make_state(1, 5), np.zeros(1, OUTPUT)
    busy = of(*[(UPDATE, side, 0, 101 - side, 5 + i % 7) for i in range(60) for side in (ASK, BID)])
    apply(state, of((INSERT, BID, 0, 100, 7), (INSERT, ASK, 0, 101, 7)))
    apply(state, busy)
    evaluate(state, 0, out)
    assert int(out["valid"][0]) & 1
    flow = float(state.records["flow_size"][0])
    apply(state, of((HALT, 0, 0, 0, 0)))
    evaluate(state, 0, out)
    assert int(out["valid"][0]) == 0 and not state.records["rows"].any() and float(state.records["flow_size"][0]) == flow
    apply(state, of((INSERT, BID, 0, 100, 7), (INSERT, ASK, 0, 101, 7)))
    evaluate(state, 0, out)
    assert int(out["valid"][0]) == 0, "halted until it is resumed"
    apply(state, of((RESUME, 0, 0, 0, 0)))
    evaluate(state, 0, out)
    assert int(out["valid"][0]) & 1
    apply(state, of((RESET, 0, 0, 0, 0), (INSERT, BID, 0, 100, 7), (CLOCK, 0, 0, 0, 0)))
    evaluate(state, 0, out)
    assert int(out["valid"][0]) == 0, "one side is not both"


def test_an_odd_lot_is_left_out_of_absorption_alone() -> None:
    def after(flags: int) -> NDArray[np.void]:
        state, out = make_state(1, 5), np.zeros(1, OUTPUT)
        book = of((INSERT, BID, 0, 100, 7), (INSERT, ASK, 0, 110, 7))
        apply(state, np.concatenate([book, of((TRADE, BID, 0, 104, 3, flags), (TRADE, ASK, 0, 103, 9))]))
        evaluate(state, 0, out)
        return out[0]

    whole, odd = after(0), after(2)
    assert whole["s3"] == odd["s3"] and whole["n_trades"] == odd["n_trades"]
    assert whole["s4"] == (3 + 9) / 12 and odd["s4"] == 9 / 9


def test_arrays_of_another_kind_are_refused_before_compiled_code_sees_them() -> None:
    state, events = make_state(2), np.zeros(3, EVENT)
    for wrong in (np.zeros(3), np.zeros((3, 1), EVENT), np.zeros(3, OUTPUT)):
        with pytest.raises(TypeError):
            apply(state, wrong)
    for wrong in (np.zeros(2, OUTPUT), np.zeros(3)):
        with pytest.raises(TypeError):
            apply_evaluate(state, events, wrong)
    with pytest.raises(TypeError):
        evaluate(state, 0, np.zeros(1, OUTPUT))
    with pytest.raises(ValueError, match="17 levels"):
        make_state(1, 17)


def test_a_row_of_parameters_that_is_not_there_is_refused() -> None:
    state = make_state(2)
    state.records["parameter"][1] = 5
    events = of((INSERT, BID, 0, 100, 7), (INSERT, BID, 0, 100, 7))
    events["symbol"] = [0, 1]
    out = np.zeros(2, OUTPUT)
    assert apply(state, events) == apply_evaluate(state, events, out) == 1
    evaluate(state, 0, out)
    assert not out["valid"][1] and int(state.records["rows"][1, BID]) == 0


def test_arrays_that_are_not_contiguous_give_the_same_numbers() -> None:
    """They go through numba's dispatcher; contiguous ones do not."""
    events = garbage(600, symbols=3, depth=7, seed=GARBAGE_SEED)
    spread, wide = np.zeros((600, 2), EVENT), np.zeros((600, 3), OUTPUT)
    spread[:, 1] = events
    frozen = events.copy()
    frozen.flags.writeable = False
    states = [make_state(3, 7) for _ in range(3)]
    outs = [np.zeros(600, OUTPUT), wide[:, 2], np.zeros(600, OUTPUT)]
    counts = {apply_evaluate(state, given, out) for state, given, out in zip(states, (events, spread[:, 1], frozen), outs, strict=True)}
    assert len(counts) == 1 and len({each.tobytes() for each in outs}) == 1
    assert len({each.records.tobytes() for each in states}) == 1
    every_other = make_state(6, 7)
    halved = type(every_other)(every_other.records[::2], every_other.parameters)
    assert not halved.is_plain and apply_evaluate(halved, events, outs[0]) in counts
    assert halved.records.tobytes() == states[0].records.tobytes()


def test_records_begin_at_a_cache_line() -> None:
    assert all(aligned(n, make_state(1).records.dtype).ctypes.data % 64 == 0 for n in (1, 3, 1000))


def test_levels_reads_a_state_as_it_reads_a_book() -> None:
    state = make_state(1, is_by_price=True)
    apply(state, of((LEVEL, BID, 0, 100, 7), (LEVEL, BID, 0, 102, 8), (LEVEL, BID, 0, 101, 9)))
    prices, sizes = levels(state.records, 0, BID, 2)
    assert prices.tolist() == [102, 101] and sizes.tolist() == [8, 9]
