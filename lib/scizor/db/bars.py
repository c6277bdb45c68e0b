"""Bars on their way into the table: staged, checked against the rules, merged. One function a step, one answer at a time.

`staged` is a temporary table that holds one answer, in the columns of market.bars; of an answer that was had before, only
what the table does not say word for word. Every statement carries the window's constants (symbol, timeframe, origin, first
and last start), so that the planner sees one stretch of the key: without them the merge is 3.5 to 9 times slower.
The caller holds the transaction and `lock_symbol`, which stands in for what a foreign key and ON CONFLICT would cost.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

import psycopg

from scizor.db.answer import Answer, read
from scizor.db.sql import array, query
from scizor.market import validate
from scizor.market.bars import COLUMNS
from scizor.market.ladder import ladder
from scizor.market.types import Bar, Origin, Session, Span, Timeframe

Connection = psycopg.Connection[tuple[Any, ...]]
Cursor = psycopg.Cursor[tuple[Any, ...]]

LOCK = 21348  # advisory, with the symbol's id
NEAR = timedelta(days=15)  # where a neighbour in the table is looked for
DUPLICATE, STALE = "dup_conflict", "stale_session"
#: True for nearly every row and for none that breaks a rule by itself; what it does not pass is shown to the rules. NaN is
#: PostgreSQL's greatest numeric and fails high < ... For the rules about neighbours see answer.py.
SCREEN = """low > 0 AND low <= open AND low <= close AND open <= high AND close <= high AND high < 1e9
    AND greatest(scale(open), scale(high), scale(low), scale(close), scale(volume)) <= 8 AND volume >= 0 AND volume < 1e15
    AND (wap IS NULL OR (wap >= low AND wap <= high AND scale(wap) <= 8))
    AND (trades IS NULL OR (trades >= 0 AND trades < 2147483648))"""
FOREIGN = "another_contract"  # critical: the whole answer is refused
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
    """An answer in `staged`, and what the screen says of it.

    received: all its rows. same: those that the table has word for word already; they are not staged. first, last: its first
    and last start, as text; dates: the session dates that its rows claim. is_first: the table has nothing between them.
    doubts: starts of rows that the rules must look at, None: of all; beside: with their neighbours.
    """

    received: int = 0
    same: int = 0
    first: str = ""
    last: str = ""
    dates: frozenset[date] = frozenset()
    is_first: bool = True
    doubts: frozenset[str] | None = frozenset()
    beside: frozenset[str] = frozenset()


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
    connection: Connection, series: Series, text: str, sessions: Sequence[Session], asked_at: datetime, held: Span | None
) -> Staged:
    """Puts an answer (market.bars.copy_text) into `staged` and screens it; not what the table has word for word already.

    sessions: the calendar's; asked_at: when the answer was asked for. held: the session dates between which the table has
    bars of the series.
    """
    is_daily = series.timeframe is Timeframe.DAY1
    if held is None:
        answer = _copy(connection, text, is_daily=is_daily)
        is_first, known = True, frozenset[str]()
    else:
        answer = read(text, is_daily=is_daily)
        is_first = held.last < min(answer.dates) or held.first > max(answer.dates)
        known = frozenset() if is_first or answer.has_double else _stored_lines(connection, series, answer)
    doubts = {each for each in answer.doubts(held if is_daily else None) if answer.line(each) not in known}
    staged = len(answer.lines)
    if held is not None:
        left = answer.without(known, answer.beside(doubts)) if known else text
        staged = left.count("\n")
        if staged:
            _copy(connection, left, is_daily=is_daily)
    if staged:
        values = _asked(series, answer.dates, sessions, asked_at)
        row = connection.execute(query(f"screen_{_kind(series)}", screen=SCREEN), values).fetchone()
        doubts |= set(row[0] or ()) if row else set()
    return Staged(
        len(answer.lines), len(answer.lines) - staged, answer.starts[0], answer.starts[-1], answer.dates, is_first,
        None if answer.has_double else frozenset(doubts), frozenset(answer.beside(doubts)),
    )  # fmt: skip


def _copy(connection: Connection, text: str, *, is_daily: bool) -> Answer:
    """Puts text into `staged`, and reads it while the server does."""
    connection.execute(query("make_staged"))
    with connection.cursor() as cursor, cursor.copy(query("copy_staged")) as copy:
        copy.write(text)
        return read(text, is_daily=is_daily)


def _stored_lines(connection: Connection, series: Series, answer: Answer) -> frozenset[str]:
    """What the table has of the answer's stretch, as the answer would write it."""
    values = {**series.key, "first": answer.starts[0], "last": answer.starts[-1]}
    row = connection.execute(query("stored_lines"), values).fetchone()
    return frozenset((row[0] or "").split("\n")) if row else frozenset()


