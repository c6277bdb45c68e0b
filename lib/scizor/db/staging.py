"""An answer in `staged`, a temporary table in the columns of market.bars, and what the rules take out of it.

Of an answer that was had before, only what the table does not say word for word is staged. Every statement carries the
window's constants (symbol, timeframe, origin, first and last start), so that the planner sees one stretch of the key.
The caller holds the transaction and series.lock_symbol.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from operator import attrgetter
from typing import Any

import psycopg

from scizor.db import answer as answers
from scizor.db.answer import Answer
from scizor.db.series import Series
from scizor.db.sql import array, query
from scizor.market import validate
from scizor.market.types import Bar, Session, Span, Timeframe

Connection = psycopg.Connection[tuple[Any, ...]]

NEAR = timedelta(days=15)  # where a neighbour in the table is looked for
DUPLICATE, STALE = "dup_conflict", "stale_session"
FOREIGN = "another_contract"  # critical: the whole answer is refused
UNFINISHED = "unfinished"  # counted and forgotten: it is not wrong, only early, and comes again


@dataclass(frozen=True, slots=True)
class Staged:
    """An answer in `staged`, and which of its rows are doubted.

    received: all its rows. same: those that the table has word for word already; they are not staged. first, last: its first
    and last start, as text; dates: the session dates that its rows claim. is_first: the table has nothing between them.
    doubts: starts of rows that the rules must look at, None: of all; beside: with their neighbours. at_edge: a neighbour may
    stand in the table. fresh: how many rows the table does not have word for word; the others in `staged` stand beside them.
    """

    received: int = 0
    same: int = 0
    first: str = ""
    last: str = ""
    dates: frozenset[date] = frozenset()
    is_first: bool = True
    doubts: frozenset[str] | None = frozenset()
    beside: frozenset[str] = frozenset()
    at_edge: bool = False
    fresh: int = 0


@dataclass(frozen=True, slots=True)
class Refused:
    """What was taken out of `staged`. duplicates: rows that were equal to another one in everything. rules: rows in
    quarantine by the rule's name. quarantine: their ids by session date. dates: session dates that lost a row."""

    duplicates: int = 0
    quarantined: int = 0
    unfinished: int = 0
    rules: Counter[str] = field(default_factory=Counter)
    quarantine: dict[date, int] = field(default_factory=dict)
    dates: frozenset[date] = frozenset()

    @property
    def rows(self) -> int:
        return self.duplicates + self.quarantined + self.unfinished


def stage(connection: Connection, series: Series, answer: Answer, sessions: Sequence[Session], asked_at: datetime, held: Span | None) -> Staged:
    """Puts an answer into `staged`; not what the table has word for word already.

    sessions: the calendar's; asked_at: when the answer was asked for. held: the session dates between which the table has
    bars of the series.
    """
    everything = frozenset(range(len(answer.bars)))
    is_daily = series.timeframe is Timeframe.DAY1
    is_first = held is None or held.last < answer.edges[0] or held.first > answer.edges[1]
    known = frozenset[int]() if is_first or answer.has_double else _known(connection, series, answer)
    fresh = answer.only(answer.beside(everything - known)) if known else answer
    doubted = answers.doubts(fresh, series.timeframe, sessions, asked_at, held if is_daily else None)
    doubts = {fresh.places[each] for each in doubted} - known
    beside = answer.beside(doubts)
    left = (everything - known) | beside if known else everything
    if left:
        connection.execute(query("make_staged"))
        with connection.cursor() as cursor, cursor.copy(query("copy_staged")) as copy:
            copy.write(answer.part(left) if known else answer.text)
    return Staged(
        len(everything), len(everything) - len(left), answer.start(0), answer.start(-1), answer.dates, is_first,
        None if answer.has_double else frozenset(map(answer.start, doubts)), frozenset(map(answer.start, beside)),
        held is not None and (answer.has_double or not beside.isdisjoint((0, len(everything) - 1))),
        len(everything) - len(known),
    )  # fmt: skip


def _known(connection: Connection, series: Series, answer: Answer) -> frozenset[int]:
    """Places of the answer's bars that the table has word for word. Nearly always all but those that were refused before, so
    that is what it is asked first."""
    refused = answer.at([start for (start,) in connection.execute(query("refused_starts"), series.key)])
    expected = frozenset(range(len(answer.bars))) - refused
    text = answer.part(expected) if refused else answer.text
    values = {**series.key, "first": answer.start(0), "last": answer.start(-1), "expected": text[:-1]}
    row = connection.execute(query("stored_lines"), values).fetchone()
    if row is None or row[0] is None:
        return expected
    stored = frozenset(row[0].split("\n"))
    return frozenset(place for place, line in enumerate(answer.lines) if line in stored)


