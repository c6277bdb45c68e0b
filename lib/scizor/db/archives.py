"""Bars on their way out of the database and back, and what it remembers of the files.

Out: COPY of one stretch of a series, as CSV. Back: the rows of a file exactly as they were, with revision, request and
known_from; what the table has already is compared and never changed. What takes a year out of `bars` is a function of the
database (sql/schema/010), which counts for itself: no caller can detach what no verified file equals.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import psycopg

from scizor.base.errors import FindingError
from scizor.db.series import Series, lock_symbol, origin_id
from scizor.db.sql import query
from scizor.market.pieces import Counted, Piece, year_of
from scizor.market.types import Kind, Origin, Timeframe

Connection = psycopg.Connection[tuple[Any, ...]]


class Held(NamedTuple):
    """A piece that is stored, whose, and by what one knows whether it has changed.

    folder: of a year that left the table, where its file is; empty: the table has it all. counted: None for a year that left
    and of which the table has something again. former: of the former versions of its bars; None: they have none.
    """

    piece: Piece
    series: Series
    con_id: int | None
    counted: Counted | None
    folder: str = ""
    former: Counted | None = None

    @property
    def rows(self) -> int:
        """How many bars, as far as one knows beforehand."""
        return self.counted.rows if self.counted else 0


class Away(NamedTuple):
    """A file whose bars are no more in the table, and that of their former versions (None: there are none)."""

    folder: str
    path: str
    year: int
    sha256: bytes
    former: tuple[str, bytes] | None


class Former(NamedTuple):
    """A file of former versions. newest: the greatest known_to."""

    path: str
    rows: int
    newest: datetime
    sha256: bytes
    digest: bytes


class Returned(NamedTuple):
    """What became of a file's bars: stored, same in every value, or otherwise in the table (and left so)."""

    stored: int
    same: int
    other: int


class Detached(NamedTuple):
    """A year whose table still lies beside. folder, since: None when no file is known."""

    year: int
    bytes: int
    folder: str | None
    since: datetime | None


def held(
    connection: Connection, start: datetime, end: datetime, *, symbols: Collection[int] | None = None,
    timeframes: Collection[str] | None = None, source: str | None = None,
) -> list[Held]:  # fmt: skip
    """What is stored of [start, end), in the table and in files of years that left it, by symbol, timeframe, origin and year.
    None: all of them."""
    values = {
        "start": start, "end": end, "first_year": start.year, "last_year": (end - timedelta(microseconds=1)).year,
        "symbols": None if symbols is None else sorted(symbols),
        "timeframes": None if timeframes is None else sorted(map(str, timeframes)), "source": source,
    }  # fmt: skip
    found: dict[tuple[Series, int], Held] = {}
    for statement in ("pieces", "pieces_away"):
        for symbol, con_id, symbol_id, timeframe, number, kind, said, regular, year, *counts in connection.execute(query(statement), values):
            first, last = year_of(year)
            piece = Piece(symbol, Timeframe(timeframe), Origin(Kind(kind), said, regular), year, max(start, first), min(end, last))
            series = Series(symbol_id, piece.timeframe, number)
            folder = counts[8] if statement == "pieces_away" else ""
            is_mixed = (series, year) in found or (folder and not piece.is_whole)
            counted = None if is_mixed else Counted(counts[0], counts[1], int(counts[2]), int(counts[3]))
            former = Counted(counts[4], counts[5], int(counts[6]), int(counts[7])) if counts[4] and not is_mixed else None
            found[series, year] = Held(piece, series, con_id, counted, folder, former)
    return sorted(found.values(), key=lambda each: each.piece.path)


def copy_out(
    connection: Connection, series: Series, start: datetime, end: datetime, as_known: datetime | None = None
) -> Iterator[bytes | bytearray | memoryview]:
    """The bars that start in [start, end), by start, as CSV lines in pieces of any size. as_known: as they were known then."""
    statement = query("copy_as_known" if as_known else "copy_out")
    values = {**series.key, "start": start, "end": end, "as_known": as_known}
    with connection.cursor() as cursor, cursor.copy(statement, values) as copy:
        yield from copy


