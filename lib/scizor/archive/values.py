"""Bars as arrays for whoever computes, and what was computed as files and as text for the database."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scizor.archive import table as tables
from scizor.archive.files import put

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

#: What stands before the computed columns. The database takes them without the close.
COLUMNS = ("timestamp", "session_date", "close")


def arrays(bars: pa.Table) -> dict[str, NDArray[Any]]:
    """high, low, close, volume, wap: float64, NaN where there is none; session: int32, days since 1970."""
    import pyarrow as pa

    found = {name: bars[name].cast(pa.float64()).to_numpy() for name in ("high", "low", "close", "volume", "wap")}
    return {**found, "session": bars["session_date"].cast(pa.int32()).to_numpy()}


def beside(bars: pa.Table, computed: Mapping[str, NDArray[np.float64]]) -> pa.Table:
    """COLUMNS of the bars, and each computed array as float64, null where it is NaN."""
    import pyarrow as pa

    columns = {"timestamp": bars["timestamp"], "session_date": bars["session_date"], "close": bars["close"].cast(pa.float64())}
    return pa.table({**columns, **{name: pa.array(values, from_pandas=True) for name, values in computed.items()}})


def text(values: pa.Table) -> bytes:
    """CSV for the database: floats in the shortest form that means the same, NULL empty."""
    return tables.text(values, names=[name for name in values.column_names if name != "close"])


def cut(values: pa.Table, start: datetime, end: datetime) -> pa.Table:
    """The rows whose bars start in [start, end), UTC."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = values["timestamp"]
    low, high = (pa.scalar(each, column.type) for each in (start, end))
    return values.filter(pc.and_(pc.greater_equal(column, low), pc.less(column, high)))


def write(values: pa.Table, file: Path) -> None:
    """Parquet or CSV, by the ending, as a whole. A mean's digits are noise: what zstd 9 would save takes five times as long."""
    from pyarrow import parquet

    if file.suffix == ".csv":
        put(file, lambda sink: sink.write(tables.text(values, names=values.column_names, header=True)))
        return
    put(file, lambda sink: parquet.write_table(
        values, sink, version="2.6", compression="zstd", compression_level=1, row_group_size=131_072, write_page_checksum=True,
        use_dictionary=["session_date"], column_encoding={
            name: "DELTA_BINARY_PACKED" if name == "timestamp" else "BYTE_STREAM_SPLIT" for name in values.column_names if name != "session_date"
        },
    ))  # fmt: skip


def last(values: pa.Table) -> dict[str, Any]:
    """The newest row, as Python values; None where there are too few bars."""
    return dict(values.slice(values.num_rows - 1).to_pylist()[0]) if values.num_rows else {}