def refuse(
    connection: Connection, series: Series, staged: Staged, sessions: Sequence[Session], asked_at: datetime, request: int,
    now: datetime,
) -> Refused:  # fmt: skip
    """Moves what breaks a hard rule from `staged` to quarantine, under the name of the rule. What is there already, with
    the same values, is not added again. Only what the screen doubts is looked at."""
    if staged.doubts is not None and not staged.doubts:
        return Refused()
    near = NEAR if staged.at_edge else timedelta(0)  # else the planner need not open a partition for nothing
    values = {
        **series.key, **_asked(series, staged.dates, sessions, asked_at), "request_id": request, "now": now,
        "first": staged.first, "last": staged.last, "near_first": datetime.fromisoformat(staged.first) - near,
        "near_last": datetime.fromisoformat(staged.last) + near,
        "doubts": None if staged.doubts is None else array(staged.doubts), "beside": array(staged.beside),
    }  # fmt: skip
    kind = "daily" if series.timeframe is Timeframe.DAY1 else "intraday"
    check = query(f"refused_{kind}", rule=validate.rule_sql(series.timeframe), window=validate.WINDOW_SQL)
    found = connection.execute(check, values).fetchall()
    if not found:
        return Refused()
    duplicates = 0
    if any(rule == DUPLICATE for _, _, rule, _ in found):  # rarely: equal rows are no conflict
        duplicates = connection.execute(query("collapse_staged")).rowcount
        found = connection.execute(check, values).fetchall()
    stale = [start for start, _, rule, _ in found if rule == STALE]
    if stale and not staged.is_first:
        # A bar that is in the table was believed before its neighbour came with the same prices: only the neighbour goes.
        alike = connection.execute(query("stored_alike"), {**values, "starts": stale, "low": min(stale), "high": max(stale)})
        believed = {start for (start,) in alike}
        found = [each for each in found if each[2] != STALE or each[0] not in believed]
    if not found:
        return Refused(duplicates)
    connection.execute(query("drop_refused"), {"starts": [start for start, *_ in found]})
    return _quarantine(connection, values, found, duplicates)


def is_foreign(connection: Connection, series: Series, staged: Staged, answer: Sequence[Bar], calendar: str) -> bool:
    """Whether these are another contract's bars: most of what the table has of the same days is otherwise."""
    if series.timeframe is not Timeframe.DAY1 or staged.is_first or staged.received <= 2 * staged.same:
        return False
    values = {**series.key, "first": staged.first, "last": staged.last}
    closes = connection.execute(query("stored_closes"), values).fetchall()
    stored = {day: Bar(day, float(close), float(close), float(close), float(close)) for day, close in closes}
    return validate.is_another_contract(answer, stored, calendar)


def refuse_all(connection: Connection, series: Series, request: int, now: datetime) -> Refused:
    """Moves the whole answer to quarantine: none of it is believed."""
    values = {**series.key, "request_id": request, "now": now}
    found = connection.execute(query("refuse_all"), {"rule": FOREIGN}).fetchall()
    return _quarantine(connection, values, found, duplicates=0)


def _quarantine(
    connection: Connection, values: dict[str, Any], found: Sequence[tuple[Any, ...]], duplicates: int
) -> Refused:
    """found: start, claimed session date, rule and text of each refused row."""
    rules = Counter(rule for _, _, rule, _ in found)
    unfinished = rules.pop(UNFINISHED, 0)
    bad = [each for each in found if each[2] != UNFINISHED]
    ids: dict[date, int] = {}
    if bad:
        values |= dict(zip(("starts", "dates", "rules", "raws"), map(list, zip(*bad, strict=True)), strict=True))
        ids = dict(connection.execute(query("quarantine"), values).fetchall())
    return Refused(duplicates, len(bad), unfinished, rules, ids, frozenset(day for _, day, _, _ in found))


def _asked(series: Series, claimed: frozenset[date], sessions: Sequence[Session], asked_at: datetime) -> dict[str, Any]:
    """The constants of a request that the rules speak of."""
    values: dict[str, Any] = {"asked_at": asked_at, "finished_to": answers.finished_to(sessions, asked_at)}
    if series.timeframe is Timeframe.DAY1:
        values["closed"] = array(answers.closed(claimed, sessions))
    else:
        day = attrgetter("session_date")
        near = sessions[bisect_left(sessions, min(claimed), key=day) : bisect_right(sessions, max(claimed), key=day)]
        held = [each for each in near if each.session_date in claimed]
        values |= {
            "bar_seconds": series.timeframe.seconds, "dates": array(each.session_date for each in held),
            "opens": array(each.open for each in held), "lasts": array(each.last for each in held),
        }  # fmt: skip
    return values
