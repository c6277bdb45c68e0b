"""Stored bars for people: `from scizor import read; read.bars("CBA", "1min", "2024-03-01", "2024-03-28")`.

The one module that a notebook imports. It stands on the highest floor, beside the jobs: it opens the configured database (an
embedded server is started and stopped with it), reads years that left the table from their files, and changes nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from scizor.base import config as configuration
from scizor.base.config import Config
from scizor.base.errors import UsageError
from scizor.market.types import Kind, Origin, Timeframe

if TYPE_CHECKING:
    import pandas as pd

    from scizor.db.connect import Connection

When = str | date | datetime


def bars(
    symbol: str, timeframe: str, start: When | None = None, end: When | None = None, *,
    kind: str = "TRADES", source: str | None = None, regular_hours: bool | None = None, as_known: datetime | None = None,
    exact: bool = False, config: Config | Path | str | None = None, connection: Connection | None = None,
) -> pd.DataFrame:  # fmt: skip
    """The bars of one symbol, oldest first.

    start, end: dates (2024-03-01, or a date) name session dates, both included; aware datetimes name instants, [start, end);
    None: as far as there is. kind: TRADES, MIDPOINT, BID or ASK. source, regular_hours: None is what market_data shows.
    as_known: as the bars were known at that instant (no look-ahead in a back-test). exact: prices and volumes as Decimal
    instead of float64. config: a configuration or its file; connection: one that is open, instead.

    Index: `timestamp`, start of the bar, UTC (a daily bar: 00:00 of its session date). Columns: session_date, open, high, low,
    close, volume, wap, trades, flags, revision, request_id, known_from. Prices are as the vendor gave them at known_from:
    split-adjusted as of then. Empty where nothing is stored. UsageError: no such symbol, timeframe or kind, or a naive
    instant. FindingError: a file of a year that left the table is absent or damaged.
    """
    from scizor.archive import table
    from scizor.db import symbols
    from scizor.db.series import Series
    from scizor.market.pieces import Piece
    from scizor.run import history

    size, what = _timeframe(timeframe), _kind(kind)
    first, last, days = _span(start, end)
    with _connection(config, connection) as opened:
        name = symbols.valid(symbol)
        symbols.refuse_unknown(opened, [name])
        row = opened.execute("SELECT id FROM symbols WHERE symbol = %s", [name]).fetchone()
        assert row is not None
        number, origin = history.official(opened)
        wanted = Origin(
            what, origin.source if source is None else source, origin.regular_hours if regular_hours is None else regular_hours
        )
        known = number if wanted == origin else history.numbered(opened, wanted)
        if known is None:
            return table.frame(table.parse([], Piece(name, size, wanted, first.year, first, last)), exact=exact)
        found = history.load(opened, name, Series(row[0], size, known), wanted, first, last, as_known)
    return table.frame(table.of_sessions(found, *days), exact=exact)


@contextlib.contextmanager
def _connection(config: Config | Path | str | None, connection: Connection | None) -> Iterator[Connection]:
    if connection is not None:
        yield connection
        return
    from scizor.db import migrate
    from scizor.db.connect import connect
    from scizor.run.servers import database_server

    whole = config if isinstance(config, Config) else configuration.load(Path(config) if config else configuration.default_file())
    with database_server(whole) as server, connect(server, application="read", read_only=True) as opened:
        migrate.check(opened)
        yield opened


def _span(start: When | None, end: When | None) -> tuple[datetime, datetime, tuple[date | None, date | None]]:
    """[first, last) of instants that surely holds what is asked, and the session dates that bound it (None: unbounded).

    A session of any exchange lies within a day of its date's midnight UTC, on either side.
    """
    first, last = datetime(1900, 1, 1, tzinfo=UTC), datetime(2150, 12, 31, tzinfo=UTC)
    low = high = None
    if (begin := _when(start)) is not None:
        if isinstance(begin, datetime):
            first = begin
        else:
            low, first = begin, datetime.combine(begin, time(), UTC) - timedelta(days=1)
    if (finish := _when(end)) is not None:
        if isinstance(finish, datetime):
            last = finish
        else:
            high, last = finish, datetime.combine(finish, time(), UTC) + timedelta(days=2)
    if first >= last:
        raise UsageError(f"nothing lies between {start} and {end}")
    return first, last, (low, high)


def _when(text: When | None) -> date | datetime | None:
    if isinstance(text, str):
        try:
            found: date | datetime = date.fromisoformat(text) if len(text) <= 10 else datetime.fromisoformat(text)
        except ValueError:
            raise UsageError(f"{text!r} is neither a date nor an instant", hint="write 2024-03-01 or 2024-03-01T00:30Z") from None
    elif text is None:
        return None
    else:
        found = text
    if isinstance(found, datetime):
        if found.tzinfo is None:
            raise UsageError(f"{found} has no zone: an hour in which country?", hint="write 2024-03-01T00:30Z")
        return found.astimezone(UTC)
    return found


def _timeframe(text: str) -> Timeframe:
    try:
        return Timeframe(text)
    except ValueError:
        raise UsageError(f"{text!r} is none of {', '.join(Timeframe)}") from None


def _kind(text: str) -> Kind:
    try:
        return Kind(text)
    except ValueError:
        raise UsageError(f"{text!r} is none of {', '.join(Kind)}") from None
