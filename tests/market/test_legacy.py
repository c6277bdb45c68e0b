"""The previous product's words in ours."""

from __future__ import annotations

import pytest

from scizor.market.legacy import timeframe_of
from scizor.market.types import Timeframe


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1day", "1day"), ("1 day", "1day"), ("1D", "1day"), ("d", "1day"), ("daily", "1day"), ("D1", "1day"), ("24h", "1day"),
        ("1min", "1min"), ("1 min", "1min"), ("1m", "1min"), ("M1", "1min"), ("5 mins", "5min"), ("5T", "5min"), ("15_minutes", "15min"),
        ("60 mins", "1hour"), ("1h", "1hour"), ("hour", "1hour"), ("H4", "4hour"), ("30 secs", "30sec"), (" 5min ", "5min"),
    ],
)  # fmt: skip
def test_a_bar_size_is_known_however_it_is_spelled(text: str, size: str) -> None:
    assert timeframe_of(text) is Timeframe(size)


@pytest.mark.parametrize("text", ["", "1M", "M", "1 week", "2min", "tick", "1", "min1x", "-5min", "٥min", "1 day bars"])
def test_what_is_no_bar_size_of_ours_is_none(text: str) -> None:
    assert timeframe_of(text) is None
