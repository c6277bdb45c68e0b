"""manifest.json: every file of an archive with its rows, SHA-256 and digest, and the requests that brought its bars.

Plain JSON at the archive's root, so that a person or another program needs nothing of ours to check it:
`sha256sum` of a file, and its row count, are in it. A file that it does not name is left over from a run that was killed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from scizor.archive.files import put
from scizor.base.errors import FindingError
from scizor.market.pieces import Counted, Piece
from scizor.market.types import Kind, Origin, Timeframe

NAME = "manifest.json"
VERSION = 2  # 1 knew no former versions and no flags
MEANING = {
    "timestamp": "start of the bar, UTC; a daily bar: 00:00 UTC of its session date",
    "session_date": "the exchange day, in the exchange's own time zone",
    "open, high, low, close, wap": "exact decimals in the symbol's currency, split-adjusted by the vendor as of known_from",
    "volume": "shares, may be fractional; null where the vendor has none",
    "source, request_id": "who says so, and in answer to which request (requests, below)",
    "former": "true: the file holds former versions of the bars in the file beside it, each known in [known_from, known_to)",
    "flags": "doubts about the bar, as bits: the table doubt_bits",
    "known_from": "since when this version is known; revision: how often it had changed before",
    "digest": "SHA-256 of the values, see scizor.archive.table.digest",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Entry:
    """One file. path: below the root. con_id: the contract whose bars they are, where known. sha256, digest: hex.
    first, last: starts of the first and the last bar. requests: rows of collection_logs, as text. former: it holds former versions."""

    path: str
    piece: Piece
    counted: Counted
    first: datetime
    last: datetime
    bytes: int
    sha256: str
    digest: str
    written_at: datetime
    con_id: int | None = None
    requests: tuple[dict[str, Any], ...] = ()
    former: bool = False


@dataclass(slots=True)
class Manifest:
    """mode: of the database that the bars came from: live, paper or replay."""

    folder: Path
    mode: str
    entries: dict[str, Entry] = field(default_factory=dict)

    def save(self) -> None:
        """Replaces manifest.json as a whole."""
        whole = {
            "format": "scizor bars", "version": VERSION, "mode": self.mode, "columns": MEANING,
            "files": [_said(self.entries[path]) for path in sorted(self.entries)],
        }  # fmt: skip
        text = json.dumps(whole, indent=1, default=str) + "\n"
        put(self.folder / NAME, lambda sink: sink.write(text.encode()))


def load(folder: Path, mode: str = "") -> Manifest:
    """The manifest of a folder. mode: what a folder that has none yet will hold; without it, FindingError where none is."""
    file = folder / NAME
    try:
        found = json.loads(file.read_bytes())
        entries = [_heard(each) for each in found["files"]]
        if not 1 <= found["version"] <= VERSION:
            raise FindingError(f"{file} is of version {found['version']}, this program knows {VERSION}")
        return Manifest(folder, found["mode"], {each.path: each for each in entries})
    except FileNotFoundError:
        if mode:
            return Manifest(folder, mode)
        raise FindingError(f"{folder} holds no archive: {NAME} is not there", hint="bin/export writes one; --folder names it") from None
    except (ValueError, KeyError, TypeError) as problem:
        raise FindingError(f"{file} is damaged: {problem!r}") from None


def strangers(manifest: Manifest) -> Iterable[Path]:
    """Files below the folder that the manifest does not name: a killed run's, or somebody else's."""
    named = {manifest.folder / path for path in manifest.entries} | {manifest.folder / NAME}
    return sorted(path for path in manifest.folder.rglob("*") if path.is_file() and path not in named)


def _said(entry: Entry) -> dict[str, Any]:
    piece, counted = entry.piece, entry.counted
    return {
        "path": entry.path, "symbol": piece.symbol, "con_id": entry.con_id, "timeframe": str(piece.timeframe),
        "kind": str(piece.origin.kind), "source": piece.origin.source, "regular_hours": piece.origin.regular_hours,
        "year": piece.year, "start": piece.start.isoformat(), "end": piece.end.isoformat(), "first": entry.first.isoformat(),
        "last": entry.last.isoformat(), "rows": counted.rows, "newest": counted.newest.isoformat(), "revisions": counted.revisions,
        "flags": counted.flags, "former": entry.former, "bytes": entry.bytes, "sha256": entry.sha256, "digest": entry.digest, "written_at": entry.written_at.isoformat(),
        "requests": list(entry.requests),
    }  # fmt: skip


def _heard(said: dict[str, Any]) -> Entry:
    def at(name: str) -> datetime:
        return datetime.fromisoformat(said[name])

    origin = Origin(Kind(said["kind"]), said["source"], bool(said["regular_hours"]))
    piece = Piece(said["symbol"], Timeframe(said["timeframe"]), origin, int(said["year"]), at("start"), at("end"))
    path = Path(said["path"])
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"a path that leads out of the archive: {path}")
    return Entry(
        str(path), piece, Counted(int(said["rows"]), at("newest"), int(said["revisions"]), int(said.get("flags", -1))), at("first"), at("last"), int(said["bytes"]),
        said["sha256"], said["digest"], at("written_at"), said["con_id"], tuple(said["requests"]), bool(said.get("former", False)),
    )  # fmt: skip


