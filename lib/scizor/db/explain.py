"""Everything that is stored about one bar: its versions with their requests and runs, what was refused, what is known."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import psycopg

from scizor.db.sql import query
from scizor.market.types import Timeframe

Connection = psycopg.Connection[tuple[Any, ...]]
Row = dict[str, Any]


def versions(connection: Connection, symbol_id: int, timeframe: Timeframe, at: datetime) -> list[Row]:
    """All versions of the bar that covers an instant, by origin, the newest first."""
    return _rows(connection, "explain_versions", _bar(symbol_id, timeframe, at))


def refused(connection: Connection, symbol_id: int, timeframe: Timeframe, at: datetime) -> list[Row]:
    return _rows(connection, "explain_refused", _bar(symbol_id, timeframe, at))


def session(connection: Connection, calendar: str, at: datetime, day: date | None) -> Row | None:
    """The session of an instant, or of a day; one that was closed has a reason in `closed`."""
    return next(iter(_rows(connection, "explain_session", {"calendar": calendar, "at": at, "day": day})), None)


def known(connection: Connection, symbol_id: int, timeframe: Timeframe, day: date) -> Row | None:
    values = {"symbol_id": symbol_id, "timeframe": str(timeframe), "day": day}
    return next(iter(_rows(connection, "explain_known", values)), None)


def reconciled(connection: Connection, symbol_id: int, timeframe: Timeframe, day: date) -> list[Row]:
    return _rows(connection, "explain_reconciled", {"symbol_id": symbol_id, "timeframe": str(timeframe), "day": day})


def traded(connection: Connection, symbol_id: int, timeframe: Timeframe, start: datetime) -> Row | None:
    values = {"symbol_id": symbol_id, "timeframe": str(timeframe), "at": start}
    return next(iter(_rows(connection, "explain_traded", values)), None)


def _bar(symbol_id: int, timeframe: Timeframe, at: datetime) -> dict[str, Any]:
    return {"symbol_id": symbol_id, "timeframe": str(timeframe), "at": at, "seconds": timeframe.seconds}


def _rows(connection: Connection, name: str, values: dict[str, Any]) -> list[Row]:
    with connection.execute(query(name), values) as cursor:
        names = [each.name for each in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor]
