"""The columns of a file, from the database's CSV and back, and the digest of their values.

One schema for all files of all symbols: a reader that takes many at once would round the finer of two scales to the coarser.
Eight decimals are what the table `bars` allows, and ten digits before them are more than its greatest price.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from scizor.base.errors import FindingError
from scizor.market.pieces import Counted, Piece
from scizor.market.types import JUDGED

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

#: What the database gives and takes, in this order (sql/queries/copy_out.sql).
VALUES = ("timestamp", "session_date", "open", "high", "low", "close", "volume", "wap", "trades", "flags", "revision", "request_id", "known_from")
#: What is the same in each row of a file.
CONSTANTS = ("symbol", "timeframe", "kind", "source", "regular_hours")
COLUMNS = (*CONSTANTS, *VALUES)
#: Of former versions (sql/queries/copy_former.sql): each was known in [known_from, known_to).
FORMER = (*VALUES, "known_to")
DECIMALS = ("open", "high", "low", "close", "volume", "wap")
NULLABLE = ("volume", "wap", "trades")
SECONDS = 1_000_003  # a prime, as in the database's flags_weighed


def schema(*, former: bool = False) -> pa.Schema:
    """former: with known_to at the end. symbol, timeframe, kind, source: text; timestamps in microseconds UTC; prices decimal(18, 8), volume decimal(23, 8)."""
    import pyarrow as pa

    price, instant, text = pa.decimal128(18, 8), pa.timestamp("us", tz="UTC"), pa.dictionary(pa.int32(), pa.string())
    types: dict[str, Any] = {
        **dict.fromkeys(("symbol", "timeframe", "kind", "source"), text), "regular_hours": pa.bool_(), "timestamp": instant,
        "session_date": pa.date32(), **dict.fromkeys(DECIMALS, price), "volume": pa.decimal128(23, 8), "trades": pa.int32(),
        "flags": pa.int16(), "revision": pa.int16(), "request_id": pa.int64(), "known_from": instant,
        "known_to": instant,
    }  # fmt: skip
    names = (*CONSTANTS, *FORMER) if former else COLUMNS
    return pa.schema([pa.field(name, types[name], nullable=name in NULLABLE) for name in names])


def parse(chunks: Iterable[bytes | bytearray | memoryview], piece: Piece, *, former: bool = False) -> pa.Table:
    """The database's CSV lines (VALUES or FORMER, no header) as a table of `schema`. A number that would not survive is refused."""
    import pyarrow as pa
    from pyarrow import csv

    whole, names = schema(former=former), FORMER if former else VALUES
    text = b"".join(chunks)
    if not text:
        return whole.empty_table()
    try:
        found = csv.read_csv(
            pa.BufferReader(text), read_options=csv.ReadOptions(column_names=list(names), block_size=1 << 24),
            convert_options=csv.ConvertOptions(
                column_types={name: whole.field(name).type for name in names}, null_values=[""], timestamp_parsers=[csv.ISO8601],
            ),
        )  # fmt: skip
        found.validate(full=True)  # the reader itself lets an eleventh digit pass
    except pa.ArrowInvalid as problem:
        raise FindingError(f"{piece.path}: a value that a file cannot hold exactly: {problem}") from None
    return with_constants(found, piece)


def with_constants(values: pa.Table, piece: Piece) -> pa.Table:
    """The columns of VALUES or FORMER with those of CONSTANTS before them."""
    import pyarrow as pa

    whole, rows = schema(former="known_to" in values.column_names), values.num_rows
    said = {"symbol": piece.symbol, "timeframe": str(piece.timeframe), "kind": str(piece.origin.kind), "source": piece.origin.source}
    columns: list[Any] = [
        pa.DictionaryArray.from_arrays(pa.repeat(pa.scalar(0, pa.int32()), rows), pa.array([word])) for word in said.values()
    ]
    columns.append(pa.repeat(piece.origin.regular_hours, rows))
    return pa.table([*columns, *(values[name] for name in whole.names[len(CONSTANTS) :])], schema=whole)


