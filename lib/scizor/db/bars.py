"""Bars on their way into the table: staged, checked against the rules, merged. One function a step, one answer at a time.

`staged` is a temporary table that holds one answer, in the columns of market.bars. Every statement carries the window's constants (symbol, timeframe, origin, first and last start),
so that the planner sees one partition and one stretch of the key: without them the merge is 3.5 to 9 times slower.
The caller holds the transaction and `lock_symbol`, which stands in for what a foreign key and ON CONFLICT would cost.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from itertools import islice
from operator import eq
from typing import Any

import psycopg

from scizor.db.sql import array, query
from scizor.market import validate
from scizor.market.bars import COLUMNS
from scizor.market.ladder import ladder
from scizor.market.types import Origin, Session, Timeframe

Connection = psycopg.Connection[tuple[Any, ...]]
Cursor = psycopg.Cursor[tuple[Any, ...]]

LOCK = 21348  # advisory, with the symbol's id
START, DAY = 22, 33  # where the tabs stand in COPY text: 2025-01-15 00:00:00+00, 2025-01-15
BEGIN = 10  # so many letters of the prices tell nearly every bar from the one before
DUPLICATE = "dup_conflict"
#: True for nearly every row and for none that breaks a rule by itself; what it does not pass is shown to the rules. NaN is
#: PostgreSQL's greatest numeric and fails high < ... For the rules about neighbours see _look.
SCREEN = """low > 0 AND low <= open AND low <= close AND open <= high AND close <= high AND high < 1e9
    AND greatest(scale(open), scale(high), scale(low), scale(close), scale(volume)) <= 8 AND volume >= 0 AND volume < 1e15
    AND (wap IS NULL OR (wap >= low AND wap <= high AND scale(wap) <= 8))
    AND (trades IS NULL OR (trades >= 0 AND trades < 2147483648))"""
UNFINISHED = "unfinished"  # counted and forgotten: it is not wrong, only early, and comes again

__all__ = ["COLUMNS", "Merged", "Refused", "Series", "Staged", "lock_symbol", "make_official", "merge", "origin_id", "refuse", "stage"]


@dataclass(frozen=True, slots=True)
class Series:
    """Whose bars. origin: the number in origins."""

    symbol_id: int
    timeframe: Timeframe
    origin: int

    @property
    def key(self) -> dict[str, Any]:
        return {"symbol_id": self.symbol_id, "timeframe": str(self.timeframe), "origin": self.origin}


@dataclass(frozen=True, slots=True)
class Staged:
    """What lies in `staged`: how many rows, first and last start, and the session dates that its rows claim.

    doubts: starts of rows that the rules must look at; beside: with their neighbours. Starts are text,
    as in the answer. has_double: a start stands there twice, so all rows are looked at.
    """

    received: int = 0
    first: str = ""
    last: str = ""
    dates: frozenset[date] = frozenset()
    doubts: frozenset[str] = frozenset()
    beside: frozenset[str] = frozenset()
    has_double: bool = False


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


@dataclass(frozen=True, slots=True)
class Merged:
    """What became of the rows. promised: how many each statement must turn out to have touched, once the server is done."""

    stored: int = 0
    revised: int = 0
    unchanged: int = 0
    promised: tuple[tuple[Cursor, int], ...] = ()

    def verify(self) -> None:
        for cursor, rows in self.promised:
            if cursor.rowcount != rows:
                raise RuntimeError(f"a merge touched {cursor.rowcount} bars instead of {rows}: has somebody written without the lock?")


def origin_id(connection: Connection, origin: Origin) -> int:
    """The number of an origin in the tables; made when it is new."""
    values = {"kind": str(origin.kind), "source": origin.source, "regular_hours": origin.regular_hours}
    row = connection.execute(query("origin_id"), values).fetchone()
    if row is None:
        with connection.transaction():
            connection.execute(query("add_origin"), values)
        row = connection.execute(query("origin_id"), values).fetchone()
    assert row is not None
    return int(row[0])


def make_official(connection: Connection, origin: Origin) -> None:
    """From now on market_data shows the bars of this origin: TRADES, one origin at a time."""
    chosen = origin_id(connection, origin)
    with connection.transaction():
        connection.execute("UPDATE origins SET is_official = false WHERE is_official AND id <> %s", [chosen])
        connection.execute("UPDATE origins SET is_official = true WHERE id = %s AND NOT is_official", [chosen])


def lock_symbol(connection: Connection, symbol_id: int) -> None:
    """One writer a symbol, to the end of the transaction; costs no write-ahead log. Waits as long as lock_timeout."""
    connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", [LOCK, symbol_id])


def stage(
    connection: Connection, series: Series, text: str, sessions: Sequence[Session], asked_at: datetime, *, has_prior: bool
) -> Staged:  # fmt: skip
    """Puts an answer (market.bars.copy_text) into `staged` and screens it.

    sessions: the calendar's; asked_at: when the answer was asked for. has_prior: the table holds bars of the series.
    """
    connection.execute(query("make_staged"))
    with connection.cursor() as cursor:
        with cursor.copy(query("copy_staged")) as copy:
            copy.write(text)
            seen = _look(text, has_prior=has_prior, is_daily=series.timeframe is Timeframe.DAY1)  # while the server reads
        received = cursor.rowcount
    values = _asked(series, seen.dates, sessions, asked_at)
    row = connection.execute(query(f"screen_{_kind(series)}", screen=SCREEN), values).fetchone()
    doubts = seen.doubts | set(row[0] or ()) if row else seen.doubts
    return replace(seen, received=received, doubts=doubts, beside=seen.beside | doubts)


def refuse(
    connection: Connection, series: Series, staged: Staged, sessions: Sequence[Session], asked_at: datetime, request: int,
    now: datetime,
) -> Refused:  # fmt: skip
    """Moves what breaks a hard rule from `staged` to quarantine, under the name of the rule. What is there already, with
    the same values, is not added again. Only what the screen doubts is looked at."""
    if not staged.doubts and not staged.has_double:
        return Refused()
    values = {
        **series.key, **_asked(series, staged.dates, sessions, asked_at), "request_id": request, "now": now,
        "first": staged.first, "last": staged.last,
        "doubts": None if staged.has_double else array(staged.doubts), "beside": array(staged.beside),
    }  # fmt: skip
    check = query(f"refused_{_kind(series)}", rule=validate.rule_sql(series.timeframe), window=validate.WINDOW_SQL)
    found = connection.execute(check, values).fetchall()
    if not found:
        return Refused()
    duplicates = 0
    if any(rule == DUPLICATE for _, _, rule, _ in found):  # rarely: equal rows are no conflict
        duplicates = connection.execute(query("collapse_staged")).rowcount
        found = connection.execute(check, values).fetchall()
    connection.execute(query("drop_refused"), {"starts": [start for start, *_ in found]})
    rules = Counter(rule for _, _, rule, _ in found)
    unfinished = rules.pop(UNFINISHED, 0)
    bad = [each for each in found if each[2] != UNFINISHED]
    quarantine: dict[date, int] = {}
    if bad:
        values |= dict(zip(("starts", "dates", "rules", "raws"), map(list, zip(*bad, strict=True)), strict=True))
        connection.execute(query("quarantine"), values)
        quarantine = dict(connection.execute(query("quarantine_ids"), values).fetchall())
    return Refused(duplicates, len(bad), unfinished, rules, quarantine, frozenset(day for _, day, _, _ in found))


def _look(text: str, *, has_prior: bool, is_daily: bool) -> Staged:
    """What the text itself tells: starts, dates, and days with the prices of their neighbour (stale_session; dup_conflict
    is has_double). A screen that PostgreSQL would need a sort and a window for."""
    lines = text.split("\n")
    lines.pop()
    if not lines:
        return Staged()
    if any(line[START] != "\t" or line[DAY] != "\t" for line in (lines[0], lines[-1])):
        raise ValueError("COPY text that market.bars did not write")
    lines.sort()
    starts = [line[:START] for line in lines]
    days = {line[START + 1 : DAY] for line in lines}
    has_double = any(map(eq, starts, islice(starts, 1, None)))
    begins = [line[DAY : DAY + BEGIN] for line in lines] if is_daily else []
    alike = (place for place, same in enumerate(map(eq, begins, islice(begins, 1, None)), 1) if same)
    repeated = [place for place in alike if _prices(lines[place]) == _prices(lines[place - 1])]
    doubts = {starts[each] for place in repeated for each in (place - 1, place)}
    doubts |= {starts[0], starts[-1]} if has_prior else set()
    beside = {start for place in repeated for start in starts[max(place - 2, 0) : place + 2]}
    dates = frozenset(map(date.fromisoformat, days))
    return Staged(0, starts[0], starts[-1], dates, frozenset(doubts), frozenset(beside | doubts), has_double)


def _prices(line: str) -> str:
    return line[DAY:].rsplit("\t", 3)[0]  # without volume, wap and trades


def _kind(series: Series) -> str:
    return "daily" if series.timeframe is Timeframe.DAY1 else "intraday"


def _asked(series: Series, claimed: AbstractSet[date], sessions: Sequence[Session], asked_at: datetime) -> dict[str, Any]:
    """The constants of a request that rules and screen speak of."""
    values: dict[str, Any] = {"asked_at": asked_at, "finished_to": _finished_to(sessions, asked_at)}
    if series.timeframe is Timeframe.DAY1:
        values["closed"] = array(sorted(claimed - {each.session_date for each in sessions}))
    else:
        held = [each for each in sessions if each.session_date in claimed]
        values |= {
            "bar_seconds": series.timeframe.seconds, "dates": array(each.session_date for each in held),
            "opens": array(each.open for each in held), "lasts": array(each.last for each in held),
        }  # fmt: skip
    return values


def _finished_to(sessions: Sequence[Session], asked_at: datetime) -> date:
    """The newest session that was over."""
    over = bisect_right(sessions, asked_at, key=lambda each: each.last)
    return sessions[over - 1].session_date if over else date.min


def merge(
    connection: Connection, series: Series, staged: Staged, left: int, calendar: str, request: int, now: datetime, *, is_first: bool
) -> Merged:
    """Brings the table to what `staged` says: what is new is inserted, what differs is updated (a trigger keeps the former
    version), what is equal is not touched. left: rows in `staged`. is_first: the table holds nothing of the stretch."""
    if left == 0:
        return Merged()
    values = {**series.key, "first": staged.first, "last": staged.last, "request_id": request, "now": now}
    flags = {"flags": flags_sql(calendar)}
    if is_first:
        return Merged(stored=left, promised=((connection.execute(query("insert_bars", **flags), values), left),))
    row = connection.execute(query("compare_bars"), values).fetchone()
    assert row is not None
    new, changed = row
    promised = []
    if changed:
        promised.append((connection.execute(query("revise_bars", **flags), values), changed))
    if new:
        promised.append((connection.execute(query("insert_new_bars", **flags), values), new))
    return Merged(new, changed, left - new - changed, tuple(promised))


@cache
def flags_sql(calendar: str) -> str:
    """validate.flags_sql behind a short cut that settles nearly every row: a price with no more decimals than the largest
    step has lies on every rung, where the smaller steps divide it."""
    steps = [Decimal(str(step)) for _, step in ladder(calendar).rungs]
    decimals = -int(max(steps).normalize().as_tuple().exponent)
    if any(Decimal(1).scaleb(-decimals) % step for step in steps):
        return validate.flags_sql(calendar)
    return (
        f"CASE WHEN greatest(scale(open), scale(high), scale(low), scale(close)) <= {decimals} THEN 0\n"
        f"ELSE {validate.flags_sql(calendar)} END"
    )


def session_counts(connection: Connection, series: Series, calendar: str, first: date, last: date) -> dict[date, int]:
    """How many bars the table holds of each session between two dates; for daily bars 1."""
    values = {**series.key, "calendar": calendar, "first": first, "last": last}
    name = "session_dates" if series.timeframe is Timeframe.DAY1 else "session_counts"
    return dict(connection.execute(query(name), values).fetchall())
