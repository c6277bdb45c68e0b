"""Bars from `staged` into the table: what is new is inserted, what differs is revised, what is equal is not touched.

Every statement carries the window's constants (symbol, timeframe, origin, first and last start), so that the planner sees
one stretch of the key: without them the merge is 3.5 to 9 times slower. The caller holds the transaction and
series.lock_symbol, which stands in for what a foreign key and ON CONFLICT would cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Any

import psycopg

from scizor.db.series import Series
from scizor.db.sql import array, query
from scizor.db.staging import Refused, Staged
from scizor.market import validate
from scizor.market.ladder import ladder
from scizor.market.types import Session

Connection = psycopg.Connection[tuple[Any, ...]]
Cursor = psycopg.Cursor[tuple[Any, ...]]


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


def merge(connection: Connection, series: Series, staged: Staged, refused: Refused, calendar: str, request: int, now: datetime) -> Merged:
    """Brings the table to what `staged` says: what is new is inserted, what differs is updated (a trigger keeps the former
    version), what is equal is not touched."""
    left = staged.received - staged.same - refused.rows
    if refused.rows == staged.fresh:  # what is left in `staged` is in the table word for word
        return Merged(unchanged=staged.same + left)
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
    step has lies on every rung, where the smaller steps divide it. Without a calendar: of an index, which has no ladder."""
    if not calendar:
        return "0"
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
