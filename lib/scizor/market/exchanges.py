"""What is known of exchanges, as data with its sources: which calendar, which hours since when, and where the library errs.

Every fact carries the date from which it holds, because the expected bars of 2019 depend on the hours of 2019. Times are
local to the exchange. Nothing here computes: calendar.py does.

Sources. [TC] the exchange's own trading calendars 2000-2020 as published (reference/asx_calendar_rs77 of the recorded
data). [TW] their close-early times in Sydney time: 13:05 in 2000-2001, 14:05 in 2003-2005, 14:15 in 2006, 14:10 since
(the web archive's copies of those pages). [SR15] asxonline notice 0358.25.04 and the hours page: live on 23 June 2025.
[H] hours page before that: five opening groups, closing single price auction 16:10 to 16:12.
"""

from __future__ import annotations

from datetime import date, time
from enum import StrEnum
from typing import NamedTuple

#: The library's rules go on for ever, its knowledge does not: exchanges publish the next year's closures in the second half
#: of a year, so the pinned release (4.13.2, 10 March 2026) is believed to the end of the year after it. Move it with the pin.
LIBRARY_RELEASE = "4.13.2"
KNOWN_TO = date(2027, 12, 31)

#: Calendars that begin later or end earlier than that by themselves (lunar holidays, lists of the exchange's own).
LIBRARY_BEGINS = {"XBOM": date(1997, 1, 1), "XTKS": date(1997, 1, 1)}
LIBRARY_ENDS = {"XBOM": date(2026, 12, 31), "XSES": date(2026, 12, 31)}

#: IB's exchange names -> calendars of exchange_calendars. One calendar may serve several venues of one country.
CALENDARS = {
    "ASX": "XASX", "ASXCEN": "XASX", "CHIXAU": "XASX",
    "NASDAQ": "XNAS", "ISLAND": "XNAS", "NASDAQ.NMS": "XNAS", "NASDAQ.SCM": "XNAS",
    "NYSE": "XNYS", "ARCA": "XNYS", "AMEX": "XNYS", "BATS": "XNYS", "IEX": "XNYS", "NYSENAT": "XNYS", "BEX": "XNYS",
    "LSE": "XLON", "LSEETF": "XLON", "TSE": "XTSE", "VENTURE": "XTSE", "TSEJ": "XTKS", "SEHK": "XHKG", "SGX": "XSES",
    "IBIS": "XETR", "IBIS2": "XETR", "FWB": "XFRA", "SBF": "XPAR", "AEB": "XAMS", "ENEXT.BE": "XBRU", "EBS": "XSWX",
    "BVME": "XMIL", "BM": "XMAD", "SFB": "XSTO", "CPH": "XCSE", "HEX": "XHEL", "OSE": "XOSL", "VSE": "XWBO", "WSE": "XWAR",
    "KSE": "XKRX", "NSE": "XBOM", "CBOE": "XCBF",
}  # fmt: skip

#: SMART is no place: without a primary exchange the currency decides.
CALENDAR_OF_CURRENCY = {"AUD": "XASX", "USD": "XNYS", "GBP": "XLON", "CAD": "XTSE", "JPY": "XTKS", "HKD": "XHKG", "EUR": "XETR"}

ZONES = {"XASX": "Australia/Sydney", "XNYS": "America/New_York", "XNAS": "America/New_York", "XCBF": "America/Chicago"}

#: Calendars whose early closes the library knows in part only (of XCBF the day after Thanksgiving, not Christmas Eve nor the
#: eve of Independence Day): those of another one are theirs too, at the half_close of their own hours.
EARLY_AS = {"XCBF": "XNYS"}


class PhaseName(StrEnum):
    """PRE_OPEN collects orders; in the auctions and in CONTINUOUS prices are made; POST_CLOSE trades at the auction's."""

    PRE_OPEN = "pre-open"
    OPENING_AUCTION = "opening auction"
    CONTINUOUS = "continuous"
    PRE_CLOSE = "pre-close"
    CLOSING_AUCTION = "closing auction"
    POST_CLOSE = "post-close"


class Hours(NamedTuple):
    """A day's course from `since` on, local. Times that are random within seconds stand at the end of their range.

    open: continuous trading, of the first opening group. groups: (first letters, seconds after `open` at the latest), staggered opens;
    empty: everything opens at once. On a half day what comes after the opening is moved so that `close` falls on half_close.
    """

    since: date
    pre_open: time
    opening: time
    open: time
    close: time
    auction: time
    last: time
    post_close: time
    half_close: time
    groups: tuple[tuple[str, int], ...] = ()


HOURS: dict[str, tuple[Hours, ...]] = {
    "XASX": (
        Hours(  # [H]: groups open at 10:00:00 and every 2 min 15 s, each plus or minus 15 s
            date.min, time(7), time(9, 59, 30), time(10), time(16), time(16, 10), time(16, 12), time(16, 12), time(14),
            (("0123456789AB", 15), ("CDEF", 150), ("GHIJKLM", 285), ("NOPQR", 420), ("STUVWXYZ", 555)),
        ),
        Hours(  # [SR15]: one opening auction 09:59:00 to 10:00:00, closing auction to 16:11, then post-close to 16:21:30
            date(2025, 6, 23), time(7), time(9, 59), time(10), time(16), time(16, 10), time(16, 11), time(16, 21, 30), time(14),
        ),
    ),
    "XNYS": (
        Hours(date.min, time(4), time(9, 30), time(9, 30), time(16), time(16), time(16), time(20), time(13)),
    ),
    "XCBF": (  # regular hours; index options, and so VIX, are also quoted at night, which is not collected
        Hours(date.min, time(8, 30), time(8, 30), time(8, 30), time(15, 15), time(15, 15), time(15, 15), time(15, 15), time(12, 15)),
    ),
    "XNAS": (
        Hours(date.min, time(4), time(9, 30), time(9, 30), time(16), time(16), time(16), time(20), time(13)),
    ),
}  # fmt: skip


class Change(StrEnum):
    """What an override makes of a date."""

    CLOSED = "closed"
    NORMAL = "normal"  # a session of normal length
    HALF_DAY = "half-day"


class Override(NamedTuple):
    """A fact that overrules the library. close, last: local, for a half day whose hours are not today's; else None."""

    calendar: str
    session_date: date
    change: Change
    evidence: str
    close: time | None = None
    last: time | None = None


def _asx_half_days(dates: str, close: time, last: time, evidence: str) -> tuple[Override, ...]:
    return tuple(
        Override("XASX", date.fromisoformat(each), Change.HALF_DAY, evidence, close, last) for each in dates.split()
    )


OVERRIDES: tuple[Override, ...] = (
    # The library knows half days of the ASX since 2010 only; the exchange published 23 earlier ones.
    *_asx_half_days("2000-04-20 2001-12-24 2001-12-31", time(13), time(13, 7), "[TC] close early 1:05pm EST"),
    *_asx_half_days(
        "2003-12-24 2003-12-31 2004-01-02 2004-04-08 2004-12-24 2004-12-31 2005-03-24 2005-12-23 2005-12-30",
        time(14), time(14, 7), "[TC] close early; [TW] 14:05 Sydney time",
    ),
    *_asx_half_days("2006-04-13 2006-12-22 2006-12-29", time(14), time(14, 17), "[TC] close early; [TW] 14:15 Sydney time"),
    *_asx_half_days(
        "2007-04-05 2007-12-24 2007-12-31 2008-03-20 2008-12-24 2008-12-31 2009-12-24 2009-12-31",
        time(14), time(14, 12), "[TC] close early; [TW] 14:10 Sydney time",
    ),
)  # fmt: skip