def text(table: pa.Table, *, names: Iterable[str] = VALUES, header: bool = False) -> bytes:
    """CSV of these columns, as PostgreSQL's COPY reads it: numbers in their shortest form, instants in UTC, NULL empty."""
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import csv

    columns = {}
    for name in names:
        column = table[name]
        if pa.types.is_decimal(column.type):
            column = _shortest(column)
        elif pa.types.is_timestamp(column.type):
            column = pc.strftime(column, format="%Y-%m-%d %H:%M:%S+00")  # %S has the fraction of the column's unit
        elif pa.types.is_dictionary(column.type):
            column = column.cast(pa.string())
        columns[name] = column
    sink = pa.BufferOutputStream()
    csv.write_csv(pa.table(columns), sink, csv.WriteOptions(include_header=header, quoting_style="none"))
    return bytes(sink.getvalue())


def _shortest(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Decimals as text without trailing zeros and without an exponent."""
    import pyarrow as pa
    import pyarrow.compute as pc

    text = column.cast(pa.string())
    text = pc.if_else(pc.equal(text, "0E-8"), "0", text)
    small = pc.fill_null(pc.match_substring(text, "E"), False)  # below a millionth: rare
    if pc.any(small).as_py():
        text = pa.chunked_array([[format(Decimal(each), "f") if each and "E" in each else each for each in text.to_pylist()]], pa.string())
    return pc.replace_substring_regex(text, r"\.0+$|(\.[0-9]*[1-9])0+$", r"\1")


def counted(table: pa.Table) -> Counted:
    """Rows, the newest known_from (of former versions known_to), the sum of revisions; of flags as flags_weighed in the database."""
    import pyarrow as pa
    import pyarrow.compute as pc

    newest = pc.max(table["known_to" if "known_to" in table.column_names else "known_from"]).as_py()
    seconds = pc.divide(table["timestamp"].cast(pa.int64()), 1_000_000)
    of_a_million = pc.subtract(seconds, pc.multiply(pc.divide(seconds, SECONDS), SECONDS))
    flags = pc.sum(pc.multiply(table["flags"].cast(pa.int64()), of_a_million)).as_py()
    return Counted(table.num_rows, newest or datetime.min.replace(tzinfo=UTC), pc.sum(table["revision"]).as_py() or 0, flags or 0)


def ends(table: pa.Table) -> tuple[datetime, datetime]:
    """Starts of the first and the last bar, UTC. The table is by start and not empty."""
    return table["timestamp"][0].as_py(), table["timestamp"][-1].as_py()


def digest(table: pa.Table) -> bytes:
    """SHA-256 of the values, 32 bytes: the same for the same bars, however a file or a table has encoded them.

    Of each column its name, which rows are null, and its values (zero where null): decimals as 16 bytes in units of 10⁻⁸,
    instants as microseconds, days as days, numbers in their own width, little endian; text with its length before it.
    """
    import pyarrow as pa

    total = hashlib.sha256()
    for name in table.column_names:
        column = table[name].combine_chunks() if table.num_rows else pa.array([], table.schema.field(name).type)
        total.update(f"{name}:{len(column)}:".encode())
        if pa.types.is_dictionary(column.type):
            for word in column.dictionary_decode().unique().to_pylist():  # the same in each row of a file
                total.update(f"{len(word)}:{word}".encode())
            continue
        if pa.types.is_boolean(column.type):
            total.update(f"{sorted(set(column.to_pylist()))}".encode())
            continue
        if column.null_count:
            total.update(column.is_null().cast(pa.uint8()).buffers()[1])
            column = column.fill_null(pa.scalar(Decimal(0) if pa.types.is_decimal(column.type) else 0, column.type))
        width = column.type.bit_width // 8
        start = column.offset * width
        total.update(memoryview(column.buffers()[1])[start : start + len(column) * width] if len(column) else b"")
    return total.digest()


def read_csv(file: Any, piece: Piece, *, former: bool = False) -> pa.Table:
    """A CSV file that `text` wrote with its header, as a table of `schema`."""
    import pyarrow as pa
    from pyarrow import csv

    whole, names = schema(former=former), FORMER if former else VALUES
    types = {name: whole.field(name).type for name in names}
    try:
        found = csv.read_csv(
            file, convert_options=csv.ConvertOptions(
                column_types=types, include_columns=list(names), null_values=[""], timestamp_parsers=[csv.ISO8601]
            ),
        )  # fmt: skip
    except (pa.ArrowInvalid, pa.ArrowKeyError) as problem:
        raise FindingError(f"{piece.path}: not a file that was exported: {problem}") from None
    return with_constants(found, piece)


def between(table: pa.Table, start: datetime, end: datetime, as_known: datetime | None = None) -> pa.Table:
    """The bars that start in [start, end), UTC. as_known: of them those whose version was known then (of former versions: until
    known_to), in the columns of bars, and without the doubts, which came later than the bars and nobody knows when."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind, column = table.schema.field("timestamp").type, table["timestamp"]
    chosen = pc.and_(pc.greater_equal(column, pa.scalar(start, kind)), pc.less(column, pa.scalar(end, kind)))
    if as_known:
        chosen = pc.and_(chosen, pc.less_equal(table["known_from"], pa.scalar(as_known, kind)))
        if "known_to" in table.column_names:
            chosen = pc.and_(chosen, pc.greater(table["known_to"], pa.scalar(as_known, kind)))
    found = table.filter(chosen)
    if not as_known:
        return found
    own = pc.bit_wise_and(found["flags"], pa.scalar(~int(JUDGED) & 0x7FFF, pa.int16()))
    return found.select(COLUMNS).set_column(COLUMNS.index("flags"), found.schema.field("flags"), own)


def of_sessions(table: pa.Table, first: date | None, last: date | None) -> pa.Table:
    """The bars whose session dates lie in [first, last], both included; None: unbounded."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for day, compare in ((first, pc.greater_equal), (last, pc.less_equal)):
        if day is not None:
            table = table.filter(compare(table["session_date"], pa.scalar(day, pa.date32())))
    return table


def where(table: pa.Table, chosen: Sequence[bool]) -> pa.Table:
    """The rows at whose place `chosen` is true."""
    import pyarrow as pa

    return table.filter(pa.array(chosen, pa.bool_()))


def with_values(table: pa.Table, name: str, values: Sequence[Decimal | None]) -> pa.Table:
    """The same with other values in one column."""
    import pyarrow as pa

    field = table.schema.field(name)
    return table.set_column(table.schema.get_field_index(name), field, pa.array(values, field.type))


def joined(parts: Sequence[tuple[str, pa.Table]]) -> tuple[pa.Table, list[str]]:
    """Bars of several symbols by start, in the columns of VALUES, and the symbol of each."""
    import pyarrow as pa

    whole = pa.concat_tables([part.select(VALUES) for _, part in parts] or [schema().empty_table().select(VALUES)])
    names = [name for name, part in parts for _ in range(part.num_rows)]
    ordered = whole.append_column("symbol", pa.array(names, pa.string())).sort_by("timestamp")
    return ordered.drop_columns(["symbol"]), ordered["symbol"].to_pylist()


def merged(older: Iterable[pa.Table], newer: pa.Table) -> pa.Table:
    """All bars by start; where both have one, the newer's."""
    import pyarrow as pa
    import pyarrow.compute as pc

    parts = [each for each in older if each.num_rows]
    if not parts:
        return newer
    old = pa.concat_tables(parts)
    if newer.num_rows:
        old = old.filter(pc.invert(pc.is_in(old["timestamp"], newer["timestamp"])))
    return pa.concat_tables([old, newer]).sort_by("timestamp") if newer.num_rows else old.sort_by("timestamp")


def frame(table: pa.Table, *, exact: bool = False) -> pd.DataFrame:
    """The bars for pandas, by start (index `timestamp`, UTC). open … wap: float64, NaN where there is none; exact: Decimal.

    session_date: datetime64, midnight without zone; trades: Int64; known_from: UTC.
    """
    import pyarrow as pa

    names = [name for name in COLUMNS if name not in CONSTANTS]
    columns = {name: table[name] for name in names}
    if not exact:
        columns |= {name: columns[name].cast(pa.float64()) for name in DECIMALS}
    found = pa.table(columns).to_pandas(date_as_object=False)
    found["trades"] = found["trades"].astype("Int64")
    return found.set_index("timestamp")
