"""All searches over a market's daily bars, in the order in which one explains another."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date

from scizor.market.ladder import ladder
from scizor.market.quality import breaks, market, second, series
from scizor.market.quality.breaks import Record
from scizor.market.quality.second import Judgement
from scizor.market.quality.words import EVERYBODY, Defect, Market, day_of, unique


def find(
    bars: Market, sessions: Sequence[date], reason: Callable[[date], str], *,
    theirs: Sequence[Market] = (), records: Sequence[Record] = (), calendar: str = "XASX",
) -> tuple[list[Defect], Judgement]:  # fmt: skip
    """Every defect, by day, and what the second sources say.

    bars: by code, oldest first, several of a day where files disagree. sessions: the calendar's session dates, over all of it.
    reason: why a date is no session. theirs: the same days from other collectors. records: delistings and changes of code.
    """
    place_of = _places(sessions)
    tick = ladder(calendar).tick_size
    single = {code: series.singles(each) for code, each in bars.items()}
    judgement = second.judge(single, theirs)
    days = market.by_day(single)
    of_codes: list[Defect] = []
    known = set(sessions)
    for code, rows in bars.items():
        of_codes += series.conflicts(code, rows) + series.rows(code, single[code])
    whole = market.copies(single, days, sessions, judgement.counts)
    closed = market.closed_days(days, sessions, reason)
    others = Counter(day_of(bar) for source in theirs for each in source.values() for bar in each if bar.volume)
    for each in market.absences(single, days, sessions):
        witness = others[each.day] if each.symbol == EVERYBODY else 0
        whole.append(each._replace(evidence=f"{each.evidence}; a second source has {witness} bars") if witness else each)
    whole += market.broken(days, of_codes) + market.units(days, sessions)
    wrong = {each.day for each in whole if each.symbol == EVERYBODY and each.kind not in ("truncated_session", "copied_part")}
    believed = {code: [bar for bar in each if day_of(bar) in known and day_of(bar) not in wrong] for code, each in single.items()}
    by_code: dict[str, list[Record]] = {}
    for record in records:
        by_code.setdefault(record.old, []).append(record)
    for code, kept in believed.items():
        of_codes += series.faults(code, kept, place_of, tick) + breaks.faults(code, kept, place_of, tick, by_code.get(code, ()))
    of_codes += breaks.code_changes(believed, records, place_of)
    seconds = second.faults(single, theirs, judgement, sessions, lambda day: day in days)
    seconds = [each for each in seconds if each.symbol != EVERYBODY or each.day not in wrong]
    return unique([*closed, *whole, *seconds, *of_codes]), judgement


def _places(sessions: Sequence[date]) -> Callable[[date], int]:
    """The number of a session; of a day between two, that of the one before."""
    return lambda day: bisect_right(sessions, day) - 1
