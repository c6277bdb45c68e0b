"""H5: Parquet bytes for each recorded one-minute bar, and reading a million back against the same from PostgreSQL.

The bars are recorded through IB (15 US shares, 31 sessions, and two other days of IB's with weighted averages and counts).
Recorded files have no average and no count of trades, which IB's own answers have; the second figure adds both, made up from
the bar (an average between low and high in IB's three decimals), and is printed as what it is. The rival reads the same
bars from the same machine's server in the fastest way that we know: COPY as CSV, parsed by the same library into the same
columns; the way of a plain driver (fetchall) is reported beside it.
"""

from __future__ import annotations

import csv
import gzip
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from scizor.archive import files, table
from scizor.base.paths import recordings_directory
from scizor.db import archives
from scizor.db.series import Series, origin_id
from scizor.market.pieces import Piece, year_of
from scizor.market.types import Bar, Origin, Timeframe
from tests.bench import million

EASTERN = ZoneInfo("America/New_York")
COUNT = 1_000_000


def figures(report: Callable[[str], None], count: int = COUNT, times: int = 3) -> list[dict[str, Any]]:
    folder = recordings_directory()
    if folder is None:
        report("recordings absent: no ../shared/data and no SCIZOR_RECORDINGS")
        return []
    recorded = {path.name.split("_")[0]: minutes(path) for path in sorted((folder / "intraday" / "ib_1min_us").glob("*_1min.csv.gz"))}
    with tempfile.TemporaryDirectory() as place:
        plain = bytes_per_bar(recorded, Path(place), report, "as recorded")
        whole = bytes_per_bar({name: embellished(bars) for name, bars in recorded.items()}, Path(place), report, "with average and count")
        with million.fresh_database() as connection:
            found = reading(connection, recorded, count, Path(place), times, report)
    ratio = statistics.median(found["csv"]) / statistics.median(found["parquet"])
    slow = statistics.median(found["rows"]) / statistics.median(found["parquet"])
    bars = sum(map(len, recorded.values()))
    return [
        _figure("H5a", "bytes a 1-min bar, as recorded", plain, "B", "<=", 20.0, bars, "the bar of the issue"),
        _figure("H5b", "bytes a 1-min bar, with average and count (made up)", whole, "B", "<=", 20.0, bars, "the bar of the issue"),
        _figure("H5c", "reading back", ratio, "x", ">=", 8.0, count, "COPY as CSV into the same columns", ratio_low(found, "csv")),
        _figure("H5d", "reading back", slow, "x", ">=", 8.0, count, "psycopg's fetchall", ratio_low(found, "rows")),
    ]


def _figure(name: str, what: str, value: float, unit: str, op: str, bar: float, n: int, rival: str, low: float | None = None) -> dict[str, Any]:
    return {
        "id": name, "name": what, "value": round(value, 2), "unit": unit, "op": op, "bar": bar, "n": n, "min": round(low or value, 2),
        "median": round(value, 2), "rival": rival,
    }  # fmt: skip


def ratio_low(found: dict[str, list[float]], rival: str) -> float:
    return min(found[rival]) / max(found["parquet"])


def minutes(path: Path) -> list[Bar]:
    with gzip.open(path, "rt") as file:
        return [
            Bar(datetime.fromisoformat(row[0]).replace(tzinfo=EASTERN).astimezone(UTC), *map(float, row[1:6]))  # type: ignore[arg-type]
            for row in csv.reader(file) if row[0] != "datetime"
        ]  # fmt: skip


def embellished(bars: list[Bar]) -> list[Bar]:
    draw = random.Random(1)
    return [
        each._replace(wap=round(draw.uniform(each.low, each.high), 3), trades=int((each.volume or 0) / draw.uniform(40, 200)) + 1)
        for each in bars
    ]  # fmt: skip


