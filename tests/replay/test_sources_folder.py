"""A folder of recordings, whatever it is called."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from scizor.base.clock import StoppedClock
from scizor.base.errors import ConfigurationError
from scizor.market.types import Kind, Timeframe
from scizor.replay.sources import Pattern, Source, master
from scizor.replay.sources.folder import Folder, open_folder

NOW = datetime(2026, 1, 23, 8, tzinfo=UTC)
EVER = (date(2020, 1, 1), date(2026, 12, 1))


def filled(folder: Path) -> Path:
    (folder / "x" / "y").mkdir(parents=True)
    (folder / "x" / "AAA.csv").write_text("symbol,date,open,high,low,close,volume\nAAA,20251230,1,1,1,1,1\nAAA,20251231,x,1,1,1,1\n")
    opened = datetime(2026, 1, 22, 9, 30)  # noqa: DTZ001  recorded without a zone
    rows = [f"{opened + timedelta(minutes=5 * each)},10,11,9,10.5,100\n" for each in range(78)]
    (folder / "x" / "y" / "MMM_5min.csv").write_text("datetime,open,high,low,close,volume\n" + "".join(rows))
    (folder / "x" / "MMM_5min_mixed.csv").write_text("datetime,open,high,low,close,volume\n" + "".join(rows))
    (folder / "notes.txt").write_text("nothing of interest\n")
    (folder / "broken.csv.gz").write_bytes(b"not packed")
    (folder / "picture.png").write_bytes(b"\x89PNG")
    return folder


def count(source: Source, con_id: int, timeframe: Timeframe = Timeframe.DAY1) -> int:
    return len(source.bars(con_id, timeframe, Kind.TRADES, True, *EVER, NOW))


def row(source: Folder, symbol: str, exchange: str) -> int:
    (found,) = source.contracts(Pattern(symbol=symbol, exchange=exchange), NOW.date())
    return found.con_id


def test_adapters_are_picked_by_what_the_files_hold_and_lookalikes_are_named(tmp_path: Path) -> None:
    source = open_folder(filled(tmp_path), StoppedClock(NOW), master.Master())
    assert source.label == (
        "recorded: 1 ASX codes, daily, 2025-12-30..2025-12-30; recorded: 1 US symbols, 5min, 2026-01-22..2026-01-22"
    )
    assert count(source, row(source, "AAA", "ASX")) == 1
    assert count(source, row(source, "MMM", "NYSE"), Timeframe.MIN5) == 78
    assert [path.name for path in source.skipped] == ["MMM_5min_mixed.csv"]
    assert [(each.file, each.line, each.column) for each in source.problems] == [("AAA.csv", 3, "open")]
    assert source.last_session() == date(2026, 1, 22)
    assert source.last_session("XASX") == source.last_session("", ["AAA"]) == date(2025, 12, 30)
    assert source.contracts(Pattern(symbol="BBB", exchange="ASX"), NOW.date()) == []
    assert not source.sessions(17, *EVER) and source.head(17, Kind.TRADES) is None and count(source, 17) == 0
    assert source.head(row(source, "MMM", "NYSE"), Kind.TRADES) == datetime(2026, 1, 22, 14, 30, tzinfo=UTC)


def test_with_a_seed_everything_else_is_simulated_and_said_to_be(tmp_path: Path) -> None:
    source = open_folder(filled(tmp_path), StoppedClock(NOW), master.Master(), seed=3)
    assert source.label.startswith("recorded: ") and source.label.endswith("; everything else simulated, seed 3")
    assert count(source, row(source, "AAA", "ASX")) == 1, "what is recorded is never mixed with what is simulated"
    assert count(source, row(source, "BBB", "ASX")) > 1000
    later = source.contracts(Pattern(symbol="AAA", exchange="ASX"), date(2025, 1, 2))
    assert later == [], "the recording does not know it yet, and its silence counts"
    assert source.contracts(Pattern(con_id=row(source, "AAA", "ASX")), date(2025, 1, 2)) == [], "by its number too"
    assert source.last_session() == date(2026, 1, 22), "recorded"


def test_a_folder_without_recordings_is_refused_unless_something_is_simulated(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing\n")
    with pytest.raises(ConfigurationError, match="nothing in"):
        open_folder(tmp_path, StoppedClock(NOW), master.Master())
    source = open_folder(tmp_path, StoppedClock(NOW), master.Master(), seed=1)
    assert source.label == "simulated, seed 1" and source.last_session() == date(2026, 1, 22)
    with pytest.raises(LookupError):
        open_folder(filled(tmp_path), StoppedClock(NOW), master.Master()).last_session("XLON")


def test_the_recordings_open_as_one_source(recordings: Path) -> None:
    source = open_folder(recordings, StoppedClock(NOW))
    assert source.label.startswith("recorded: ") and "simulated" not in source.label
    assert not source.problems
    newest = source.last_session("XASX")
    found = source.contracts(Pattern(symbol="BHP", exchange="ASX", currency="AUD"), newest)
    assert len(found) == 1 and found[0].con_id == 4036812
