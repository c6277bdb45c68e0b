"""bin/export: what leaves the database is exact, proved, and comes back; and nothing leaves that was not proved."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import psycopg
import pytest

from scizor import read
from scizor.base.clock import StoppedClock
from scizor.base.config import Config
from scizor.base.errors import FindingError, RefusedError, UsageError
from scizor.base.exit import Exit
from scizor.db import archives, migrate, symbols
from scizor.db.connect import connect
from scizor.market.types import Bar, Timeframe, Window
from tests.conftest import fresh_database
from tests.db.conftest import listed
from tests.jobs.archived import FIRST, LAST, NOW, daily, fill, put
from tests.jobs.scripts import Call, caller

Connection = psycopg.Connection[tuple[Any, ...]]
EVERYTHING = "SELECT * FROM bars ORDER BY symbol_id, timeframe, origin, timestamp"


@pytest.fixture
def filled(collector: Connection) -> Connection:
    fill(collector)
    return collector


@pytest.fixture
def other(server: Any, template: str, config: Config, clock: StoppedClock) -> Any:
    """Another database with the same universe and nothing collected: its connection, and calls of scripts on it."""
    with fresh_database(server, template) as found, connect(found, application="tests") as connection:
        symbols.store_listed(connection, [listed("BHP"), listed("CBA")], NOW)
        yield connection, caller(replace(config, database=found), connection, clock)


def archive(config: Config) -> Path:
    return Path(config.paths.state) / "archive"


def manifest(config: Config) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((archive(config) / "manifest.json").read_text())
    return found


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_what_is_exported_comes_back_into_another_database_bit_for_bit(filled: Connection, call: Call, other: Any, config: Config, form: str) -> None:
    assert call("export", "--format", form, "--verify").status is Exit.DONE
    there, call_there = other
    folder = archive(config)
    done = call_there("export", "--import", "--format", form, "--folder", folder)
    assert done.status is Exit.DONE, done
    whole = filled.execute(
        "SELECT s.symbol, b.timeframe, origin, timestamp, session_date, open, high, low, close, volume, wap, trades, flags, revision, "
        "request_id, known_from FROM bars b JOIN symbols s ON s.id = symbol_id ORDER BY 1, 2, 3, 4").fetchall()  # fmt: skip
    back = there.execute(
        "SELECT s.symbol, b.timeframe, origin, timestamp, session_date, open, high, low, close, volume, wap, trades, flags, revision, "
        "request_id, known_from FROM bars b JOIN symbols s ON s.id = symbol_id ORDER BY 1, 2, 3, 4").fetchall()  # fmt: skip
    assert whole and back == whole
    evidence = "SELECT id, payload_sha256, started_at, outcome, records_collected FROM collection_logs ORDER BY id"
    assert there.execute(evidence).fetchall() == filled.execute(evidence).fetchall()
    known = "SELECT s.symbol, m.timeframe, start_date, end_date, bar_count FROM historical_data_metadata m JOIN symbols s ON s.id = symbol_id ORDER BY 1, 2"
    assert there.execute(known).fetchall() == filled.execute(known).fetchall()
    again = call_there("export", "--import", "--format", form, "--folder", folder)
    assert again.summary.startswith(f"{len(manifest(config)['files'])} of") and " 0 bars stored" in again.summary
    # and the one path goes on from there: a window that is fetched again merges, and takes a number of its own
    held = {each.symbol: each for each in symbols.load_instruments(there, NOW)}
    put(there, Window(held["CBA"], Timeframe.DAY1, FIRST, LAST), daily(100.0), NOW + timedelta(days=1))
    assert there.execute("SELECT count(*) FROM bars").fetchone() == (len(whole),)


def test_every_row_says_who_said_it_in_answer_to_what_and_since_when_and_another_program_needs_nothing_of_ours(
    filled: Connection, call: Call, config: Config
) -> None:
    from pyarrow import parquet

    call("export")
    said = manifest(config)
    rows = 0
    for each in said["files"]:
        table = parquet.read_table(archive(config) / each["path"])
        assert table.num_rows == each["rows"]
        assert set(table["source"].to_pylist()) == {"ib"}
        assert set(table["request_id"].to_pylist()) <= {request["id"] for request in each["requests"]}
        assert table["known_from"].null_count == 0
        assert str(table.schema.field("close").type) == "decimal128(18, 8)"
        assert str(table.schema.field("timestamp").type) == "timestamp[us, tz=UTC]"
        rows += table.num_rows
    assert filled.execute("SELECT count(*) FROM bars").fetchone() == (rows,)
    assert {Path(each["path"]).parent.as_posix() for each in said["files"]} >= {"1day/CBA/TRADES-ib-regular", "1min/BHP/TRADES-ib-regular"}


def test_what_has_not_changed_is_not_written_again_and_what_was_restated_is(filled: Connection, call: Call, config: Config) -> None:
    assert call("export").summary.startswith("8 files written")
    second = call("export")
    assert second.was_idle and "0 files written" in second.summary and "8 unchanged" in second.summary
    before = (archive(config) / "1day/CBA/TRADES-ib-regular/2024.parquet").read_bytes()
    changed = daily(100.0)
    changed[-1] = changed[-1]._replace(close=changed[-1].close + 0.01)
    held = {each.symbol: each for each in symbols.load_instruments(filled, NOW)}
    put(filled, Window(held["CBA"], Timeframe.DAY1, FIRST, LAST), changed, NOW + timedelta(days=1))
    assert call("export").summary.startswith("2 files written"), "the year, and what its bar was before"
    assert (archive(config) / "1day/CBA/TRADES-ib-regular/2024.parquet").read_bytes() != before


KNOWN = 'SELECT s.symbol, b.* FROM bars_as_known(%s) b JOIN symbols s ON s.id = b.symbol_id ORDER BY 1, timeframe, origin, "timestamp"'


@pytest.fixture
def restated(filled: Connection) -> list[datetime]:
    """Two restatements of CBA's days, of both years: instants between which other versions were known."""
    held = {each.symbol: each for each in symbols.load_instruments(filled, NOW)}
    for hours, factor in ((24, 2.0), (48, 4.0)):
        bars = [Bar(each.start, *(round(value / factor, 4) for value in each[1:5]), volume=(each.volume or 1000.0) * factor) for each in daily(100.0)]
        put(filled, Window(held["CBA"], Timeframe.DAY1, FIRST, LAST), bars, NOW + timedelta(hours=hours))
    assert filled.execute("SELECT count(*) FROM bars_history").fetchone() == (2 * len(daily(100.0)),)
    return [NOW + timedelta(hours=each) for each in (-1, 1, 25, 49)]


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_I14_former_versions_come_back_into_another_database_and_answer_what_was_known_when(
    filled: Connection, restated: list[datetime], call: Call, other: Any, config: Config, form: str
) -> None:
    assert call("export", "--format", form, "--verify").status is Exit.DONE
    former = [each for each in manifest(config)["files"] if each["former"]]
    assert [each["path"] for each in former] == [f"1day/CBA/TRADES-ib-regular/{year}.former.{form}" for year in (2023, 2024)]
    there, call_there = other
    words = ("export", "--import", "--format", form, "--folder", archive(config))
    assert call_there(*words, "--dry-run").status is Exit.DONE
    assert there.execute("SELECT count(*) FROM bars_history").fetchone() == (0,)
    assert call_there(*words).status is Exit.DONE
    for at in restated:
        known = [row[:1] + row[2:] for row in filled.execute(KNOWN, [at])]
        assert [row[:1] + row[2:] for row in there.execute(KNOWN, [at])] == known
    again = call_there(*words)
    assert again.status is Exit.DONE and " 0 bars stored" in again.summary
    assert there.execute("SELECT count(*) FROM bars_history").fetchone() == filled.execute("SELECT count(*) FROM bars_history").fetchone()


