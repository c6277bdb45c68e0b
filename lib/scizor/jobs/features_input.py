"""Recordings of depth below a folder, whatever they are called: found by their first bytes and names, converted when asked for.

A piece is one file (or pair of files) of one day of one symbol, or of several. What is looked at to find it is its name and a
few bytes, so that a folder of years is searched in a moment; only what was asked for is read.
"""

from __future__ import annotations

import gzip
import io
import json
import mmap
import re
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from math import gcd
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast
from zoneinfo import ZoneInfo

from scizor.base.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FILES_MAX = 50_000
UNPACKED_BYTES_MAX = 1 << 33
HEAD_BYTES = 1 << 16
LEVELS = 10
EASTERN = ZoneInfo("America/New_York")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LOBSTER = re.compile(r"([A-Z][A-Z0-9.]*)_(\d{4}-\d\d-\d\d)_\d+_\d+_(message|orderbook)_(\d+)\.csv")
_ZONES = {"sgx": "Asia/Singapore"}  # a picture's clock is its exchange's; a folder or file says whose


@dataclass(frozen=True, slots=True)
class Recording:
    """events: dtype EVENT, `symbol` is the place in symbols; ts ascending. price_units: price of a tick, one for each symbol.
    notes: what a person should know of it (levels that differ, refused lines)."""

    label: str
    symbols: tuple[str, ...]
    price_units: tuple[float, ...]
    levels: int
    events: NDArray[np.void]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Piece:
    """symbols: none where the file does not say. first, last: days that it may hold, None where only reading it would tell."""

    path: Path
    kind: str
    symbols: tuple[str, ...]
    first: date | None
    last: date | None
    levels: int
    read: Callable[[Piece], Recording]


def find(folder: Path) -> list[Piece]:
    """Every piece below the folder, or the one that `folder` itself is. UsageError where it is neither."""
    if folder.is_file():
        paths: Iterable[Path] = [folder, *_partner(folder)]
    elif folder.is_dir():
        paths = sorted(each for each in folder.rglob("*") if each.is_file())[:FILES_MAX]
    else:
        raise UsageError(f"{folder} is neither a file nor a folder")
    return [piece for path in paths for piece in _pieces(path)]


def choose(pieces: Iterable[Piece], symbol: str, first: date, last: date) -> list[Piece]:
    """The pieces of a symbol (any case) in [first, last], of each day the one with most in it, in the order of their days."""
    best: dict[tuple[date | None, date | None], Piece] = {}
    for piece in pieces:
        if symbol.upper() not in (each.upper() for each in piece.symbols):
            continue
        if piece.first and piece.last and not (piece.first <= last and first <= piece.last):
            continue
        key = (piece.first, piece.last)
        if key not in best or _weight(best[key]) < _weight(piece):
            best[key] = piece
    return sorted(best.values(), key=lambda piece: piece.first or date.min)


def _weight(piece: Piece) -> tuple[int, int]:
    """The larger file has the longer day or the deeper book."""
    return piece.path.stat().st_size, piece.levels


def load(piece: Piece) -> Recording:
    """Reads and converts it. UsageError says which file is not what its name says."""
    try:
        return piece.read(piece)
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile, zlib.error, _zstd_error()) as problem:
        raise UsageError(f"{piece.path.name} cannot be read as {piece.kind}: {problem}") from None


# ------------------------------------------------------------------------------------------------------ what a file is


def _pieces(path: Path) -> Iterator[Piece]:
    name = path.name
    if name.endswith(".zip"):
        yield from _lobster_archive(path)
    elif (match := _LOBSTER.fullmatch(name)) and match[3] == "message" and _partner(path):
        day = date.fromisoformat(match[2])
        yield Piece(path, "LOBSTER", (match[1],), day, day, int(match[4]), _read_lobster)
    elif name.endswith((".dbn", ".dbn.zst")):
        yield from _dbn(path)
    elif name.endswith(".l2ev"):
        yield from _event_file(path)
    elif name.endswith((".csv", ".csv.gz")) and b"\nTimeStamp," in _head(path):
        yield from _snapshots(path)
    elif name.endswith(".jsonl") and b'"domTicks"' in _head(path):
        yield Piece(path, "IB depth", (re.split(r"[_.]", name)[0].upper(),), None, None, LEVELS, _read_ib)


