"""Bars of one series, wherever they lie: in the table, or in the files of years that left it. Introduces db to archive.

A bar that lies in both (a year that left, and was fetched again) is the table's: it is the newer version.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from scizor.base.errors import FindingError
from scizor.db import archives
from scizor.db.connect import Connection
from scizor.db.series import Series
from scizor.market.pieces import Piece
from scizor.market.types import Kind, Origin

if TYPE_CHECKING:
    import pyarrow as pa


def load(
    connection: Connection, symbol: str, series: Series, origin: Origin, start: datetime, end: datetime, as_known: datetime | None = None
) -> pa.Table:
    """The bars that start in [start, end), UTC, by start, in the columns of archive.table.COLUMNS, exact.

    as_known: as they were known at that instant, by the former versions in the table and in files. FindingError when a file that holds some of them is absent or damaged: a
    history with a hole is not given silently.
    """
    from scizor.archive import files, table

    piece = Piece(symbol, series.timeframe, origin, start.year, start, end)
    stored = table.parse(archives.copy_out(connection, series, start, end, as_known), piece)
    older = []
    for away in archives.away(connection, series, start.year, end.year):
        wanted = [(away.path, away.sha256, False)]
        if away.former and as_known:
            wanted.append((*away.former, True))
        for path, sha256, is_former in wanted:
            file = Path(away.folder) / path
            if files.sha256(file) != sha256:
                raise FindingError(f"{file} is not the file that {symbol}'s bars of {away.year} left for", hint="restore it from a backup")
            older.append(table.between(files.read(file, piece, former=is_former), start, end, as_known))
    return table.merged(older, stored)


def official(connection: Connection) -> tuple[int, Origin]:
    """The origin that market_data shows, with its number."""
    row = connection.execute("SELECT id, kind, source, regular_hours FROM origins WHERE is_official").fetchone()
    if row is None:
        raise FindingError("no origin is official", hint="UPDATE origins SET is_official = true WHERE id = …")
    return row[0], Origin(Kind(row[1]), row[2], row[3])


def numbered(connection: Connection, origin: Origin) -> int | None:
    """The number of an origin; None where nothing of it was ever stored. Only looks."""
    row = connection.execute(
        "SELECT id FROM origins WHERE (kind, source, regular_hours) = (%s, %s, %s)", [str(origin.kind), origin.source, origin.regular_hours]
    ).fetchone()
    return row[0] if row else None


