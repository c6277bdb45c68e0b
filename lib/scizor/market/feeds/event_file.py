"""Our own recording of depth: EVENT records behind one page of header, so that a file is mapped and not read.

Byte 0: the magic, a version and the length of a JSON text (symbols in the order of their index, price of a tick for each, levels of
the book, a label for people); padded to 4096, so that the records lie aligned and a page holds whole cache lines. Then records of
24 bytes to the end of the file. A record that was cut short by a crash is not there, and the rest is whole.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from scizor.market.events import SIZE_BYTES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAGIC = b"scizorL2"
VERSION = 1
HEADER_BYTES = 4096
SYMBOLS_BYTES_MAX = 1 << 24  # 2,000 symbols take 40 KB: the header grows by whole pages


@dataclass(frozen=True, slots=True)
class Header:
    """symbols: in the order of their index. tick_sizes: price of a tick as text, "0.25". levels: rows a side of the book."""

    symbols: tuple[str, ...]
    tick_sizes: tuple[str, ...]
    levels: int
    label: str = ""


def encode(header: Header) -> bytes:
    """The bytes before the first record, a multiple of 4096."""
    text = json.dumps(asdict(header), ensure_ascii=False).encode()
    if len(text) > SYMBOLS_BYTES_MAX or len(header.symbols) != len(header.tick_sizes):
        raise ValueError(f"a header of {len(text):,} bytes for {len(header.symbols)} symbols and {len(header.tick_sizes)} tick sizes")
    whole = MAGIC + VERSION.to_bytes(4, "little") + len(text).to_bytes(4, "little") + text
    return whole.ljust(-(-len(whole) // HEADER_BYTES) * HEADER_BYTES, b"\0")


def decode(data: bytes | memoryview) -> tuple[Header, NDArray[np.void]]:
    """The header, and the records as a view of `data` (a mapped file's memory). ValueError where it is no such file."""
    import numpy as np

    from scizor.market.events import EVENT

    if bytes(data[:8]) != MAGIC:
        raise ValueError("this is no recording of depth events: it does not begin with scizorL2")
    version, length = int.from_bytes(data[8:12], "little"), int.from_bytes(data[12:16], "little")
    if version != VERSION or length > SYMBOLS_BYTES_MAX or 16 + length > len(data):
        raise ValueError(f"version {version}, header of {length:,} bytes: not a recording that this version reads")
    try:
        told = json.loads(bytes(data[16 : 16 + length]))
        header = Header(tuple(map(str, told["symbols"])), tuple(map(str, told["tick_sizes"])), int(told["levels"]), str(told["label"]))
    except (ValueError, KeyError, TypeError) as problem:
        raise ValueError(f"the header is not readable: {problem}") from None
    start = -(-(16 + length) // HEADER_BYTES) * HEADER_BYTES
    count = max(0, len(data) - start) // SIZE_BYTES
    return header, np.frombuffer(data, EVENT, count=count, offset=start) if count else np.empty(0, EVENT)
