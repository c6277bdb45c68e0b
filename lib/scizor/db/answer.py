"""An answer on its way into bars: by start, as bars and as COPY text, and which of its bars the rules must see.

All of it is found in memory, while another connection's server is busy; in SQL it would take a sort and a window.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from itertools import islice
from operator import attrgetter, lt

from scizor.market import screen
from scizor.market.bars import start_text
from scizor.market.types import Bar, Session, Span, Timeframe

START, DAY = 22, 33  # where the tabs stand: 2025-01-15 00:00:00+00, 2025-01-15


@dataclass(frozen=True)
class Answer:
    """bars: by start; text: the same, market.bars.copy_text. starts: theirs. dates: the session dates that they claim.
    has_double: a start stands there twice (dup_conflict). places: where its bars stand in a whole that this is a part of."""

    bars: Sequence[Bar]
    text: str
    starts: Sequence[date]
    dates: frozenset[date]
    has_double: bool

    places: Sequence[int]

    @cached_property
    def edges(self) -> tuple[date, date]:
        """The first and the last session date that it claims: by its starts, for they are sorted and the dates are not."""
        if isinstance(self.starts[0], datetime):
            return min(self.dates), max(self.dates)
        return self.starts[0], self.starts[-1]

    @cached_property
    def lines(self) -> list[str]:
        return self.text.split("\n")[:-1]

    def start(self, place: int) -> str:
        """A start as text."""
        return start_text(self.starts[place])

    def beside(self, places: Iterable[int]) -> set[int]:
        """These places, and those before and after each."""
        last = len(self.bars) - 1
        return {each for place in places for each in (max(place - 1, 0), place, min(place + 1, last))}

    def part(self, places: Collection[int]) -> str:
        """The text of these places."""
        return "\n".join([*(self.lines[place] for place in sorted(places)), ""]) if places else ""

    def only(self, places: Collection[int]) -> Answer:
        """The part of it that stands at these places."""
        chosen = sorted(places)
        bars, starts = [self.bars[each] for each in chosen], [self.starts[each] for each in chosen]
        return Answer(bars, self.part(chosen), starts, self.dates, self.has_double, chosen)

    def at(self, starts: Sequence[datetime]) -> set[int]:
        """Where these starts stand, as far as they do."""
        is_instant = isinstance(next(iter(self.starts), None), datetime)
        wanted = set(starts) if is_instant else set(days_of(starts))
        return {place for place, each in enumerate(self.starts) if each in wanted} if wanted else set()


def read(bars: Sequence[Bar], text: str, timeframe: Timeframe) -> Answer:
    """text: what market.bars.copy_text wrote of the bars. ValueError for other text."""
    starts = [each.start for each in bars]
    if not all(map(lt, starts, islice(starts, 1, None))):
        order = sorted(range(len(starts)), key=starts.__getitem__)
        lines = text.split("\n")
        bars, starts = [bars[each] for each in order], [starts[each] for each in order]
        text = "\n".join([*(lines[each] for each in order), ""])
    ends = (text[: DAY + 1], text[text.rfind("\n", 0, -1) + 1 :]) if starts else ()
    if text.count("\n") != len(starts) or any(each[START : START + 1] + each[DAY : DAY + 1] != "\t\t" for each in ends):
        raise ValueError("COPY text that market.bars did not write of these bars")
    if timeframe is Timeframe.DAY1:
        dates = frozenset(days_of(starts))
    else:
        dates = frozenset(map(date.fromisoformat, {line[START + 1 : DAY] for line in text.split("\n")[:-1]}))
    has_double = not all(map(lt, starts, islice(starts, 1, None)))
    return Answer(bars, text, starts, dates, has_double, range(len(bars)))


def doubts(answer: Answer, timeframe: Timeframe, sessions: Sequence[Session], asked_at: datetime, held: Span | None) -> set[int]:
    """Places that the rules must look at. sessions: the calendar's. held: where the table has daily bars of the series: the
    one before the first, or after the last, is a neighbour of theirs too."""
    if not answer.bars:
        return set()
    found = screen.values(answer.bars, answer.text)
    if timeframe is Timeframe.DAY1:
        days = days_of(answer.starts)
        found += screen.days(days, closed(answer.dates, sessions, answer.edges), finished_to(sessions, asked_at))
        found += screen.repeated(answer.bars)
        if held is not None:
            found += [0] if held.first < days[0] else []
            found += [len(days) - 1] if held.last > days[-1] else []
    else:
        starts = [each for each in answer.starts if isinstance(each, datetime)]
        low = max(bisect_right(sessions, starts[0], key=attrgetter("open")) - 1, 0)
        high = bisect_right(sessions, starts[-1], key=attrgetter("open"))
        found += screen.instants(starts, sessions[low:high], timedelta(seconds=timeframe.seconds), asked_at)
    return set(found)


def days_of(starts: Sequence[date]) -> Sequence[date]:
    """The session dates of daily bars, by their starts: days, or all of them midnights."""
    if isinstance(next(iter(starts), None), datetime):
        return [each.astimezone(UTC).date() for each in starts if isinstance(each, datetime)]
    return starts


def closed(claimed: frozenset[date], sessions: Sequence[Session], edges: tuple[date, date] | None = None) -> list[date]:
    """Of these days, those that are no session. edges: the first and the last of them, where they are known."""
    if not claimed:
        return []
    day = attrgetter("session_date")
    first, last = edges or (min(claimed), max(claimed))
    low, high = bisect_left(sessions, first, key=day), bisect_right(sessions, last, key=day)
    return sorted(claimed.difference(map(day, sessions[low:high])))


def finished_to(sessions: Sequence[Session], asked_at: datetime) -> date:
    """The newest session that was over."""
    over = bisect_right(sessions, asked_at, key=attrgetter("last"))
    return sessions[over - 1].session_date if over else date.min
