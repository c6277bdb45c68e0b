"""The price basis of a stored bar: the splits that were in it when it was fetched. Pure.

IB's TRADES history is split-adjusted as of the request, so a bar's basis is the instant at which it was fetched: every split
that had taken effect by then is in it. Prices as traded, and as adjusted to any day, are views over that (sql/schema/012, 019). What
stands here is when a split takes effect, which SQL does not know, as its ex-date begins at the exchange; and the same arithmetic for
bars that lie in files, which SQL does not see.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from math import ceil, log10
from zoneinfo import ZoneInfo

from scizor.market.exchanges import ZONES


def effective_at(ex_date: date, calendar: str, last_before: datetime | None = None, first_after: datetime | None = None) -> datetime:
    """From which instant on the vendor's answers are on the new basis, UTC: midnight of the ex-date at the exchange.

    last_before: the latest fetch that is known to be on the old one, first_after: the first on the new: a vendor who was late,
    or early, is believed.
    """
    begin = datetime.combine(ex_date, time(), ZoneInfo(ZONES.get(calendar, "UTC"))).astimezone(UTC)
    if first_after is not None:
        begin = min(begin, first_after)
    if last_before is not None and last_before >= begin:
        begin = last_before + timedelta(microseconds=1)
    return begin


def rebased(price: Decimal, ratio: Fraction) -> Decimal:
    """A price for one share where one of that basis is `ratio` of the wanted one: price / ratio, as rebased() in the database has it.

    Rounded once, half up, to eight decimals. A price that the vendor has divided is known to its four decimals only; multiplied back
    (ratio < 1) it has as many fewer as the multiplier has digits.
    """
    if ratio == 1:
        return price
    decimals = 8 if ratio > 1 else max(0, 4 - ceil(log10(1 / ratio)))
    return rounded(Fraction(price) / ratio, decimals)


def rounded(value: Fraction, decimals: int) -> Decimal:
    """A value >= 0 rounded once, half up."""
    units = (2 * value.numerator * 10**decimals + value.denominator) // (2 * value.denominator)
    return Decimal(units).scaleb(-decimals)


def kept(amount: Decimal, close: Decimal) -> Fraction:
    """What a share keeps of its value when it pays a cash dividend: 1 - amount / close, of the close before the ex-date on the ex-date's
    share basis. Prices before are multiplied by it. ValueError where it pays more than it is worth."""
    if not 0 <= amount < close:
        raise ValueError(f"a dividend of {amount} is not paid out of {close}")
    return 1 - Fraction(amount) / Fraction(close)
