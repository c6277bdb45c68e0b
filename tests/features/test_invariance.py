"""The order of a symbol's own events alone decides about every bit: not batches, neighbours, threads, restarts or devices."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.features.synthetic import events, mirrored

from scizor.features import OUTPUT, State, apply, apply_evaluate, evaluate, make_output, make_state
from scizor.features.checkpoint import checkpoint, restore
from scizor.market.book.layout import REFUSED

SYMBOLS, COUNT = 10, 24_000
#: Three busy spells of four minutes, five hours from one another: every symbol's landmark moves, and moves again.
SPACING_NS, SPELLS, PAUSE_NS = 30_000_000, 3, 5 * 3600 * 10**9


@pytest.fixture(scope="module")
def day() -> NDArray[np.void]:
    found = events(SYMBOLS, COUNT, spacing_ns=SPACING_NS)
    found["ts"] += np.arange(len(found)) * SPELLS // len(found) * PAUSE_NS
    return found


@pytest.fixture(scope="module")
def whole(day: NDArray[np.void]) -> tuple[State, NDArray[np.void]]:
    state, out = make_state(SYMBOLS), np.zeros(len(day), OUTPUT)
    assert apply_evaluate(state, day, out) == 0
    return state, out


def test_the_day_crosses_a_rebase_and_gives_scores(whole: tuple[State, NDArray[np.void]], day: NDArray[np.void]) -> None:
    """The tests below prove something only where there is something to lose."""
    state, out = whole
    moved = state.records["landmark"] - (int(day["ts"][0]) >> 24)
    assert (moved >= 2 << 20).all()
    assert (out["valid"] & 32).mean() > 0.5 and len(np.unique(out["score"])) > COUNT / 3
    for each in ("s1", "s2", "s3", "s4", "s5"):
        assert np.abs(out[each]).max() <= 1 and len(np.unique(out[each])) > 1000
    assert ((out["kappa"] > 0) & (out["kappa"] <= 1)).all() and np.abs(out["score"]).max() < 100


@pytest.mark.parametrize("seed", range(3))
def test_batches_may_be_cut_anywhere(day: NDArray[np.void], whole: tuple[State, NDArray[np.void]], seed: int) -> None:
    state, out = make_state(SYMBOLS), np.zeros(len(day), OUTPUT)
    cuts = np.sort(np.random.default_rng(seed).integers(0, len(day), 60))
    for part in np.split(np.arange(len(day)), cuts):
        apply_evaluate(state, day[part], found := np.zeros(len(part), OUTPUT))
        out[part] = found
    assert out.tobytes() == whole[1].tobytes() and state.records.tobytes() == whole[0].records.tobytes()


def test_looking_changes_nothing_that_is_seen_later(day: NDArray[np.void], whole: tuple[State, NDArray[np.void]]) -> None:
    """Accumulators only, with a snapshot far in the future in between, and then the numbers: those of every event."""
    state, out = make_state(SYMBOLS), make_output(whole[0])
    for part in np.array_split(day, 7):
        apply(state, part)
        evaluate(state, int(part["ts"][-1]) + 10**15, out)
    evaluate(state, 0, out)
    last = {int(symbol): i for i, symbol in enumerate(day["symbol"])}
    assert out.tobytes() == whole[1][[last[symbol] for symbol in range(SYMBOLS)]].tobytes()


def test_neighbours_do_not_matter(day: NDArray[np.void], whole: tuple[State, NDArray[np.void]]) -> None:
    """Symbol by symbol instead of interleaved, and numbered the other way round."""
    turned = np.concatenate([np.flatnonzero(day["symbol"] == symbol) for symbol in reversed(range(SYMBOLS))])
    part = day[turned].copy()
    part["symbol"] = SYMBOLS - 1 - part["symbol"]
    state, out = make_state(SYMBOLS), np.zeros(len(part), OUTPUT)
    apply_evaluate(state, part, out)
    out["symbol"] = SYMBOLS - 1 - out["symbol"]
    assert out.tobytes() == whole[1][turned].tobytes()
    assert state.records[::-1].tobytes() == whole[0].records.tobytes()


def test_two_threads_give_what_one_gives(day: NDArray[np.void], whole: tuple[State, NDArray[np.void]]) -> None:
    state = make_state(SYMBOLS)
    parts = [day[day["symbol"] % 2 == half] for half in range(2)]
    threads = [threading.Thread(target=apply, args=(state, part)) for part in parts]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    found, expected = make_output(state), make_output(state)
    evaluate(state, int(day["ts"][-1]), found)
    evaluate(whole[0], int(day["ts"][-1]), expected)
    assert found.tobytes() == expected.tobytes()


def test_a_restart_from_a_checkpoint_goes_on_with_the_same_bits(day: NDArray[np.void], whole: tuple[State, NDArray[np.void]]) -> None:
    state = make_state(SYMBOLS)
    for part in np.array_split(day, 5):
        out = np.zeros(len(part), OUTPUT)
        apply_evaluate(state, part, out)
        state = restore(checkpoint(state))
    assert out.tobytes() == whole[1][-len(out) :].tobytes() and state.records.tobytes() == whole[0].records.tobytes()


def test_a_mirrored_book_negates_every_signal_exactly(day: NDArray[np.void], whole: tuple[State, NDArray[np.void]]) -> None:
    state, out = make_state(SYMBOLS), np.zeros(len(day), OUTPUT)
    apply_evaluate(state, mirrored(day, around=7), out)
    for each in ("s1", "s2", "s3", "s4", "s5", "score", "raw_flow"):
        assert np.array_equal(-out[each], whole[1][each]), each
    for each in ("kappa", "n_flow", "n_trades", "n_depth", "valid", "ts"):
        assert np.array_equal(out[each], whole[1][each]), each


def test_a_shift_by_whole_quanta_and_seconds_leaves_the_bits(day: NDArray[np.void], whole: tuple[State, NDArray[np.void]]) -> None:
    """2^24 ns and a second have 5^9 * 2^24 ns in common: 32,768 seconds."""
    later, out = day.copy(), np.zeros(len(day), OUTPUT)
    later["ts"] += 5**9 << 24
    apply_evaluate(make_state(SYMBOLS), later, out)
    out["ts"] -= 5**9 << 24
    assert out.tobytes() == whole[1].tobytes()


def test_scaled_sizes_leave_all_but_the_hashed_signal(day: NDArray[np.void], whole: tuple[State, NDArray[np.void]]) -> None:
    """By a power of two every rounding stays; S5 hashes sizes into bins, and the score holds S5."""
    larger, out = day.copy(), np.zeros(len(day), OUTPUT)
    larger["size"] *= 4
    apply_evaluate(make_state(SYMBOLS), larger, out)
    for each in ("s1", "s2", "s3", "s4", "kappa", "n_flow", "n_trades"):
        assert np.array_equal(out[each], whole[1][each]), each


def test_one_changed_size_changes_the_bits(day: NDArray[np.void], whole: tuple[State, NDArray[np.void]]) -> None:
    """The comparisons above can fail: a planted difference of one share is seen."""
    other, out = day.copy(), np.zeros(len(day), OUTPUT)
    other["size"][len(other) // 2] += 1
    state = make_state(SYMBOLS)
    apply_evaluate(state, other, out)
    assert out.tobytes() != whole[1].tobytes() and not (state.records["flags"] & REFUSED).any()