def copy_former(connection: Connection, series: Series, start: datetime, end: datetime) -> Iterator[bytes | bytearray | memoryview]:
    """The former versions of the bars that start in [start, end), by start and version, as CSV lines (archive.table.FORMER)."""
    with connection.cursor() as cursor, cursor.copy(query("copy_former"), {**series.key, "start": start, "end": end}) as copy:
        yield from copy


def requests(connection: Connection, series: Series, start: datetime, end: datetime) -> tuple[dict[str, Any], ...]:
    """The rows of collection_logs that brought those bars."""
    values = {**series.key, "start": start, "end": end}
    return tuple(row[0] for row in connection.execute(query("requests_of_piece"), values))


def written(
    connection: Connection, folder: str, path: str, each: Held, counted: Counted, size: int, sha256: bytes, digest: bytes, now: datetime,
    former: Former | None = None,
) -> None:  # fmt: skip
    """Remembers a year's files. One whose year has left the table for them stays what it was."""
    beside = former._asdict() if former else dict.fromkeys(Former._fields) | {"rows": 0}
    values = {
        **{f"former_{name}": value for name, value in beside.items()}, "flags": counted.flags,
        **each.series.key, "folder": folder, "path": path, "year": each.piece.year, "rows": counted.rows, "bytes": size,
        "sha256": sha256, "digest": digest, "newest": counted.newest, "revisions": counted.revisions, "now": now,
    }  # fmt: skip
    connection.execute(query("store_archive"), values)


def verified(connection: Connection, folder: str, files: Iterable[tuple[str, bytes]], now: datetime) -> None:
    """Remembers that these files (path, SHA-256) were read back and found equal: of a year with former versions both must be."""
    proved = dict(files)
    rows = [
        {"folder": folder, "path": path, "sha256": sha, "former_sha256": proved.get(former_of(path)), "now": now} for path, sha in proved.items()
    ]
    with connection.transaction(), connection.cursor() as cursor:
        cursor.executemany(query("verified_archive"), rows)


def former_of(path: str) -> str:
    """The file of former versions beside a file of bars: …/2024.parquet, …/2024.former.parquet."""
    stem, dot, ending = path.rpartition(".")
    return f"{stem}.former{dot}{ending}"


def away(connection: Connection, series: Series, first_year: int, last_year: int) -> list[Away]:
    """The files of years that left the table; of two folders the one that the year left for."""
    values = {**series.key, "first_year": first_year, "last_year": last_year}
    found: dict[int, Away] = {}
    for folder, path, year, sha256, former, former_sha in connection.execute(query("archives_away"), values):
        found.setdefault(year, Away(folder, path, year, bytes(sha256), (former, bytes(former_sha)) if former else None))
    return list(found.values())


def files_of_year(connection: Connection, folder: str, year: int) -> list[tuple[str, bytes, bytes]]:
    """path, SHA-256 and digest of the files that a folder holds of a year."""
    rows = connection.execute(query("archives_of_year"), {"folder": folder, "year": year})
    return [(path, bytes(sha256), bytes(digest)) for path, sha256, digest in rows]


def detach(connection: Connection, year: int, folder: str, now: datetime) -> int:
    """Takes a year out of `bars`; returns how many bars left. FindingError says why the database will not."""
    return _ask(connection, "SELECT detach_bar_partition(%s, %s, %s)", year, folder, now)


def attach(connection: Connection, year: int, now: datetime) -> int:
    """Puts a year back whose table is still there; returns how many bars came."""
    return _ask(connection, "SELECT attach_bar_partition(%s, %s)", year, now)


def drop(connection: Connection, year: int, folder: str, now: datetime) -> int:
    """Deletes a detached year's table; returns the bytes. FindingError unless its files were verified within a day."""
    return _ask(connection, "SELECT drop_detached_bars(%s, %s, %s)", year, folder, now)


def settle(connection: Connection, years: Iterable[int], now: datetime) -> None:
    """After bars of these years have come back: no more counted as archived."""
    for year in sorted(set(years)):
        with connection.transaction():
            connection.execute("SELECT settle_archived(%s, %s)", [year, now])


def detached(connection: Connection) -> list[Detached]:
    return [Detached(*row) for row in connection.execute(query("detached_years"))]


