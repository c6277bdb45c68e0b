"""K6, K7 and K9 at a size that fits the suite, and what they say where there is nothing to measure."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from scizor.jobs import features_input
from scizor.market.events import ASK, BID, LEVEL, TRADE
from tests.bench import complete, kernel_k6, kernel_k7, kernel_k9, kernel_recordings, stealth

BAR_AUC = 0.55  # half of what the bench asks for above chance


@pytest.fixture(scope="module")
def session(recordings: Path) -> np.ndarray:
    found = [each for each in kernel_recordings.pieces("Databento") if each.levels == kernel_k9.LEVELS]
    if not found:
        pytest.skip("no market-by-order session among the recordings")
    return kernel_k9.level_events(max(found, key=lambda each: each.path.stat().st_size))


def test_without_recordings_every_figure_is_missed_and_says_what_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_recordings, "recordings_directory", lambda: None)
    said: list[str] = []
    for bench in (kernel_k6, kernel_k7, kernel_k9):
        before = len(said)
        figures = [complete(each) for each in bench.figures(said.append)]
        assert figures and not any(each["met"] for each in figures)
        assert any("recordings" in line for line in said[before:])


def test_K6_a_book_is_the_file_s_in_the_adapter_and_in_the_kernel_and_a_flip_is_seen(recordings: Path) -> None:
    days = kernel_recordings.pieces("LOBSTER", bytes_min=0)
    if not days:
        pytest.skip("no LOBSTER day among the recordings")
    for piece in days:
        messages, table = (each[:5000] for each in features_input.lobster_tables(piece))
        assert piece.first is not None
        found = kernel_k6.convert(messages, table, piece.first)
        assert (found.differing, kernel_k6.rows_that_differ(found, table, messages[:, 0])) == (0, 0)
        assert found.revealing <= 0.5 * found.rows, "the bar is of whole days: an opening reveals more"
        assert all(kernel_k6.plant(messages, table, piece.first, at) > 0 for at in kernel_k6.places(messages))
        assert kernel_k6.rows_that_differ(kernel_k6.replace(found, events=kernel_k6.spoiled(found.events)), table, messages[:, 0]) > 0


def test_K9_the_buyer_is_as_large_as_he_should_be_and_the_rest_is_the_recording(session: np.ndarray) -> None:
    planted = stealth.plant(session, 3, kernel_k9.SHARE)
    events, prints = planted.events, session[session["op"] == TRADE]
    assert abs(planted.share - kernel_k9.SHARE) < 0.01
    assert (np.diff(events["ts"]) >= 0).all() and (events["size"] >= 0).all()
    his = events[(events["op"] == TRADE)]
    assert int(his["size"].sum()) == int(prints["size"].sum()) + planted.children
    begin = planted.windows[0][0]
    known = {each[:7] for each in session[session["ts"] < begin].tolist()}
    before = events[events["ts"] < begin].tolist()
    assert before and all(each[:7] in known for each in before), "before he begins, nothing is new"
    last: dict[tuple[int, int], int] = {}
    for _, price, size, _, op, side, _, _ in events.tolist():
        if op == LEVEL:
            last[side, price] = size
    shown = {key for key, size in last.items() if size > 0}
    assert max(price for side, price in shown if side == BID) < min(price for side, price in shown if side == ASK)


def test_K9_a_buyer_of_nothing_changes_no_level(session: np.ndarray) -> None:
    nobody = stealth.plant(session, 3, 0.0)
    assert nobody.passive == nobody.children == 0
    state: list[dict[tuple[int, int], int]] = [{}, {}]
    for which, events in enumerate((session, nobody.events)):
        for _, price, size, _, op, side, _, _ in events.tolist():
            if op == LEVEL:
                state[which][side, price] = size
    assert {key: size for key, size in state[0].items() if size} == {key: size for key, size in state[1].items() if size}


def test_K9_he_is_seen(session: np.ndarray) -> None:
    without = kernel_k9.scores(session)
    for seed in (0, 1):
        assert kernel_k9.auc_of(stealth.plant(session, seed, kernel_k9.SHARE), without)["score"] >= BAR_AUC
    assert abs(kernel_k9.auc_of(stealth.plant(session, 0, 0.0), without)["score"] - 0.5) < 0.02


def test_the_chance_of_a_pair_is_counted_right() -> None:
    source = np.random.default_rng(5)
    a, b = source.integers(0, 9, 40).astype(float), source.integers(2, 11, 30).astype(float)
    pairs = sum(float(x > y) + 0.5 * float(x == y) for x in a for y in b) / (len(a) * len(b))
    assert kernel_k9.auc(a, b) == pytest.approx(pairs, abs=1e-12)


def test_the_order_flow_imbalance_is_that_of_its_paper() -> None:
    """ask price, ask size, bid price, bid size: sizes change, the bid rises, the ask falls away."""
    book = np.array([[11, 5, 10, 4], [11, 3, 10, 6], [12, 7, 10, 6], [12, 7, 11, 2], [12, 7, 10, 6]])
    assert kernel_k9.order_flow_imbalance(book).tolist() == [2 + 2, 3, 2, -2]
