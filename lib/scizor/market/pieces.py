"""What leaves the database in one file: the bars of one series in one UTC year, or in a part of it.

A year is what a partition holds, so a file and a partition can be compared. Names are made here alone: a symbol may hold a
slash, a space or a dot, and a path must not be read as more than it is.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import quote

from scizor.market.types import Origin, Timeframe


class Counted(NamedTuple):
    """By what one knows whether bars have changed: each change adds a row, or raises revision and known_from.

    rows: how many. newest: the greatest known_from, UTC (of former versions: known_to). revisions: the sum of revision.
    flags: doubts change no version, so of these the sum of each bar's flags times its second of a million; -1: not known.
    """

    rows: int
    newest: datetime
    revisions: int
    flags: int = 0


class Piece(NamedTuple):
    """symbol: our text. year: UTC. start, end: the stretch of bars' starts, [start, end), inside that year."""

    symbol: str
    timeframe: Timeframe
    origin: Origin
    year: int
    start: datetime
    end: datetime

    @property
    def is_whole(self) -> bool:
        return (self.start, self.end) == year_of(self.year)

    @property
    def path(self) -> str:
        """Below the archive's root, without the ending: 1min/CBA/TRADES-ib-regular/2024."""
        hours = "regular" if self.origin.regular_hours else "all"
        series = f"{self.timeframe}/{quote(self.symbol, safe=' ._-')}/{self.origin.kind}-{self.origin.source}-{hours}"
        part = "" if self.is_whole else f".{self.start:%Y%m%dT%H%M}-{self.end:%Y%m%dT%H%M}"
        return f"{series}/{self.year}{part}"

    @property
    def former_path(self) -> str:
        """The same of its bars' former versions: 1min/CBA/TRADES-ib-regular/2024.former."""
        return f"{self.path}.former"


def year_of(year: int) -> tuple[datetime, datetime]:
    """[first instant, first of the next), UTC."""
    return datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)


def pieces(symbol: str, timeframe: Timeframe, origin: Origin, start: datetime, end: datetime) -> list[Piece]:
    """One for each UTC year that [start, end) touches."""
    found = []
    for year in range(start.year, end.year + 1):
        first, last = year_of(year)
        if max(first, start) < min(last, end):
            found.append(Piece(symbol, timeframe, origin, year, max(first, start), min(last, end)))
    return found
