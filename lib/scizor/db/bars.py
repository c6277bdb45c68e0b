"""Bars on their way into the table: staged, checked against the rules, merged. One function a step, one answer at a time.

`staged` is a temporary table that holds one answer, in the columns of market.bars; `refused` what the rules of
market.validate say of it. Every statement carries the window's constants (symbol, timeframe, origin, first and last start),
so that the planner sees one partition and one stretch of the key: without them the merge is 3.5 to 9 times slower.
The caller holds the transaction and `lock_symbol`, which stands in for what a foreign key and ON CONFLICT would cost.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import psycopg

from scizor.db.sql import query
from scizor.market import validate
from scizor.market.bars import COLUMNS
from scizor.market.ladder import ladder
from scizor.market.types import Origin, Timeframe

Connection = psycopg.Connection[tuple[Any, ...]]

LOCK = 21348  # advisory, with the symbol's id
DUPLICATE = "dup_conflict"
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
    """What lies in `staged`: how many rows, first and last start. None of it is checked yet."""

    received: int = 0
    first: datetime | None = None
    last: datetime | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """What was taken out of `staged`. duplicates: rows that were equal to another one in everything. rules: rows in
    quarantine by the rule's name. quarantine: their ids by session date."""

    duplicates: int = 0
    quarantined: int = 0
    unfinished: int = 0
    rules: dict[str, int] = field(default_factory=dict)
    quarantine: dict[date, int] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        return self.duplicates + self.quarantined + self.unfinished


@dataclass(frozen=True, slots=True)
class Merged:
    stored: int = 0
    revised: int = 0
    unchanged: int = 0


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


def stage(connection: Connection, text: str | bytes) -> Staged:
    """Puts an answer (market.bars.copy_text) into `staged`."""
    connection.execute(query("make_staged"))
    connection.execute(query("make_refused"))
    with connection.cursor() as cursor:
        with cursor.copy(query("copy_staged")) as copy:
            copy.write(text)
        received = cursor.rowcount
    row = connection.execute("SELECT min(\"timestamp\"), max(\"timestamp\") FROM staged").fetchone()
    assert row is not None
    return Staged(received, row[0], row[1])


def refuse(
    connection: Connection, series: Series, staged: Staged, calendar: str, asked_at: datetime, finished_to: date,
    request: int, now: datetime,
) -> Refused:  # fmt: skip
    """Moves what breaks a hard rule from `staged` to quarantine, under the name of the rule. What is there already, with
    the same values, is not added again.

    asked_at, finished_to: when the answer was asked for, and the newest session that was over then.
    """
    daily = series.timeframe is Timeframe.DAY1
    values = {
        **series.key, "calendar": calendar, "asked_at": asked_at, "finished_to": finished_to, "request_id": request, "now": now,
        "first": staged.first, "last": staged.last,
    }  # fmt: skip
    parts = {"rule": validate.rule_sql(series.timeframe), "window": validate.WINDOW_SQL}
    check = query("refuse_staged" if daily else "refuse_staged_intraday", **parts)
    if connection.execute(check, values).rowcount == 0:
        return Refused()
    rules, duplicates = _count_refused(connection), 0
    if DUPLICATE in rules:  # rarely: equal rows are no conflict
        duplicates = connection.execute(query("collapse_staged")).rowcount
        connection.execute("DELETE FROM refused")
        connection.execute(check, values)
        rules = _count_refused(connection)
    connection.execute(query("drop_refused"))
    connection.execute(query("quarantine"), values)
    quarantine: dict[date, int] = dict(connection.execute(query("quarantine_ids"), values).fetchall())
    unfinished = rules.pop(UNFINISHED, 0)
    return Refused(duplicates, sum(rules.values()), unfinished, rules, quarantine)


def _count_refused(connection: Connection) -> dict[str, int]:
    return dict(connection.execute(query("count_refused")).fetchall())


def merge(connection: Connection, series: Series, staged: Staged, left: int, calendar: str, request: int, now: datetime) -> Merged:
    """Brings the table to what `staged` says: what is new is inserted, what differs is updated (a trigger keeps the former
    version), what is equal is not touched. left: rows in `staged`."""
    if left == 0:
        return Merged()
    values = {**series.key, "first": staged.first, "last": staged.last, "request_id": request, "now": now}
    flags = {"flags": flags_sql(calendar)}
    row = connection.execute(query("has_bars"), values).fetchone()
    if row is not None and not row[0]:
        return Merged(stored=connection.execute(query("insert_bars", **flags), values).rowcount)
    row = connection.execute(query("compare_bars"), values).fetchone()
    assert row is not None
    new, changed = row
    revised = connection.execute(query("revise_bars", **flags), values).rowcount if changed else 0
    stored = connection.execute(query("insert_new_bars", **flags), values).rowcount if new else 0
    return Merged(stored, revised, left - stored - revised)


def flags_sql(calendar: str) -> str:
    """validate.flags_sql behind a short cut that settles nearly every row: prices on the ladder's top rungs with no more
    decimals than its step has. Mod() of four numerics would cost a third of the load."""
    low, step = ladder(calendar).rungs[-1]
    exponent = Decimal(str(step)).normalize().as_tuple()
    if exponent.digits != (1,):
        return validate.flags_sql(calendar)
    decimals = -int(exponent.exponent)
    return (
        f"CASE WHEN low >= {low} AND greatest(scale(open), scale(high), scale(low), scale(close)) <= {decimals} THEN 0\n"
        f"ELSE {validate.flags_sql(calendar)} END"
    )


def session_counts(connection: Connection, series: Series, first: date, last: date) -> dict[date, int]:
    """How many bars the table holds of each session between two dates; for daily bars 1."""
    values = {**series.key, "first": first, "last": last}
    name = "session_dates" if series.timeframe is Timeframe.DAY1 else "session_counts"
    return dict(connection.execute(query(name), values).fetchall())


def staged_dates(connection: Connection) -> list[date]:
    """The session dates in `staged`, as often as they stand there."""
    return [row[0] for row in connection.execute("SELECT session_date FROM staged")]
