"""A vendor's sessions against ours. Pure: two lists in, what differs out.

A vendor may let the day end with continuous trading, with the closing auction, or begin it the evening before: what is the same
for all ordinary sessions is his convention, told once and no difference. What departs from it is one, and so is a session that
only one of the two has, within the dates that his answer spans: before and after them he has said nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import NamedTuple, Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from scizor.market.exchanges import ZONES
from scizor.market.types import Session

CONVENTION_LEAST = 3  # ordinary sessions that make a convention
CONVENTION_PART = 0.8  # of them that must agree in it; with fewer the answer is about another place or another thing
DIFFERENCES_MAX = 20  # beyond that the answer is another calendar's: nothing is proposed day by day


class Scheduled(Protocol):
    """A session as the vendor announces it: instants aware, UTC."""

    @property
    def session_date(self) -> date: ...
    @property
    def start(self) -> datetime: ...
    @property
    def end(self) -> datetime: ...


class Given(NamedTuple):
    """The same, from elsewhere."""

    session_date: date
    start: datetime
    end: datetime


class Change(StrEnum):
    CLOSED = "closed"  # we have a session, he has none
    EXTRA = "extra"  # he has one, we have none
    HOURS = "hours"  # both have one, at other hours


class Difference(NamedTuple):
    """hours: open, close and last (UTC) as they would have to be; None for a day that is closed. told: in local time."""

    calendar: str
    session_date: date
    change: Change
    hours: tuple[datetime, datetime, datetime] | None
    told: str


class Comparison(NamedTuple):
    """first, last: session dates that the answer spans. convention: how his ordinary day differs from ours; empty: it does not.
    problem: why nothing can be compared; then there are no differences. unclear: days of which he says two things."""

    first: date | None
    last: date | None
    convention: str = ""
    differences: tuple[Difference, ...] = ()
    unclear: tuple[date, ...] = ()
    problem: str = ""


class _Convention(NamedTuple):
    start: timedelta  # his start less our open
    end: timedelta  # his end less our close, or our last
    is_of_last: bool


def compare(
    calendar: str, ours: Sequence[Session], theirs: Iterable[Scheduled], closed: Iterable[date] = (), since: date = date.min
) -> Comparison:
    """ours: overrides applied, at least the dates of his. theirs: in any order; one that stands twice is one, and two parts of
    a day (before and after lunch) are one day. closed: days that he says are closed. since: older ones are left out."""
    days, unclear = _by_day(each for each in theirs if each.session_date >= since)
    shut = {each for each in closed if each >= since} - set(days)
    dates = sorted({*days, *shut, *unclear})
    if not days:
        return Comparison(None, None, problem="no session in the answer")
    first, last = dates[0], dates[-1]
    known = {each.session_date: each for each in ours if first <= each.session_date <= last}
    found = _convention([(known[day], given) for day, given in days.items() if day in known and not known[day].is_half_day])
    if found is None:
        return Comparison(first, last, problem="its ordinary sessions differ from ours by no one rule: another place's hours, or another zone's")
    usual = Counter(each.last - each.close for each in known.values() if not each.is_half_day).most_common(1)[0][0]
    differences = []
    for day in sorted({*known, *days} - unclear):
        session, given = known.get(day), days.get(day)
        if given is None and session is not None:
            differences.append(Difference(calendar, day, Change.CLOSED, None, f"no session; ours {_span(calendar, session.open, session.close)}"))
        elif given is not None:
            hours = _as_ours(given, found, usual if session is None else session.last - session.close)
            if session is None:
                differences.append(Difference(calendar, day, Change.EXTRA, hours, f"a session {_span(calendar, *hours[:2])}; ours none"))
            elif hours != (session.open, session.close, session.last):
                told = f"{_span(calendar, *hours[:2])}; ours {_span(calendar, session.open, session.close)}"
                differences.append(Difference(calendar, day, Change.HOURS, hours, told))
    told = _told(found)
    if len(differences) > DIFFERENCES_MAX:
        return Comparison(first, last, told, problem=f"{len(differences)} of {len({*known, *days})} days differ: it is another calendar's, or broken off")
    return Comparison(first, last, told, tuple(differences), tuple(sorted(unclear)))


def both(one: Comparison, other: Comparison) -> tuple[list[Difference], list[Difference]]:
    """What two instruments of a calendar show alike, and what the first shows alone although the other spans that day."""
    if other.problem or other.first is None or other.last is None:
        return list(one.differences), []
    theirs = {each[:4] for each in other.differences}
    alone = [each for each in one.differences if other.first <= each.session_date <= other.last and each[:4] not in theirs]
    return [each for each in one.differences if each not in alone], alone


def from_hours(text: str, zone_name: str) -> tuple[list[Given], list[date]]:
    """Sessions and closed days of IB's hours, `20260406:1000-20260406:1610;20260407:CLOSED` (older: without the second date).
    A session is of the day on which it ends. ValueError says what cannot be read."""
    try:
        zone = ZoneInfo(zone_name)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError(f"unknown zone {zone_name[:40]!r}") from None
    found: list[Given] = []
    closed: list[date] = []
    for part in filter(None, text.split(";")):
        name, _, rest = part.partition(":")
        day = _date(name)
        if rest == "CLOSED":
            closed.append(day)
            continue
        for span in rest.split(","):
            begin, _, end = span.partition("-")
            start = _instant(day, begin, zone)
            stop_day = _date(end.partition(":")[0]) if ":" in end else day
            stop = _instant(stop_day, end.rpartition(":")[2], zone)
            if stop <= start:
                stop += timedelta(days=1)
            found.append(Given(stop.astimezone(zone).date(), start, stop))
    days = {each.session_date for each in found}
    return found, [each for each in closed if each not in days]


def _by_day(theirs: Iterable[Scheduled]) -> tuple[dict[date, Given], set[date]]:
    """One span a day, and the days of which two are told that exclude each other."""
    parts: dict[date, set[tuple[datetime, datetime]]] = {}
    for each in theirs:
        parts.setdefault(each.session_date, set()).add((each.start, each.end))
    days, unclear = {}, set()
    for day, spans in parts.items():
        ordered = sorted(spans)
        if any(end <= start for start, end in ordered) or any(later[0] < earlier[1] for earlier, later in pairwise(ordered)):
            unclear.add(day)
        else:
            days[day] = Given(day, ordered[0][0], ordered[-1][1])
    return days, unclear


def _convention(pairs: Sequence[tuple[Session, Given]]) -> _Convention | None:
    """What most ordinary sessions have in common, counted from the end of continuous trading or from the last price."""
    if len(pairs) < CONVENTION_LEAST:
        return None
    best: tuple[int, _Convention] | None = None
    for is_of_last in (False, True):
        offsets = Counter(
            (given.start - session.open, given.end - (session.last if is_of_last else session.close)) for session, given in pairs
        )
        (start, end), count = offsets.most_common(1)[0]
        if best is None or count > best[0]:
            best = (count, _Convention(start, end, is_of_last))
    assert best is not None
    return best[1] if best[0] >= CONVENTION_PART * len(pairs) else None


def _as_ours(given: Given, found: _Convention, auction: timedelta) -> tuple[datetime, datetime, datetime]:
    """Open, close and last of a session that he announces. auction: from close to last."""
    opens, ends = given.start - found.start, given.end - found.end
    return (opens, ends - auction, ends) if found.is_of_last else (opens, ends, ends + auction)


def _told(found: _Convention) -> str:
    parts = []
    if found.start:
        parts.append(f"begins {_minutes(found.start)} our open")
    if found.end or found.is_of_last:
        reference = "our last price" if found.is_of_last else "our close"
        parts.append(f"ends {_minutes(found.end)} {reference}" if found.end else f"ends with {reference}")
    return " and ".join(parts)


def _minutes(offset: timedelta) -> str:
    seconds = int(offset.total_seconds())
    return f"{abs(seconds) / 60:g} min {'after' if seconds > 0 else 'before'}"


def _span(calendar: str, start: datetime, end: datetime) -> str:
    zone = ZoneInfo(ZONES.get(calendar, "UTC"))
    return f"{start.astimezone(zone):%H:%M}-{end.astimezone(zone):%H:%M}" + ("" if calendar in ZONES else " UTC")


def _date(text: str) -> date:
    if len(text) != 8 or not text.isdigit():
        raise ValueError(f"no date: {text[:40]!r}")
    return date(int(text[:4]), int(text[4:6]), int(text[6:]))


def _instant(day: date, text: str, zone: ZoneInfo) -> datetime:
    if len(text) != 4 or not text.isdigit():
        raise ValueError(f"no time: {text[:40]!r}")
    if text == "2400":
        return datetime.combine(day + timedelta(days=1), time(0), zone).astimezone(UTC)
    return datetime.combine(day, time(int(text[:2]), int(text[2:])), zone).astimezone(UTC)
