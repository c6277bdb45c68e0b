"""A folder of recordings, whatever it is called and however it is divided: each file is judged by its first lines.

Files of no known kind are left alone; files that look like one but are not are named in `skipped`. Where the folder knows
an instrument it alone answers; with a seed, everything else is the simulated market's, and the label says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import date, datetime
from pathlib import Path
from typing import Protocol

from scizor.base.clock import Clock
from scizor.base.errors import ConfigurationError
from scizor.market.table import Problem
from scizor.market.types import Bar, Kind, Session, Timeframe
from scizor.replay.sources import ContractRow, Pattern, Source, asx_daily, ib_csv, master
from scizor.replay.sources.asx_daily import AsxDaily
from scizor.replay.sources.ib_csv import IbCsv, Recording
from scizor.replay.sources.lines import Problems
from scizor.replay.sources.simulated import Simulated

FILES_MAX = 50_000
_TEXT = {".csv", ".txt", ".gz", ".zst", ".tar"}


class Adapter(Source, Protocol):
    """A Source that can be one of several. has: it answers for this conId. problems: lines that it could not read."""

    problems: Problems

    def has(self, con_id: int) -> bool: ...
    def last_session(self, calendar: str = "", symbols: Sequence[str] = ()) -> date: ...


def open_folder(folder: Path, clock: Clock, known: master.Master | None = None, seed: int | None = None) -> Folder:
    """Looks at every file below the folder once. seed: simulate what is not recorded.

    ConfigurationError when nothing in it is a recording and nothing is simulated.
    """
    known = master.load() if known is None else known
    histories, day_files, intraday, skipped = [], [], [], {}
    paths = sorted(each for each in folder.rglob("*") if each.suffix.lower() in _TEXT and each.is_file())
    for path in paths[:FILES_MAX]:
        if asx_daily.is_history(path):
            histories.append(path)
        elif asx_daily.is_day_file(path):
            day_files.append(path)
        elif isinstance(found := ib_csv.recording(path), Recording):
            intraday.append(found)
        elif found:
            skipped[path] = found
    adapters: list[Adapter] = []
    without: set[tuple[str, str]] = set()
    if histories or day_files:
        asx = AsxDaily(histories, day_files, known)
        adapters.append(asx)
        without |= {(asx_daily.EXCHANGE, each) for each in asx.codes()}
    if intraday:
        us = IbCsv(intraday, known)
        adapters.append(us)
        without |= {(exchange, each) for each in us.codes() for exchange in ib_csv.EXCHANGES}
    if seed is not None:
        adapters.append(Simulated(seed, known, clock, without))
    if not adapters:
        raise ConfigurationError(f"nothing in {folder} is a recording that scizor can play", hint="--simulated SEED needs none")
    return Folder(adapters, skipped)


class Folder:
    """Several sources as one. skipped: files that look like a recording and are none, and why."""

    def __init__(self, adapters: Sequence[Adapter], skipped: dict[Path, str]) -> None:
        self._adapters = tuple(adapters)
        self.skipped = skipped

    @property
    def label(self) -> str:
        *recorded, last = (each.label for each in self._adapters)
        rest = isinstance(self._adapters[-1], Simulated) and bool(recorded)
        return "; ".join([*recorded, f"everything else {last}" if rest else last])

    @property
    def problems(self) -> list[Problem]:
        """Lines that could not be read, of the files that have been read; the first thousand of each kind of recording."""
        return [problem for each in self._adapters for problem in each.problems.kept]

    def contracts(self, pattern: Pattern, today: date) -> list[ContractRow]:
        return next((rows for each in self._adapters if (rows := each.contracts(pattern, today))), [])

    def bars(
        self, con_id: int, timeframe: Timeframe, kind: Kind, regular_hours: bool, first: date, last: date, now: datetime
    ) -> list[Bar]:
        source = self._of(con_id)
        return source.bars(con_id, timeframe, kind, regular_hours, first, last, now) if source else []

    def head(self, con_id: int, kind: Kind) -> datetime | None:
        source = self._of(con_id)
        return source.head(con_id, kind) if source else None

    def sessions(self, con_id: int, first: date, last: date) -> list[Session]:
        source = self._of(con_id)
        return source.sessions(con_id, first, last) if source else []

    def last_session(self, calendar: str = "", symbols: Sequence[str] = ()) -> date:
        """The newest recorded session; yesterday's where nothing is recorded. symbols: the newest that half of them reach,
        which is where a demo of these symbols should stand. LookupError when nothing fits."""
        recorded = [each for each in self._adapters if not isinstance(each, Simulated)]
        found = []
        for each in recorded or self._adapters:
            with suppress(LookupError):
                found.append(each.last_session(calendar, symbols))
        if not found:
            raise LookupError(f"nothing of {', '.join(symbols) or calendar} is recorded")
        return max(found)

    def _of(self, con_id: int) -> Adapter | None:
        return next((each for each in self._adapters if each.has(con_id)), None)
