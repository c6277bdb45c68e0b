"""An answer as COPY text, looked at before the server does: which lines it has, and which of them the rules must see.

Neighbours are compared here, in the text, while the server is busy reading it: in SQL that takes a sort and a window.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import date
from itertools import islice
from operator import eq

from scizor.market.types import Span

START, DAY = 22, 33  # where the tabs stand: 2025-01-15 00:00:00+00, 2025-01-15
BEGIN = 10  # so many letters of the prices tell nearly every bar from the one before


@dataclass(frozen=True, slots=True)
class Answer:
    """lines: by start, each with a bar. starts: theirs, as text. dates: the session dates that they claim. repeated: places
    of days with the prices of the day before (stale_session). has_double: a start stands there twice (dup_conflict)."""

    lines: list[str]
    starts: list[str]
    dates: frozenset[date]
    repeated: tuple[int, ...]
    has_double: bool

    def doubts(self, held: Span | None) -> set[str]:
        """Starts of lines that need a look at their neighbour. held: where the table has bars of the series: the one before
        the first line, or after the last, is a neighbour too."""
        found = {self.starts[each] for place in self.repeated for each in (place - 1, place)}
        if held is not None and self.dates:
            found |= {self.starts[0]} if held.first < min(self.dates) else set()
            found |= {self.starts[-1]} if held.last > max(self.dates) else set()
        return found

    def beside(self, doubts: Iterable[str]) -> set[str]:
        """These starts, and those before and after each."""
        found: set[str] = set()
        for start in doubts:
            place = bisect_left(self.starts, start)
            found.update(self.starts[max(place - 1, 0) : place + 2])
        return found

    def line(self, start: str) -> str:
        """The (first) line with this start."""
        return self.lines[bisect_left(self.starts, start)]

    def without(self, known: AbstractSet[str], needed: Iterable[str]) -> str:
        """The text of the lines that are not `known`, and of those whose start is `needed`."""
        fresh = set(self.lines) - known
        fresh.update(map(self.line, needed))
        return "\n".join([*sorted(fresh), ""]) if fresh else ""


def read(text: str, *, is_daily: bool) -> Answer:
    """What market.bars.copy_text wrote. ValueError for other text."""
    lines = text.split("\n")
    lines.pop()
    if any(line[START : START + 1] != "\t" or line[DAY : DAY + 1] != "\t" for line in (*lines[:1], *lines[-1:])):
        raise ValueError("COPY text that market.bars did not write")
    lines.sort()
    starts = [line[:START] for line in lines]
    days = {line[START + 1 : DAY] for line in lines}
    begins = [line[DAY : DAY + BEGIN] for line in lines] if is_daily else []
    alike = [place for place, same in enumerate(map(eq, begins, islice(begins, 1, None)), 1) if same]
    repeated = tuple(place for place in alike if _prices(lines[place]) == _prices(lines[place - 1]))
    has_double = any(map(eq, starts, islice(starts, 1, None)))
    return Answer(lines, starts, frozenset(map(date.fromisoformat, days)), repeated, has_double)


def _prices(line: str) -> str:
    return line[DAY:].rsplit("\t", 3)[0]  # without volume, wap and trades