def lines(bars: list[Bar], request: int = 1) -> str:
    """As the database would give them: five sessions a request, known a day later."""
    text = []
    for place, each in enumerate(bars):
        assert isinstance(each.start, datetime)
        known = datetime(2026, 3, 7, tzinfo=UTC) + timedelta(seconds=7 * (place // 1950), microseconds=123)
        values = ("" if value is None else f"{value:g}" if value == int(value) and value < 1e5 else repr(value) for value in (*each[1:6], each.wap, each.trades))
        text.append(f"{each.start:%Y-%m-%d %H:%M:%S}+00,{each.start.astimezone(EASTERN):%Y-%m-%d},{','.join(values)},0,0,{request + place // 1950},{known:%Y-%m-%d %H:%M:%S.%f}+00\n")
    return "".join(text)


def bytes_per_bar(recorded: dict[str, list[Bar]], place: Path, report: Callable[[str], None], how: str) -> float:
    """One file a symbol, as bin/export writes them, footers and all."""
    size = count = 0
    for symbol, bars in recorded.items():
        piece = Piece(symbol, Timeframe.MIN1, Origin(), 2026, *year_of(2026))
        whole = table.parse([lines(bars).encode()], piece)
        file = place / f"{symbol}.parquet"
        files.write(whole, file)
        assert table.digest(files.read(file, piece)) == table.digest(whole)
        size, count = size + file.stat().st_size, count + whole.num_rows
    report(f"{how}: {len(recorded)} files, {count:,} bars, {size / count:.2f} bytes a bar")
    return size / count


def reading(
    connection: million.Connection, recorded: dict[str, list[Bar]], count: int, place: Path, times: int, report: Callable[[str], None]
) -> dict[str, list[float]]:
    """Seconds for `count` bars of one series over several years: from files, by COPY, and by fetchall. The recorded minutes,
    put one after another at the pace of a minute."""
    bars = list(chain.from_iterable(recorded.values()))
    start = datetime(2023, 1, 1, tzinfo=UTC)
    laid = [bars[n % len(bars)]._replace(start=start + timedelta(minutes=n)) for n in range(count)]
    pieces = [
        Piece("SPY", Timeframe.MIN1, Origin(), year, *year_of(year)) for year in range(2023, laid[-1].start.year + 1)  # type: ignore[union-attr]
    ]  # fmt: skip
    found: dict[str, list[float]] = {"parquet": [], "csv": [], "rows": []}
    connection.execute("INSERT INTO symbols (symbol, exchange, calendar, currency) VALUES ('SPY', 'SMART', 'XNYS', 'USD')")
    series = Series(_one(connection, "SELECT id FROM symbols"), Timeframe.MIN1, origin_id(connection, Origin()))
    with million.as_superuser(connection) as superuser:
        superuser.execute("SET search_path TO scizor")
        superuser.execute("CREATE UNLOGGED TABLE public.laid AS SELECT * FROM bars WITH NO DATA")
        columns = ", ".join(f'"{name}"' for name in table.VALUES)
        with superuser.cursor() as cursor, cursor.copy(f"COPY public.laid ({columns}) FROM STDIN (FORMAT csv)".encode()) as copy:
            copy.write(lines(laid))
        superuser.execute("UPDATE public.laid SET symbol_id = %s, timeframe = '1min', origin = %s", [series.symbol_id, series.origin])
        superuser.execute("INSERT INTO bars SELECT * FROM public.laid ORDER BY timestamp")
        superuser.execute("DROP TABLE public.laid")
        superuser.execute("VACUUM ANALYZE {}".format(", ".join(f"bars_{piece.year}" for piece in pieces)).encode())
        size = _one(superuser, "SELECT sum(pg_total_relation_size(inhrelid)) FROM pg_inherits WHERE inhparent = 'bars'::regclass")
        report(f"in the table: {size / count:.0f} bytes a bar with its index")
    stored = []
    for piece in pieces:
        whole = table.parse(archives.copy_out(connection, series, piece.start, piece.end), piece)
        files.write(whole, place / f"{piece.year}.parquet")
        stored.append(whole)
    want = [table.digest(each) for each in stored]
    del stored
    for turn in range(times):  # in turn, so that a noisy minute strikes all three
        began = time.perf_counter()
        read = [files.read(place / f"{piece.year}.parquet", piece) for piece in pieces]
        found["parquet"].append(time.perf_counter() - began)
        began = time.perf_counter()
        copied = [table.parse(archives.copy_out(connection, series, piece.start, piece.end), piece) for piece in pieces]
        found["csv"].append(time.perf_counter() - began)
        if turn == 0:
            assert [table.digest(each) for each in read] == [table.digest(each) for each in copied] == want
            assert sum(each.num_rows for each in read) == count
        del read, copied
        if turn < 2:
            began = time.perf_counter()
            rows = connection.execute(
                "SELECT * FROM bars WHERE symbol_id = %s AND timeframe = '1min' AND origin = %s ORDER BY timestamp",
                [series.symbol_id, series.origin],
            ).fetchall()
            found["rows"].append(time.perf_counter() - began)
            assert len(rows) == count
            del rows
    report("seconds: " + "; ".join(f"{how} {statistics.median(each):.3f} ({min(each):.3f} to {max(each):.3f})" for how, each in found.items()))
    return found


def _one(connection: million.Connection, statement: str) -> Any:
    row = connection.execute(statement.encode()).fetchone()
    assert row is not None
    return row[0]


if __name__ == "__main__":
    for figure in figures(print):
        print(figure)