def test_a_year_whose_former_versions_lie_in_no_verified_file_stays_and_files_alone_say_what_was_known(
    filled: Connection, restated: list[datetime], database: Connection, call: Call, config: Config
) -> None:
    known = [read.bars("CBA", "1day", connection=filled, as_known=at) for at in restated]
    assert known[0].empty and known[1]["close"].iloc[0] == 2 * known[2]["close"].iloc[0] == 4 * known[3]["close"].iloc[0]
    folder = str(archive(config).resolve())
    call("export", "--verify")
    database.execute("UPDATE archives SET former_path = NULL, former_rows = 0, former_newest = NULL, former_sha256 = NULL, former_digest = NULL")
    with pytest.raises(FindingError, match="1 series of 2023 equal no verified file"):
        archives.detach(filled, 2023, folder, NOW + timedelta(days=3))
    flip(archive(config) / "1day/CBA/TRADES-ib-regular/2023.former.parquet", 0.5)
    assert call("export", "--year", "2023", "--detach").status is Exit.FINDING
    assert call("export", "--year", "2023", "--detach").status is Exit.DONE
    database.execute("ALTER TABLE bars_history DISABLE TRIGGER append_only")  # as in a database that was made anew from the archive
    database.execute("DELETE FROM bars_history WHERE session_date < '2024-01-01'")
    for at, before in zip(restated, known, strict=True):
        pd.testing.assert_frame_equal(read.bars("CBA", "1day", connection=filled, as_known=at), before)
    (archive(config) / "1day/CBA/TRADES-ib-regular/2023.former.parquet").unlink()
    assert len(read.bars("CBA", "1day", connection=filled)) == len(known[3]), "who asks for what is known now needs no former version"
    with pytest.raises(FindingError, match=r"2023\.former\.parquet is not there"):
        read.bars("CBA", "1day", connection=filled, as_known=restated[1])


