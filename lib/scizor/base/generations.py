"""Which backups are kept: the newest of each of the last days, weeks, months and years that have one (grandfather, father,
son), counted over verified backups alone. Pure: no clock, no disk. A test holds it against a model over random histories.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime

VERIFIED, COMPLETE, CORRUPT = "verified", "complete", "corrupt"


@dataclass(frozen=True, slots=True)
class Kept:
    """How many days, weeks, months, years have their newest backup kept, and how many of the last are never touched."""

    daily: int
    weekly: int
    monthly: int
    yearly: int
    last: int


@dataclass(frozen=True, slots=True)
class Made:
    """A backup that lies on a disk. number: in the order of making. at: UTC, as the clock said then, which may have jumped."""

    number: int
    at: datetime
    state: str


PERIODS: dict[str, Callable[[datetime], Hashable]] = {
    "daily": lambda at: at.date(), "weekly": lambda at: at.isocalendar()[:2], "monthly": lambda at: (at.year, at.month),
    "yearly": lambda at: at.year,
}  # fmt: skip


def surplus(made: Sequence[Made], kept: Kept) -> list[Made]:
    """What may be removed, oldest first. Nothing at all unless the backup that was made last is verified.

    Never the last `kept.last` verified ones, neither by the order of making nor by the clock, so that a clock that jumped
    cannot make a fresh one look old. One that is not verified goes once `kept.last` verified ones were made after it.
    """
    if not made or max(made, key=lambda each: each.number).state != VERIFIED:
        return []
    verified = [each for each in made if each.state == VERIFIED]
    by_number = sorted(verified, key=lambda each: each.number, reverse=True)
    by_time = sorted(verified, key=lambda each: (each.at, each.number), reverse=True)
    stay = {each.number for each in (*by_number[: kept.last], *by_time[: kept.last])}
    for name, period in PERIODS.items():
        newest: dict[Hashable, Made] = {}
        for each in by_time:
            newest.setdefault(period(each.at), each)
        stay |= {each.number for each in list(newest.values())[: getattr(kept, name)]}
    for each in made:
        if each.state != VERIFIED and sum(other.number > each.number for other in verified) < kept.last:
            stay.add(each.number)
    return sorted((each for each in made if each.number not in stay), key=lambda each: (each.at, each.number))
