"""What the gateway saw and what it said: in memory for tests in this process, as JSON lines for everybody else.

One line for each request (kind "request"; `at` is the instant at which its last byte was read, on the gateway's clock), one
when its answer left (kind "answer", the same n), and one for every connection, event and stop. A bench counts again from these
lines and needs nothing else of the gateway.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

KEPT = 100_000  # newest entries in memory, about 100 MB; the file keeps all


@dataclass(slots=True)
class Entry:
    """n: number of the request; 0 for entries that belong to none. verdict of a request: served, refused (invalid, unknown
    contract, 322), violation (of a rule that refuses it), fault, unserved, unreadable. rules: what it broke. fault: the name
    of what was ordered for it. key, contract_key, weight, bar_seconds: of historical requests, for recounting. open: open
    historical requests of the login, this one included. result of an answer: bars=N, sessions=N, error=CODE, lost, cancelled…
    """

    kind: str
    at: datetime
    n: int = 0
    client: int | None = None
    connection: int = 0
    id: int | None = None
    name: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)
    verdict: str = ""
    rules: tuple[str, ...] = ()
    fault: str = ""
    key: str = ""
    contract_key: str = ""
    weight: int = 0
    bar_seconds: int | None = None
    open: int = 0
    result: str = ""


class Journal:
    def __init__(self, file: Path | None) -> None:
        self.entries: deque[Entry] = deque(maxlen=KEPT)
        self._out: TextIO | None = file.open("w", encoding="utf-8") if file else None

    def write(self, entry: Entry) -> Entry:
        """Keeps it, and flushes its line: whoever kills the gateway still finds it."""
        self.entries.append(entry)
        if self._out:
            full = {key: value for key, value in asdict(entry).items() if value not in ("", (), {}, None)}
            full["at"] = entry.at.isoformat(timespec="microseconds")
            self._out.write(json.dumps(full, ensure_ascii=False) + "\n")
            self._out.flush()
        return entry

    def requests(self, name: str = "") -> list[Entry]:
        return [each for each in self.entries if each.kind == "request" and (not name or each.name == name)]

    def close(self) -> None:
        if self._out:
            self._out.close()
            self._out = None
