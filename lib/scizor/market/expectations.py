"""What to expect of a vendor's answers, exchange by exchange, where it differs between Gateways: established by bin/probe.

The defaults are what holds where nobody has asked: a closing auction's bar is welcome and not expected, an absent minute may
have had no trade. One place decides (db/probes loads it); whoever counts is handed one of these and knows no question.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from scizor.market import calendar
from scizor.market.exchanges import PhaseName
from scizor.market.types import Session, Timeframe


class Expectations(NamedTuple):
    """auction_is_regular: regular hours hold the closing auction's bar, so a session without it lacks one.
    empty_minutes_have_bars: a minute without a trade comes as a bar of volume 0, so an absent one is no proof of no trade."""

    auction_is_regular: bool = False
    empty_minutes_have_bars: bool = False


AS_EVER = Expectations()


def auction_start(session: Session, timeframe: Timeframe, expectations: Expectations = AS_EVER) -> datetime | None:
    """The start (UTC) of the bar that the closing auction adds to those of continuous trading. None where there is none to
    expect: of daily bars, where the calendar has no auction after the close, where the last continuous bar holds it."""
    if not expectations.auction_is_regular or timeframe is Timeframe.DAY1 or session.last <= session.close:
        return None
    return _auction_start(session, timeframe)


@lru_cache(maxsize=65536)
def _auction_start(session: Session, timeframe: Timeframe) -> datetime | None:
    begins = next((each.start for each in calendar.phases(session) if each.name is PhaseName.CLOSING_AUCTION), session.close)
    length = timedelta(seconds=timeframe.seconds)
    start = session.open + (begins - session.open) // length * length
    return start if start >= session.close else None