def test_a_detached_table_is_deleted_only_while_the_file_of_its_former_versions_is_whole(
    filled: Connection, restated: list[datetime], call: Call, config: Config, clock: StoppedClock
) -> None:
    assert call("export", "--year", "2023", "--detach").status is Exit.DONE
    clock.move(31 * 86400)
    file = archive(config) / "1day/CBA/TRADES-ib-regular/2023.former.parquet"
    whole = file.read_bytes()
    flip(file, 0.5)
    there = "SELECT to_regclass('scizor.detached_bars_2023') IS NOT NULL"
    assert call("prune").status is Exit.FINDING and filled.execute(there.encode()).fetchone() == (True,)
    file.write_bytes(whole)
    assert call("prune").status is Exit.DONE and filled.execute(there.encode()).fetchone() == (False,)
    assert len(read.bars("CBA", "1day", connection=filled, as_known=restated[1])) == len(daily(100.0))


def test_a_doubt_that_came_after_the_file_keeps_its_year_in_the_table(filled: Connection, call: Call, config: Config) -> None:
    folder = str(archive(config).resolve())
    call("export", "--year", "2023", "--verify")
    one = "(SELECT \"timestamp\" FROM bars WHERE timeframe = '1day' ORDER BY 1 OFFSET %s LIMIT 1)"
    filled.execute(f"UPDATE bars SET flags = flags | 32 WHERE timeframe = '1day' AND \"timestamp\" = {one}".encode(), [0])
    with pytest.raises(FindingError, match="2 series of 2023 equal no verified file"):
        archives.detach(filled, 2023, folder, NOW)
    assert call("export", "--year", "2023", "--verify").summary.startswith("2 files written")
    filled.execute("UPDATE bars SET flags = flags # 32 WHERE timeframe = '1day' AND session_date <= '2023-12-21'")  # from one bar to the next
    with pytest.raises(FindingError, match="2 series of 2023 equal no verified file"):
        archives.detach(filled, 2023, folder, NOW)
    assert call("export", "--year", "2023", "--detach").status is Exit.DONE
    found = read.bars("CBA", "1day", connection=filled)
    assert [each & 32 for each in found["flags"]][:3] == [0, 32, 0]
    assert set(read.bars("CBA", "1day", connection=filled, as_known=NOW)["flags"]) == {1}, "nobody knew of it then; the third decimal came with the bars"


