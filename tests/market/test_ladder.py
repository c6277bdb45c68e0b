"""The price ladders."""

from __future__ import annotations

import pytest

from scizor.market.ladder import ladder


def test_asx_prices_step_by_tenths_of_a_cent_then_half_cents_then_cents() -> None:
    asx = ladder("XASX")
    assert [asx.price(each) for each in (1, 99, 100, 101, 479, 480, 481)] == [0.001, 0.099, 0.1, 0.105, 1.995, 2.0, 2.01]
    assert [asx.tick_size(each) for each in (0.05, 0.1, 1.995, 2.0, 45.1)] == [0.001, 0.005, 0.005, 0.01, 0.01]


@pytest.mark.parametrize("calendar", ["XASX", "XNYS"])
def test_position_and_price_are_inverse_and_every_price_is_its_shortest_text(calendar: str) -> None:
    rungs = ladder(calendar)
    for position in [*range(2000), 45_678, 999_999]:
        price = rungs.price(position)
        assert rungs.position(price) == position
        assert len(repr(price).partition(".")[2]) <= 3
