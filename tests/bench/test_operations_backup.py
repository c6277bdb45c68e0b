"""O3 and O4 at a size that fits the suite: a zero as zero beside its planted defect, a cost at twice its bar."""

from __future__ import annotations

from tests.bench import operations_o3, operations_o4


def test_O3_no_damage_is_overlooked_and_the_planted_check_overlooks_some() -> None:
    found = operations_o3.measure(print, 60, 30, 6)
    assert found["missed"] == 0 and found["n"] == 97
    assert found["unseen"] > 0


def test_O4_a_proved_restore_costs_at_most_twice_its_bar() -> None:
    [(alone, _)] = operations_o4.measure(print, 30_000, 1)
    assert alone <= 6
