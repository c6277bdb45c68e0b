"""bin/clean-logs: what goes is pure; that it goes, and nothing else, on a real folder."""

from __future__ import annotations

import os
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from scizor.base.config import Config, LogsConfig
from scizor.base.exit import Exit
from scizor.jobs import clean_logs
from scizor.jobs.clean_logs import Log
from scizor.run import runner
from scizor.run.script import Needs
from tests.jobs.scripts import parse, script
from tests.run.configured import write

NOW = datetime(2025, 1, 15, 6, tzinfo=UTC)
KEEP = timedelta(days=90)


def a_log(name: str, megabytes: float, days: float) -> Log:
    return Log(Path(name), int(megabytes * 1e6), NOW - timedelta(days=days), name[-1].isdigit())


def test_what_is_old_goes_and_then_the_oldest_rotated_ones_until_the_rest_fits() -> None:
    logs = [a_log("a.log", 9, 0), a_log("a.log.1", 10, 1), a_log("a.log.2", 10, 20), a_log("gone.log", 1, 91), a_log("b.log", 5, 40), a_log("b.log.1", 10, 50)]
    names = [str(each.path) for each in clean_logs.what_goes(logs, NOW, KEEP, 25_000_000)]
    assert names == ["gone.log", "b.log.1", "a.log.2"]
    assert [str(each.path) for each in clean_logs.what_goes(logs, NOW, KEEP, 1_000_000)] == ["gone.log", "b.log.1", "a.log.2", "a.log.1", "b.log"], "never what is being written"
    assert clean_logs.what_goes([], NOW, KEEP, 0) == []


@pytest.mark.parametrize("seed", range(10))
def test_what_is_left_fits_or_is_being_written(seed: int) -> None:
    rng = random.Random(seed)
    logs = [a_log(f"j{number}.log" + rng.choice(["", ".1", ".2"]), rng.uniform(0, 12), rng.choice([0, 0.01, 1, 30, 89, 91, 500])) for number in range(rng.randrange(40))]
    limit = rng.choice([0, 10, 100, 1000]) * 1_000_000
    going = clean_logs.what_goes(logs, NOW, KEEP, limit)
    left = [each for each in logs if each not in going]
    assert sum(each.bytes for each in left) <= limit or all(not each.is_rotated and each.written_at >= NOW - clean_logs.FRESH for each in left)
    assert all(each.written_at >= NOW - KEEP for each in left)
    unforced = [each for each in going if each.written_at >= NOW - KEEP]
    assert not unforced or sum(each.bytes for each in left) + unforced[-1].bytes > limit, "no more than is needed"


@pytest.fixture
def folder(config: Config) -> Path:
    """Logs of yesterday and of last year, and what is none of ours."""
    logs = config.make_paths().logs
    logs.mkdir(parents=True)
    for name, days in {"old-job.log": 400, "old-job.log.1": 500, "new-job.log": 0, "bench.json": 400, "notes.txt": 400, "UPPER.log": 400, ".old-job.rotate.lock": 400}.items():
        (logs / name).write_text("x" * 1000)
        at = datetime.now(UTC).timestamp() - days * 86400
        os.utime(logs / name, (at, at))
    (logs / "link.log").symlink_to(logs / "notes.txt")
    return logs


def run(config: Config, tmp_path: Path, *argv: str) -> Exit:
    module, args = script("clean-logs"), parse("clean-logs", "--config", str(write(config, tmp_path / "scizor.toml")), *argv)
    return runner.run(module.job, args, name="clean-logs", needs=module.needs(args), scope="")


def test_a_dry_run_shows_and_the_run_deletes_logs_alone_and_leaves_a_row(
    config: Config, folder: Path, tmp_path: Path, database: psycopg.Connection, capfd: pytest.CaptureFixture[str]
) -> None:
    before = {each.name for each in folder.iterdir()}
    assert run(config, tmp_path, "--dry-run") is Exit.DONE
    assert "old-job.log.1: 1,000 bytes" in capfd.readouterr().out and before <= {each.name for each in folder.iterdir()}
    assert run(config, tmp_path) is Exit.DONE
    assert capfd.readouterr() == ("", "")
    left = {each.name for each in folder.iterdir()} - {".clean-logs.rotate.lock", "clean-logs.log"}
    assert left == before - {"old-job.log", "old-job.log.1"}
    assert run(config, tmp_path) is Exit.DONE, "twice"
    assert database.execute("SELECT job, outcome FROM job_runs ORDER BY id").fetchall() == [("clean-logs", "done"), ("clean-logs", "nothing-due")]


def test_it_makes_room_where_the_database_is_down_and_says_what_only_a_person_can_mend(
    config: Config, folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "PATIENCE_SECONDS", 0.0)
    down = replace(config, database=replace(config.database, host=str(tmp_path)), logs=LogsConfig(total_mb=10))
    (folder / "new-job.log").write_bytes(b"x" * 11_000_000)
    assert run(down, tmp_path) is Exit.FINDING
    assert not (folder / "old-job.log").exists() and (folder / "new-job.log").exists()
    assert "being written" in capfd.readouterr().err


def test_the_script_needs_no_database() -> None:
    module = script("clean-logs")
    assert module.needs(parse("clean-logs")) == Needs(database=False, row=False)