def test_a_dry_run_says_how_much_and_writes_nothing(filled: Connection, call: Call, config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    call("export", "--dry-run", "--symbol", "CBA", "--timeframe", "1min")
    said = capsys.readouterr().out
    assert said.startswith("2 files to write of 2") and "1min/CBA/TRADES-ib-regular/2024.parquet" in said
    assert not archive(config).exists()


def test_a_range_inside_a_year_is_an_extract_and_replaces_no_year(filled: Connection, call: Call, config: Config, tmp_path: Path) -> None:
    call("export")
    call("export", "--from", "2024-01-03", "--to", "20240104", "--symbol", "CBA", "--timeframe", "1day")
    paths = {each["path"]: each["rows"] for each in manifest(config)["files"]}
    assert paths["1day/CBA/TRADES-ib-regular/2024.20240103T0000-20240105T0000.parquet"] == 2
    assert paths["1day/CBA/TRADES-ib-regular/2024.parquet"] > 2
    assert filled.execute("SELECT count(*) FROM archives").fetchone() == (8,)
    with pytest.raises(UsageError, match="leave no day"):
        call("export", "--from", "2024-01-05", "--to", "2024-01-04")


def flip(file: Path, place: float) -> None:
    data = bytearray(file.read_bytes())
    data[int(len(data) * place)] ^= 0x10
    file.write_bytes(data)


def test_a_flipped_bit_is_found_and_the_next_run_writes_the_file_anew(filled: Connection, call: Call, config: Config) -> None:
    call("export")
    flip(archive(config) / "1min/CBA/TRADES-ib-regular/2024.parquet", 0.3)
    found = call("export", "--verify")
    assert found.status is Exit.FINDING
    assert found.failures == ["1min/CBA/TRADES-ib-regular/2024.parquet has changed since it was written: its SHA-256 is another"]
    assert call("export", "--verify").status is Exit.DONE


def test_a_table_that_was_changed_behind_the_files_back_is_found(filled: Connection, database: Connection, call: Call) -> None:
    call("export")
    database.execute("ALTER TABLE bars DISABLE TRIGGER keep_revision")  # a value without a revision: nobody may, but a disk can
    database.execute("UPDATE bars SET volume = volume + 1 WHERE timeframe = '1day' AND session_date = '2024-01-03' AND symbol_id = (SELECT min(symbol_id) FROM bars)")
    database.execute("ALTER TABLE bars ENABLE TRIGGER keep_revision")
    found = call("export", "--verify")
    assert found.status is Exit.FINDING and "is not what is stored now" in found.failures[0]


def test_a_year_leaves_only_when_every_series_of_it_was_proved_and_comes_back_whole(filled: Connection, call: Call, config: Config) -> None:
    before = filled.execute(EVERYTHING).fetchall()
    sessions = filled.execute("SELECT count(*) FROM coverage").fetchone()
    done = call("export", "--year", "2023", "--detach")
    assert done.status is Exit.DONE and "2023 detached" in done.summary, done
    left = filled.execute(EVERYTHING).fetchall()
    gone = [row for row in before if row not in left]
    assert gone and {row[3].year for row in gone} == {2023}
    assert filled.execute("SELECT sum(bars) FROM archived_sessions").fetchone() == (len(gone),)
    counted = "SELECT sum(bar_count) FROM historical_data_metadata"
    assert filled.execute(counted).fetchone() == (len(left),)
    assert filled.execute("SELECT count(*) FROM coverage").fetchone() == sessions
    # a window that is fetched again finds room, and its bars are the table's
    held = {each.symbol: each for each in symbols.load_instruments(filled, NOW)}
    back = call("export", "--import", "--year", "2023")
    assert back.status is Exit.DONE, back
    assert filled.execute(EVERYTHING).fetchall() == before
    assert filled.execute("SELECT count(*) FROM archived_sessions").fetchone() == (0,)
    assert filled.execute(counted).fetchone() == (len(before),)
    assert held


def test_bars_that_are_fetched_again_after_their_year_left_are_stored_and_win(filled: Connection, call: Call) -> None:
    before = filled.execute(EVERYTHING).fetchall()
    call("export", "--year", "2023", "--detach")
    held = {each.symbol: each for each in symbols.load_instruments(filled, NOW)}
    halves = [each._replace(**{name: getattr(each, name) / 2 for name in ("open", "high", "low", "close", "wap")}) for each in daily(100.0)]
    put(filled, Window(held["CBA"], Timeframe.DAY1, FIRST, LAST), halves, NOW + timedelta(days=1))
    done = call("export", "--import", "--year", "2023")
    assert done.status is Exit.DONE and "otherwise in the table" in done.summary
    assert len(filled.execute(EVERYTHING).fetchall()) == len(before)
    row = filled.execute("SELECT max(close) FROM bars WHERE symbol_id = %s AND timeframe = '1day'", [held["CBA"].symbol_id]).fetchone()
    assert row is not None and row[0] < 100


def test_the_only_copy_of_a_year_is_never_written_over_and_other_folders_get_the_whole(
    filled: Connection, call: Call, config: Config, clock: StoppedClock, tmp_path: Path
) -> None:
    whole = read.bars("CBA", "1day", connection=filled)
    call("export", "--year", "2023", "--detach")
    clock.move(31 * 86400)
    assert call("prune").status is Exit.DONE
    file = archive(config) / "1day/CBA/TRADES-ib-regular/2023.parquet"
    only = file.read_bytes()
    held = {each.symbol: each for each in symbols.load_instruments(filled, NOW)}
    one = daily(100.0)[2]._replace(close=102.51)  # one bar of that year is fetched again
    put(filled, Window(held["CBA"], Timeframe.DAY1, one.start, one.start), [one], clock.now())  # type: ignore[arg-type]
    for words in ((), ("--year", "2023"), ("--verify",), ("--symbol", "CBA", "--verify")):
        assert call("export", *words).status is Exit.DONE
        assert file.read_bytes() == only
    found = call("export", "--year", "2023", "--detach")
    assert found.status is Exit.FINDING and "equal no verified file" in found.failures[0] and file.read_bytes() == only
    done = call("export", "--format", "csv", "--folder", tmp_path / "out", "--symbol", "CBA", "--timeframe", "1day")
    assert done.status is Exit.DONE
    lines = [line for path in sorted((tmp_path / "out").rglob("*.csv")) for line in path.read_text().splitlines()[1:]]
    assert len(lines) == len(whole) and sum(",102.51," in line for line in lines) == 1
    # imported and detached anew, the file holds both
    assert call("export", "--import", "--year", "2023").status is Exit.DONE
    assert call("export", "--year", "2023", "--detach").status is Exit.DONE
    again = read.bars("CBA", "1day", connection=filled)
    assert len(again) == len(whole) and again["close"].iloc[2] == 102.51


def test_files_that_the_database_does_not_know_are_known_once_they_are_proved(filled: Connection, database: Connection, call: Call) -> None:
    call("export")
    database.execute("DELETE FROM archives")  # as after a restore from before
    assert call("export").was_idle
    assert call("export", "--year", "2023", "--detach").status is Exit.DONE


def test_the_database_itself_refuses_to_let_go_what_no_verified_file_equals(filled: Connection, call: Call, config: Config) -> None:
    folder = str(archive(config).resolve())
    with pytest.raises(FindingError, match="4 series of 2023 equal no verified file"):
        archives.detach(filled, 2023, folder, NOW)
    call("export")  # written, not verified
    with pytest.raises(FindingError, match="4 series of 2023 equal no verified file"):
        archives.detach(filled, 2023, folder, NOW)
    call("export", "--verify")
    changed = daily(100.0)
    changed[0] = changed[0]._replace(close=changed[0].close + 0.01)
    held = {each.symbol: each for each in symbols.load_instruments(filled, NOW)}
    put(filled, Window(held["CBA"], Timeframe.DAY1, FIRST, LAST), changed, NOW + timedelta(days=1))
    with pytest.raises(FindingError, match="1 series of 2023 equal no verified file"):
        archives.detach(filled, 2023, folder, NOW)
    with pytest.raises(FindingError, match="still being collected"):
        archives.detach(filled, 2025, folder, NOW)
    assert migrate.last_partition_year(filled) >= 2025


def test_a_damaged_file_keeps_its_year_in_the_table(filled: Connection, call: Call, config: Config) -> None:
    call("export", "--year", "2023")
    flip(archive(config) / "1day/CBA/TRADES-ib-regular/2023.parquet", 0.5)
    before = filled.execute("SELECT count(*) FROM bars").fetchone()
    found = call("export", "--year", "2023", "--detach")
    assert found.status is Exit.FINDING and "detached" not in found.summary
    assert filled.execute("SELECT count(*) FROM bars").fetchone() == before


def test_an_archive_of_another_mode_or_of_another_database_is_refused(filled: Connection, call: Call, other: Any, config: Config) -> None:
    call("export", "--symbol", "CBA")
    there, call_there = other
    held = {each.symbol: each for each in symbols.load_instruments(there, NOW)}
    from scizor.db import calendar
    from tests.jobs.archived import sessions

    calendar.store(there, sessions(), "exchange_calendars", NOW)
    for _ in range(4):
        put(there, Window(held["BHP"], Timeframe.DAY1, FIRST, LAST), daily(45.0), NOW)  # takes the numbers
    found = call_there("export", "--import", "--folder", archive(config))
    assert found.status is Exit.FINDING and "is another one here" in found.failures[0]
    file = archive(config) / "manifest.json"
    file.write_text(file.read_text().replace('"mode": "replay"', '"mode": "live"'))
    with pytest.raises(RefusedError, match="holds bars of mode live, not replay"):
        call("export")
    with pytest.raises(RefusedError, match="holds bars of mode live, not replay"):
        call("export", "--import")


def test_options_that_contradict_each_other_are_refused(call: Call) -> None:
    for words in (
        "--detach", "--detach --year 2023 --symbol CBA", "--detach --year 2023 --format csv", "--import --verify", "--timeframe 2min",
        "--year 23", "--import --from 2024-01-01",
    ):  # fmt: skip
        with pytest.raises(UsageError):
            call("export", *words.split())


def test_a_run_that_is_stopped_leaves_whole_files_and_the_next_goes_on(
    filled: Connection, call: Call, config: Config, clock: StoppedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    from scizor.archive import files
    from scizor.jobs import export
    from tests.jobs.scripts import context_of

    context, real, count = context_of(config, filled, clock, "export"), files.write, 0

    def write(bars: Any, file: Path) -> None:
        nonlocal count
        real(bars, file)
        count += 1
        if count == 3:
            context.stop.ask(Exit.TERMINATED)

    monkeypatch.setattr(files, "write", write)
    stopped = export.run(context)
    assert stopped.status is Exit.PARTIAL and stopped.summary.startswith("3 files written")
    assert len(manifest(config)["files"]) == 3
    (archive(config) / "1day/CBA/TRADES-ib-regular").mkdir(parents=True, exist_ok=True)
    (archive(config) / "1day/CBA/TRADES-ib-regular/2024.parquet.partial").write_bytes(b"half")  # as after a kill
    rest = call("export", "--verify")
    assert rest.status is Exit.DONE and rest.summary.startswith("5 files written")
    assert not list(archive(config).rglob("*.partial"))


def test_a_job_that_was_killed_before_the_manifest_was_saved_writes_those_files_again(
    filled: Connection, call: Call, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    from scizor.archive.manifest import Manifest

    class Killed(BaseException):
        pass

    def die(self: Manifest) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Manifest, "save", die)
        with pytest.raises(Killed):
            call("export")
    assert len(list(archive(config).rglob("*.parquet"))) == 8 and not (archive(config) / "manifest.json").exists()
    assert call("export", "--verify").summary.startswith("8 files written")
