"""Which bars of an answer the rules must look at: all that could break one, and few besides.

The rules of validate.py cost a sort and a window in SQL, and nearly every bar keeps them all. What is asked here is asked
of floats and instants that are in memory already, at a tenth of that price. A bar that is not named here is good; one that
is named is only doubted, and the rules decide. tests/market/test_screen.py holds the two against each other.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from itertools import pairwise

from scizor.market.types import Bar, Session
from scizor.market.validate import DECIMALS_MOST, PRICE_MOST, QUANTITY_MOST

_TOO_FINE = re.compile(rf"\.\d{{{DECIMALS_MOST + 1}}}")
_TRADES_MOST = 2**31


def values(bars: Sequence[Bar], text: str) -> list[int]:
    """Places of bars that may break a rule about their own numbers. text: the bars as market.bars.copy_text, line by line,
    which alone shows how many decimals a float is written with. -1, and a wap of 0, are a vendor's none."""
    try:
        found = [
            place for place, (_, open_, high, low, close, volume, wap, trades) in enumerate(bars)
            if not (
                0 < low <= open_ <= high and low <= close <= high < PRICE_MOST
                and (volume is None or volume == -1 or 0 <= volume < QUANTITY_MOST)
                and (wap is None or wap == -1 or wap == 0 or low <= wap <= high)
                and (trades is None or trades == -1 or 0 <= trades < _TRADES_MOST)
            )
        ]  # fmt: skip
    except TypeError:  # a price is None
        return list(range(len(bars)))
    if _TOO_FINE.search(text):
        found += [place for place, line in enumerate(text.split("\n")) if _TOO_FINE.search(line)]
    return found


def repeated(bars: Sequence[Bar]) -> list[int]:
    """Places of bars with the prices of the bar before (stale_session), and of that one."""
    closes = [each.close for each in bars]
    alike = [
        place for place, (before, close) in enumerate(pairwise(closes), 1)
        if before == close and bars[place - 1][1:5] == bars[place][1:5]
    ]  # fmt: skip
    return sorted({each for place in alike for each in (place - 1, place)})


def days(dates: Sequence[date], closed: Sequence[date], finished_to: date) -> list[int]:
    """Places of daily bars, by date, on days that are no session, or of a session that was not over."""
    found = [place for day in closed for place in range(bisect_left(dates, day), bisect_right(dates, day))]
    return found + list(range(bisect_right(dates, finished_to), len(dates)))


def instants(starts: Sequence[datetime], sessions: Sequence[Session], length: timedelta, asked_at: datetime) -> list[int]:
    """Places of shorter bars, by start, that lie in none of the sessions (oldest first), or were not over at asked_at."""
    found: list[int] = []
    done = 0
    for each in sessions:
        first = bisect_left(starts, each.open)
        found += range(done, first)
        done = max(bisect_right(starts, each.last), done)
    found += range(done, len(starts))
    return found + list(range(bisect_right(starts, asked_at - length), len(starts)))