def give_back(
    connection: Connection, piece: Piece, con_id: int | None, text: bytes, evidence: Sequence[dict[str, Any]], now: datetime, *,
    is_trial: bool = False,
) -> Returned:  # fmt: skip
    """Stores the bars of a file (CSV lines) in one transaction, with the requests that brought them. is_trial: only looks.

    FindingError when the symbol is unknown or another contract, when the file's requests have numbers that belong to others
    here, or when bars name a request that does not come with them.
    """
    series = series_of(connection, piece, con_id)
    with connection.transaction(force_rollback=is_trial):
        lock_symbol(connection, series.symbol_id)
        _give_back_requests(connection, piece, series, evidence)
        connection.execute(query("make_returned"))
        with connection.cursor() as cursor, cursor.copy(query("copy_in")) as copy:
            copy.write(text)
        values = {**series.key, "start": piece.start, "end": piece.end, "known": [each["id"] for each in evidence], "now": now}
        row = connection.execute(query("compare_returned"), values).fetchone()
        assert row is not None
        same, found = row
        unknown = connection.execute("SELECT count(*) FROM returned WHERE request_id <> ALL(%(known)s)", values).fetchone()
        if unknown and unknown[0]:
            raise FindingError(f"{piece.path}: {unknown[0]} bars name a request that does not come with them")
        outside = connection.execute('SELECT count(*) FROM returned WHERE "timestamp" < %(start)s OR "timestamp" >= %(end)s', values).fetchone()
        if outside and outside[0]:
            raise FindingError(f"{piece.path}: {outside[0]} bars lie outside the stretch that the manifest states")
        stored = connection.execute(query("insert_returned"), values).rowcount
        connection.execute("SELECT recount_series(%(symbol_id)s, %(timeframe)s, %(origin)s::smallint, %(now)s)", values)
    return Returned(stored, same, found - same)


def give_back_former(
    connection: Connection, piece: Piece, con_id: int | None, columns: Mapping[str, Sequence[Any]], *, is_trial: bool = False
) -> Returned:
    """Stores former versions of bars that are in the table, in one transaction. columns: of archive.table.FORMER. other: those that
    are otherwise here, or whose bar has no newer version here or whose request is not known."""
    series = series_of(connection, piece, con_id)
    with connection.transaction(force_rollback=is_trial):
        lock_symbol(connection, series.symbol_id)
        row = connection.execute(query("restore_former"), {**series.key, **columns}).fetchone()
    assert row is not None
    return Returned(*row)


def series_of(connection: Connection, piece: Piece, con_id: int | None) -> Series:
    """Whose bars a piece holds, here. FindingError when the symbol is unknown, or another contract."""
    row = connection.execute("SELECT id, con_id FROM symbols WHERE symbol = %s", [piece.symbol]).fetchone()
    if row is None:
        raise FindingError(f"{piece.symbol} is not in this universe", hint="bin/symbols import etc/universe/*.csv")
    if row[1] is not None and con_id is not None and row[1] != con_id:
        raise FindingError(f"{piece.symbol} is contract {row[1]} here and {con_id} in the file: bars of two contracts never mix")
    return Series(row[0], piece.timeframe, origin_id(connection, piece.origin))


def _give_back_requests(connection: Connection, piece: Piece, series: Series, evidence: Sequence[dict[str, Any]]) -> None:
    values = {**series.key, "ids": [each["id"] for each in evidence], "started": [each["started_at"] for each in evidence]}
    known = {number: (is_here, is_another) for number, is_here, is_another in connection.execute(query("taken_requests"), values)}
    taken = sorted(number for number, (_, is_another) in known.items() if is_another)
    if taken:
        raise FindingError(
            f"{piece.path}: request {taken[0]} is another one here" + (f", and {len(taken) - 1} more" if taken[1:] else ""),
            hint="this archive is another database's: import it into one that has not collected yet",
        )
    missing = [each for each in evidence if not known[each["id"]][0]]
    for each in missing:
        connection.execute(query("restore_request"), {**series.key, "request": json.dumps(each)})
    if missing:
        connection.execute("SELECT advance_requests(%s)", [max(each["id"] for each in missing)])


def _ask(connection: Connection, statement: str, *values: Any) -> int:
    """A function of the database that may refuse, in one transaction; its words are the finding."""
    try:
        with connection.transaction():
            row = connection.execute(statement.encode(), values).fetchone()
    except psycopg.errors.ObjectNotInPrerequisiteState as refusal:
        raise FindingError(str(refusal).splitlines()[0]) from None
    return int(row[0]) if row else 0
