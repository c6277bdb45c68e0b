"""When IB restarts its servers: seconds of outage somewhere inside these windows, nearly every day.

A known window raises a tolerance and mutes nothing: a 200 for a contract that exists is not believed near one. Which
region serves an account is IB's business (every paper account sits in North America), so all are known.
Source: IB's system status page (copies of 2024 and 2026).
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo


class Reset(NamedTuple):
    """weekdays: days on which it begins, Monday 0, in its own zone."""

    name: str
    zone: str
    begins: time
    lasts: timedelta
    weekdays: tuple[int, ...]


_DAILY = (0, 1, 2, 3, 4, 6)

RESETS = (
    Reset("North America", "America/New_York", time(0, 15), timedelta(minutes=90), _DAILY),
    Reset("Europe", "Europe/Zurich", time(6, 25), timedelta(minutes=80), _DAILY),
    Reset("Asia Pacific, first", "Asia/Hong_Kong", time(4, 45), timedelta(minutes=80), _DAILY),
    Reset("Asia Pacific, second", "Asia/Hong_Kong", time(20, 15), timedelta(minutes=60), _DAILY),
    Reset("weekend", "America/New_York", time(23, 0), timedelta(hours=4), (4,)),
)


def near_reset(now: datetime, margin: timedelta = timedelta(minutes=15)) -> str | None:
    """The name of the window in which `now` (aware) lies, widened by `margin` on both sides; None outside all."""
    for reset in RESETS:
        local = now.astimezone(ZoneInfo(reset.zone))
        for day in (local.date() - timedelta(days=1), local.date(), local.date() + timedelta(days=1)):
            if day.weekday() not in reset.weekdays:
                continue
            begins = datetime.combine(day, reset.begins, ZoneInfo(reset.zone))
            if begins - margin <= now <= begins + reset.lasts + margin:
                return reset.name
    return None


def login_expires(now: datetime) -> datetime:
    """When the login dies next: every Sunday at 01:00 in New York, and a person must log in again with his second factor.

    Source: IBKR's guide on auto-restart ("tokens are invalidated on Sunday, 01:00 ET").
    """
    zone = ZoneInfo("America/New_York")
    today = now.astimezone(zone).date()
    for days in range(9):
        day = today + timedelta(days=days)
        expires = datetime.combine(day, time(1), zone)
        if day.weekday() == 6 and expires > now:
            return expires.astimezone(UTC)
    raise AssertionError("a week has a Sunday")