def refuse(
    connection: Connection, series: Series, staged: Staged, sessions: Sequence[Session], asked_at: datetime, request: int,
    now: datetime,
) -> Refused:  # fmt: skip
    """Moves what breaks a hard rule from `staged` to quarantine, under the name of the rule. What is there already, with
    the same values, is not added again. Only what the screen doubts is looked at."""
    if staged.doubts is not None and not staged.doubts:
        return Refused()
    values = {
        **series.key, **_asked(series, staged.dates, sessions, asked_at), "request_id": request, "now": now,
        "first": staged.first, "last": staged.last, "near_first": datetime.fromisoformat(staged.first) - NEAR,
        "near_last": datetime.fromisoformat(staged.last) + NEAR,
        "doubts": None if staged.doubts is None else array(staged.doubts), "beside": array(staged.beside),
    }  # fmt: skip
    check = query(f"refused_{_kind(series)}", rule=validate.rule_sql(series.timeframe), window=validate.WINDOW_SQL)
    found = connection.execute(check, values).fetchall()
    if not found:
        return Refused()
    duplicates = 0
    if any(rule == DUPLICATE for _, _, rule, _ in found):  # rarely: equal rows are no conflict
        duplicates = connection.execute(query("collapse_staged")).rowcount
        found = connection.execute(check, values).fetchall()
    stale = [start for start, _, rule, _ in found if rule == STALE]
    if stale:
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
        connection.execute(query("quarantine"), values)
        ids = dict(connection.execute(query("quarantine_ids"), values).fetchall())
    return Refused(duplicates, len(bad), unfinished, rules, ids, frozenset(day for _, day, _, _ in found))


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


def merge(connection: Connection, series: Series, staged: Staged, refused: Refused, calendar: str, request: int, now: datetime) -> Merged:
    """Brings the table to what `staged` says: what is new is inserted, what differs is updated (a trigger keeps the former
    version), what is equal is not touched."""
    left = staged.received - staged.same - refused.rows
    if left == 0:
        return Merged(unchanged=staged.same)
    values = {**series.key, "first": staged.first, "last": staged.last, "request_id": request, "now": now}
    flags = {"flags": flags_sql(calendar)}
    if staged.is_first:
        return Merged(stored=left, promised=((connection.execute(query("insert_bars", **flags), values), left),))
    row = connection.execute(query("compare_bars"), values).fetchone()
    assert row is not None
    new, changed = row
    promised = []
    if changed:
        promised.append((connection.execute(query("revise_bars", **flags), values), changed))
    if new:
        promised.append((connection.execute(query("insert_new_bars", **flags), values), new))
    return Merged(new, changed, staged.same + left - new - changed, tuple(promised))


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


def session_counts(connection: Connection, series: Series, sessions: Sequence[Session]) -> dict[date, int]:
    """How many shorter bars the table holds of each of these sessions, in continuous trading."""
    if not sessions:
        return {}
    values = {
        **series.key, "first": sessions[0].open, "last": sessions[-1].close, "dates": array(each.session_date for each in sessions),
        "opens": array(each.open for each in sessions), "closes": array(each.close for each in sessions),
    }  # fmt: skip
    return dict(connection.execute(query("session_counts"), values).fetchall())


def stored_dates(connection: Connection, series: Series, first: date, last: date) -> set[date]:
    """Session dates between two dates whose daily bar the table holds."""
    values = {**series.key, "first": first, "last": last}
    return {day for (day,) in connection.execute(query("stored_dates"), values)}
