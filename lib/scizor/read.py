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
    from scizor.run.basis import Prices

When = str | date | datetime


def bars(
    symbol: str, timeframe: str, start: When | None = None, end: When | None = None, *,
    kind: str = "TRADES", source: str | None = None, regular_hours: bool | None = None, as_known: datetime | None = None,
    prices: str = "fetched", as_of: str | date | None = None, exact: bool = False, config: Config | Path | str | None = None,
    connection: Connection | None = None,
) -> pd.DataFrame:  # fmt: skip
    """The bars of one symbol, oldest first.

    start, end: dates (2024-03-01, or a date) name session dates, both included; aware datetimes name instants, [start, end);
    None: as far as there is. kind: TRADES, MIDPOINT, BID or ASK. source, regular_hours: None is what market_data shows.
    as_known: as the bars were known at that instant (no look-ahead in a back-test). exact: prices and volumes as Decimal
    instead of float64. prices: fetched, as the vendor gave them at known_from (split-adjusted as of then); traded, of their day; split,
    adjusted for every confirmed split up to as_of (None: for all that is confirmed); total, for cash dividends too, as IB's ADJUSTED_LAST
    asked on that day. Volumes follow splits alone; each price is rounded once, to eight decimals. config: a configuration or its file; connection: one that is open, instead.

    Index: `timestamp`, start of the bar, UTC (a daily bar: 00:00 of its session date). Columns: session_date, open, high, low,
    close, volume, wap, trades, flags (doubts about the bar, as bits: scizor.market.types.Flag), revision, request_id, known_from.
    Empty where nothing is stored. UsageError: no such symbol, timeframe, kind or basis, or a naive instant; as_known on another basis
    (what is confirmed today was not known then). FindingError: a file of a year that left the table is absent or damaged, or a
    dividend has no close before it.
    """
    from scizor.archive import table
    from scizor.db import symbols
    from scizor.db.series import Series
    from scizor.market.pieces import Piece
    from scizor.run import basis as bases
    from scizor.run import history

    size, what, basis, day = _timeframe(timeframe), _kind(kind), _prices(prices), _day(as_of)
    if as_known is not None and basis != "fetched":
        raise UsageError(f"as_known goes with prices as they were fetched, not {basis}: what is confirmed today was not known then")
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
        series = Series(row[0], size, known)
        found = history.load(opened, name, series, wanted, first, last, as_known)
        found = bases.on(opened, name, series, wanted, found, basis, day)
    return table.frame(table.of_sessions(found, *days), exact=exact)


def continuous(
    code: str, timeframe: str = "1day", start: When | None = None, end: When | None = None, *, as_of: str | date | None = None,
    exact: bool = False, config: Config | Path | str | None = None, connection: Connection | None = None,
) -> pd.DataFrame:  # fmt: skip
    """One history of a company through its changes of code (AFY, APT, SQ2), oldest first, adjusted for the splits and conversions up to
    as_of (None: for all that is confirmed). code: any that it had.

    As the function continuous in the database, and from the files of years that left it too. Index and columns as of `bars`, with
    `symbol` before them. UsageError, FindingError: as `bars`; empty where nobody has or had the code.
    """
    from scizor.archive import table
    from scizor.run import basis as bases

    size, day = _timeframe(timeframe), _day(as_of)
    first, last, days = _span(start, end)
    with _connection(config, connection) as opened:
        found, names = bases.continuous(opened, code, size, first, last, day)
    whole = table.frame(found, exact=exact)
    whole.insert(0, "symbol", names)
    for bound, is_first in zip(days, (True, False), strict=True):
        if bound is not None:
            dates = whole["session_date"].dt.date
            whole = whole[dates >= bound if is_first else dates <= bound]
    return whole


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


def _prices(text: str) -> Prices:
    from scizor.run.basis import Prices

    try:
        return Prices(text)
    except ValueError:
        raise UsageError(f"{text!r} is none of {', '.join(Prices)}") from None


def _day(text: str | date | None) -> date:
    found = _when(text)
    if isinstance(found, datetime):
        raise UsageError(f"as_of {text} is an instant", hint="write the session date: 2024-03-01")
    return found or date(9999, 12, 31)
