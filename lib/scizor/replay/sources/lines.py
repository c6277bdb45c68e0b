"""Recorded files, line by line, whatever stands in them: a bad line is kept as a problem with its file and number.

A recording is somebody else's file. Byte-order marks, CR LF, quotes and ragged lines occur; so may a line of a gigabyte
or a truncated archive. Nothing of that may stop the other lines, and nothing is guessed: thousands separators, commas
as decimals and spreadsheet dates are refused, not mended. What a well-formed line says is served as it stands.
"""

from __future__ import annotations

import csv
import gzip
import re
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BufferedReader, RawIOBase
from itertools import islice
from math import isfinite
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from scizor.market.table import Problem, quoted

if TYPE_CHECKING:
    from typing_extensions import Buffer

LINE_BYTES_MAX = 4096
TOO_LONG = f"the line is longer than {LINE_BYTES_MAX:,} bytes"
FILE_BYTES_MAX = 1 << 30  # unpacked
MEMBERS_MAX = 20_000  # of an archive
_KEPT = 1000
_BLOCK_BYTES = 1 << 20
_PACKED_BYTES = 2048  # at a time: the most that it can become is 64 MiB
_NUMBER = re.compile(r"-?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?", re.ASCII).fullmatch


@dataclass
class Problems:
    """Every problem is counted, the first thousand are kept."""

    count: int = 0
    kept: list[Problem] = field(default_factory=list)

    def add(self, file: str, line: int, column: str, text: str) -> None:
        self.count += 1
        if len(self.kept) < _KEPT:
            self.kept.append(Problem(file, line, column, text))


def files(path: Path, problems: Problems) -> Iterator[tuple[str, IO[bytes]]]:
    """(name, stream) of the file, unpacked; of every text file in it, when it is an archive. Each is closed after its turn.

    What cannot be opened is a problem, and so is an archive that ends too early.
    """
    try:
        with open(path, "rb") as raw:
            stream = _unpacked(path, raw)
            if ".tar" not in path.suffixes:
                yield path.name, stream
                return
            with tarfile.open(fileobj=stream, mode="r|") as archive:
                for place, member in enumerate(archive):
                    content = archive.extractfile(member) if member.isfile() else None
                    if place >= MEMBERS_MAX:
                        problems.add(path.name, 0, "", f"more than {MEMBERS_MAX:,} files in it: the rest is not read")
                        return
                    if content is not None and member.name.lower().endswith((".csv", ".txt")):
                        yield f"{path.name}/{member.name}", content
    except _read_errors() as problem:
        problems.add(path.name, 0, "", f"cannot be read: {problem}")


def blocks(stream: IO[bytes], file: str, problems: Problems) -> Iterator[tuple[int, bytes]]:
    """(number of its first line, some whole lines, each with its end). Memory is bounded, whatever the file holds."""
    place, size, rest = 1, 0, b""
    try:
        while chunk := stream.read(_BLOCK_BYTES):
            if not size:
                chunk = chunk.removeprefix(b"\xef\xbb\xbf")
            size += len(chunk)
            if size > FILE_BYTES_MAX:
                problems.add(file, place, "", f"the file is larger than {FILE_BYTES_MAX:,} bytes: the rest is not read")
                return
            end = chunk.rfind(b"\n") + 1
            if not end:
                rest = (rest + chunk)[: LINE_BYTES_MAX + 1]  # of a longer line no more is needed than that it is too long
                continue
            block, rest = rest + chunk[:end], chunk[end:]
            yield place, block
            place += block.count(b"\n")
    except _read_errors() as problem:
        problems.add(file, place, "", f"cannot be read to its end: {problem}")
    if rest:
        yield place, rest + b"\n"


def lines(stream: IO[bytes], file: str, problems: Problems) -> Iterator[tuple[int, bytes]]:
    """(number from 1, line without its end); empty ones are left out, and a line that is too long is a problem."""
    for first, block in blocks(stream, file, problems):
        for place, line in enumerate(block.split(b"\n")[:-1], first):
            if len(line) > LINE_BYTES_MAX:
                problems.add(file, place, "", TOO_LONG)
            elif line := line.rstrip(b"\r"):
                yield place, line


def first_lines(path: Path, count: int) -> list[bytes]:
    """The first lines of a file, or of an archive's first file: enough to know its format. None of an unreadable one."""
    unheard = Problems()
    for name, stream in files(path, unheard):
        return [line for _, line in islice(lines(stream, name, unheard), count)]
    return []


def _unpacked(path: Path, raw: IO[bytes]) -> IO[bytes]:
    if path.suffix == ".gz":
        return cast("IO[bytes]", gzip.open(raw))
    if path.suffix == ".zst":
        return BufferedReader(_Zst(raw), 1 << 16)
    return raw


class _Zst(RawIOBase):
    """Unpacks one frame after the other. The library's own reader takes a file that is cut short for a whole one, and
    stops after the first frame."""

    def __init__(self, raw: IO[bytes]) -> None:
        import zstandard

        self._make = zstandard.ZstdDecompressor().decompressobj
        self._raw = raw
        self._frame = self._make()
        self._is_within = False
        self._ready = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer, /) -> int:
        target = memoryview(buffer).cast("B")
        while not self._ready:
            packed = self._frame.unused_data if self._frame.eof else b""
            packed = packed or self._raw.read(_PACKED_BYTES)
            if not packed:
                if self._is_within:
                    raise EOFError("the packed file is cut short")
                return 0
            if self._frame.eof:
                self._frame = self._make()
            self._ready = self._frame.decompress(packed)
            self._is_within = not self._frame.eof
        count = min(len(target), len(self._ready))
        target[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count


def _read_errors() -> tuple[type[Exception], ...]:
    import zstandard

    return (OSError, EOFError, zlib.error, tarfile.TarError, zstandard.ZstdError)


def fields(line: bytes) -> list[str]:
    """The fields of one line. ValueError says what is wrong with it."""
    try:
        text = line.decode()
    except UnicodeDecodeError as problem:
        raise ValueError(f"byte {problem.start + 1} is not UTF-8") from None
    if '"' not in text:
        return text.split(",")
    try:
        return next(csv.reader([text], strict=True))
    except csv.Error:
        raise ValueError("unbalanced quotes") from None


def number(text: str) -> float:
    """A plain decimal number. ValueError for everything else that Python would take: nan, inf, 1_000, spaces."""
    if not _NUMBER(text) or not isfinite(value := float(text)):
        raise ValueError(f"{quoted(text)} is not a number")
    return value
