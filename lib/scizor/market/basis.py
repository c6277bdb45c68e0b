"""The price basis of a stored bar: the splits that were in it when it was fetched. Pure.

IB's TRADES history is split-adjusted as of the request, so a bar's basis is the instant at which it was fetched: every split
that had taken effect by then is in it. Prices as traded, and as adjusted to any day, are views over that (sql/schema/012);
what stands here is the one thing that SQL does not know, when a split takes effect: as its ex-date begins at the exchange.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
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
