"""Jobs that are held, and that go on: by whom, until when, and never for longer than a day."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from scizor.base import pausing
from scizor.base.config import Config
from scizor.base.errors import UsageError
from scizor.base.exit import Exit
from scizor.base.lock import hold
from scizor.base.pausing import FILE, MOST, USUAL, Pause
from tests.jobs.stage import Stage, stage

NOW = datetime(2025, 1, 15, 8, 0, tzinfo=UTC)


@pytest.fixture
def there(config: Config, database: psycopg.Connection, tmp_path: Path) -> Iterator[Stage]:
    with stage(config, database, tmp_path, speed=15.0) as found:
        found.list_symbols("CBA")
        yield found


def test_a_paused_job_asks_nothing_says_nothing_and_ends_with_0(there: Stage, capfd: pytest.CaptureFixture[str]) -> None:
    assert there.run("pause", "--for", "30m", "--reason", "new disk") is Exit.DONE
    capfd.readouterr()
    assert there.run("collect-daily") is Exit.DONE
    assert there.requests() == [] and there.rows("SELECT count(*) FROM job_runs WHERE job = 'collect-daily'") == [(0,)]
    assert capfd.readouterr() == ("", "")
    assert there.run("collect-daily", "-v") is Exit.DONE
    assert "(new disk), nothing was done. HINT: bin/resume" in capfd.readouterr().err
    assert there.run("coverage") is Exit.DONE, "looking is not held"
    assert there.run("collect-daily", "--dry-run") is Exit.DONE
    assert "CBA" in capfd.readouterr().out
    assert there.run("resume") is Exit.DONE and there.run("resume") is Exit.DONE
    assert there.run("collect-daily") is Exit.DONE
    assert len(there.requests()) == 1


def test_it_waits_for_a_job_that_runs_and_without_wait_says_which_one(there: Stage, capfd: pytest.CaptureFixture[str]) -> None:
    with hold(there.config.make_paths().locks, "backfill", {"pid": 4711}):
        assert there.run("pause", "-v") is Exit.DONE
        log = there.config.make_paths().logs / "pause.log"
        assert "still running: backfill (pid 4711)" in log.read_text()
    assert there.run("pause", "--wait") is Exit.DONE
    assert "no job runs" in log.read_text().splitlines()[-1]


def test_a_pause_ends_by_itself_at_its_time(tmp_path: Path) -> None:
    pausing.write(tmp_path, Pause(NOW, NOW + timedelta(hours=1), "me", "why"))
    assert pausing.read(tmp_path, NOW + timedelta(minutes=59)) == Pause(NOW, NOW + timedelta(hours=1), "me", "why")
    assert pausing.read(tmp_path, NOW + timedelta(hours=1)) is None
    assert pausing.end(tmp_path) and not pausing.end(tmp_path)


def test_nobody_can_pause_for_longer_than_a_day_not_even_by_hand(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(json.dumps({"since": NOW.isoformat(), "until": "2099-01-01T00:00:00+00:00"}))
    assert pausing.read(tmp_path, NOW + MOST - timedelta(seconds=1)) is not None
    assert pausing.read(tmp_path, NOW + MOST) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '"x"', "{}", '{"since": 1, "until": []}', '{"since": "soon", "until": "later"}', "\x00\xff"])
def test_a_file_that_cannot_be_read_holds_for_the_usual_time_after_it_was_written(tmp_path: Path, text: str) -> None:
    path = tmp_path / FILE
    path.write_bytes(text.encode("latin-1"))
    written = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    found = pausing.read(tmp_path, written + timedelta(minutes=1))
    assert found is not None and "cannot be read" in found.reason
    assert pausing.read(tmp_path, written + USUAL) is None


def test_an_instant_without_a_zone_holds_and_is_named(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(json.dumps({"since": "2025-01-15T08:00:00", "until": "2025-01-15T09:00:00"}))
    found = pausing.read(tmp_path, NOW)
    assert found is not None and "names no time zone" in found.reason


@pytest.mark.parametrize("text", ["", "2", "h", "0h", "25h", "2d", "-1h", "1.5h", "9999d", "٢h", "2 h", "1w"])
def test_what_is_no_duration_of_up_to_a_day_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no duration"):
        pausing.duration(text)


def test_the_durations_that_the_help_names(tmp_path: Path) -> None:
    assert [pausing.duration(each) for each in ("30m", "2h", "1d")] == [timedelta(minutes=30), USUAL, MOST]
