"""The exchange's price ladder: which prices exist. A position is a whole number, its price the rung at that height.

Counting rungs instead of adding tick sizes keeps every price the float nearest to its decimal text (0.005, never
0.0050000000000000001), lets a walk cross from one tick size to the next, and makes comparisons exact.
Source: ASX price steps, asx.com.au "price" (0.001 below 0.10, 0.005 up to 2.00, 0.01 from 2.00). US: 0.01.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Ladder(NamedTuple):
    """rungs: (lowest price, tick size) ascending, as IB's market rules tell them. position and price are inverse."""

    rungs: tuple[tuple[float, float], ...]
    position: Callable[[float], int]
    price: Callable[[int], float]

    def tick_size(self, price: float) -> float:
        """The step upwards from this price, in its currency."""
        return next(step for low, step in reversed(self.rungs) if price >= low)


def ladder(calendar: str) -> Ladder:
    """The ladder of a calendar's exchange ("XASX"); whole cents where nothing better is known."""
    return _ASX if calendar == "XASX" else _CENTS


def _asx_position(price: float) -> int:
    if price >= 2.0:
        return 480 + round((price - 2.0) * 100)
    if price >= 0.1:
        return 100 + round((price - 0.1) * 200)
    return round(price * 1000)


def _asx_price(position: int) -> float:
    if position >= 480:
        return (position - 280) / 100
    if position >= 100:
        return (position - 80) / 200
    return position / 1000


def _cents_position(price: float) -> int:
    return round(price * 100)


def _cents_price(position: int) -> float:
    return position / 100


_ASX = Ladder(((0.0, 0.001), (0.1, 0.005), (2.0, 0.01)), _asx_position, _asx_price)
_CENTS = Ladder(((0.0, 0.01),), _cents_position, _cents_price)