def _partner(path: Path) -> list[Path]:
    other = path.with_name(path.name.replace("_message_", "_orderbook_"))
    return [other] if other != path and other.exists() else []


def _lobster_archive(path: Path) -> Iterator[Piece]:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [match for name in archive.namelist() if (match := _LOBSTER.fullmatch(Path(name).name))]
    except (zipfile.BadZipFile, OSError):
        return
    for match in names:
        if match[3] == "message":
            day = date.fromisoformat(match[2])
            yield Piece(path, "LOBSTER", (match[1],), day, day, int(match[4]), _read_lobster)


def _dbn(path: Path) -> Iterator[Piece]:
    from scizor.market.feeds import databento

    try:
        head = _head(path)
        about = databento.metadata(head)
        kind = databento.kind_of(head, about.end)
    except (ValueError, OSError):
        return  # of another schema: bars, definitions, statistics
    begin = _EPOCH + timedelta(microseconds=about.start // 1000)
    end = _EPOCH + timedelta(microseconds=(about.stop or about.start) // 1000 - 1)
    levels = {databento.MBO: LEVELS, databento.MBP_10: 10}.get(kind, 1)
    names = tuple(about.names().values()) or (_stem(path),)  # a live capture names nothing
    yield Piece(path, "Databento", names, begin.date(), max(begin, end).date(), levels, _read_dbn)


def _event_file(path: Path) -> Iterator[Piece]:
    from scizor.market.feeds import event_file

    try:
        header, events = event_file.decode(_mapped(path))
    except (ValueError, OSError):
        return
    if len(events):
        first, last = (_EPOCH + timedelta(microseconds=int(ts) // 1000) for ts in (events["ts"][0], events["ts"][-1]))
        yield Piece(path, "events", header.symbols, first.date(), last.date(), header.levels, _read_event_file)


def _snapshots(path: Path) -> Iterator[Piece]:
    day = re.search(rb"\nTimeStamp,(\d{4}-\d\d-\d\d)D", _head(path))
    if day:
        told = date.fromisoformat(day[1].decode())
        yield Piece(path, "pictures", (_stem(path), _stem(path.parent)), told - timedelta(days=1), told + timedelta(days=1), 3, _read_snapshots)


# ------------------------------------------------------------------------------------------------- what stands in it


def lobster_tables(piece: Piece) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The messages and the book of one day, as market.feeds.lobster.convert takes them."""
    from scizor.market.feeds import lobster

    word = f"{piece.symbols[0]}_{piece.first}_"
    if piece.path.suffix == ".zip":
        with zipfile.ZipFile(piece.path) as archive:
            parts = {match[3]: archive.read(name) for name in archive.namelist()
                     if (match := _LOBSTER.fullmatch(Path(name).name)) and Path(name).name.startswith(word) and int(match[4]) == piece.levels}  # fmt: skip
    else:
        parts = {"message": piece.path.read_bytes(), "orderbook": _partner(piece.path)[0].read_bytes()}
    return lobster.read(parts["message"], 6), lobster.read(parts["orderbook"], 0)


def _read_lobster(piece: Piece) -> Recording:
    from scizor.market.feeds import lobster

    assert piece.first is not None
    midnight = datetime(piece.first.year, piece.first.month, piece.first.day, tzinfo=EASTERN)
    found = lobster.convert(
        *lobster_tables(piece), midnight=int(midnight.timestamp()) * 1_000_000_000, date=int(piece.first.strftime("%Y%m%d"))
    )
    notes = [f"{found.differing:,} of {found.levels:,} levels are not the file's"] if found.differing else []
    notes += [f"{found.refused:,} messages say what cannot be"] if found.refused else []
    return Recording(
        f"recorded, LOBSTER {piece.symbols[0]} {piece.first}, {piece.levels} levels", piece.symbols[:1], (found.unit / lobster.PRICE_UNITS,),
        min(piece.levels, 16), found.events, tuple(notes),
    )  # fmt: skip


def _read_dbn(piece: Piece) -> Recording:
    from scizor.market.feeds import databento, positions

    data = unpacked(piece.path)
    about = databento.metadata(data)
    kind = databento.kind_of(data, about.end)
    found = databento.convert(databento.read(data, kind, about.end), kind)
    events = positions.from_levels(found.events, piece.levels) if kind == databento.MBO else found.events
    told = about.names()
    names = tuple(told.get(each, str(each)) for each in found.instruments) if told or len(found.instruments) != 1 else piece.symbols
    notes = tuple(f"{count:,} refused: {reason}" for reason, count in found.refused.items())
    return Recording(f"recorded, Databento {', '.join(names)} {piece.first}", names, tuple(each / 1e9 for each in found.units), piece.levels, events, notes)


def _read_event_file(piece: Piece) -> Recording:
    from scizor.market.feeds import event_file

    header, events = event_file.decode(_mapped(piece.path))
    return Recording(header.label or f"recorded, {piece.path.name}", header.symbols, tuple(map(float, header.tick_sizes)), header.levels, events)


def _read_snapshots(piece: Piece) -> Recording:
    from scizor.market.feeds import snapshots
    from scizor.market.feeds.positions import records

    zone = next((zone for word, zone in _ZONES.items() if word in str(piece.path).lower()), "UTC")
    pictures = snapshots.read(unpacked(piece.path).decode("ascii", "replace").splitlines(), zone)
    raw, unit = snapshots.convert(pictures.found, pictures.levels)
    notes = tuple(f"{count:,} refused: {reason}" for reason, count in pictures.refused.items())
    return Recording(
        f"recorded, pictures of {piece.symbols[0]} ({zone})", piece.symbols[:1], (unit / 10**snapshots.PRICE_DECIMALS,), pictures.levels,
        records(raw), notes,
    )  # fmt: skip


def _read_ib(piece: Piece) -> Recording:
    """Batches of `domTicks`; rows that were there before the recording began are filled as the first change of them shows."""
    from scizor.market.events import INSERT
    from scizor.market.feeds.ib_depth import IbDepth
    from scizor.market.feeds.positions import Raw, records

    told = [tick for line in piece.path.read_text().splitlines() for tick in json.loads(line)["domTicks"]]
    ticks = [(_nanoseconds(tick[0]), *tick[1:]) for tick in told]
    unit = Decimal(gcd(*(int(Decimal(repr(tick[5])).scaleb(9)) for tick in ticks)) or 1).scaleb(-9)
    size = float(gcd(*(int(tick[6]) for tick in ticks)) or 1)
    depth = IbDepth(float(unit), levels=piece.levels, size_unit=size)
    out: list[Raw] = []
    for side in (0, 1):
        first = {tick[1]: tick for tick in reversed(ticks) if tick[4] == side}
        for position in range(len(first)):
            if position in first and first[position][3] != INSERT:
                out += depth.update(ticks[0][0], position, INSERT, side, first[position][5], first[position][6], first[position][2])
    for tick in ticks:
        ts, position, maker, operation, side, price, lots = tick
        out += depth.update(ts, position, operation, side, price, lots, maker)
    notes = tuple(f"{count:,} refused: {reason}" for reason, count in depth.refused.items())
    return Recording(f"recorded, IB depth of {piece.symbols[0]}", piece.symbols[:1], (float(unit),), piece.levels, records(out), notes)


def _nanoseconds(text: str) -> int:
    return (datetime.fromisoformat(text).astimezone(UTC) - _EPOCH) // timedelta(microseconds=1) * 1000


# ------------------------------------------------------------------------------------------------------------- bytes


def _head(path: Path) -> bytes:
    try:
        return unpacked(path, HEAD_BYTES)
    except (OSError, EOFError, zlib.error, _zstd_error()):
        return b""


def unpacked(path: Path, most: int = 0) -> bytes:
    """The file's bytes, of a packed one what is in it; at most `most`. ValueError where it is larger than may be read."""
    with open(path, "rb") as file:
        stream: IO[bytes] = file
        if path.suffix == ".zst":
            import zstandard

            stream = io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True))
        elif path.suffix == ".gz":
            stream = cast("IO[bytes]", gzip.GzipFile(fileobj=file))
        data = stream.read(most or UNPACKED_BYTES_MAX)
    if len(data) == UNPACKED_BYTES_MAX:
        raise ValueError(f"it is larger than {UNPACKED_BYTES_MAX:,} bytes")
    return data


def _zstd_error() -> type[Exception]:
    import zstandard

    return zstandard.ZstdError


def _mapped(path: Path) -> memoryview:
    with open(path, "rb") as file:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def _stem(path: Path) -> str:
    return path.name.split(".")[0].upper()
