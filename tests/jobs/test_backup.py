"""bin/backup and bin/restore: what counts was brought back and is equal; what is damaged, shrunk or half written does not.

One database and one backup for the module: each test looks at it, or at a copy of its folder.
"""

from __future__ import annotations

import errno
import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from scizor.base.clock import StoppedClock
from scizor.base.config import BackupConfig, Config
from scizor.base.errors import (
    ConfigurationError,
    FindingError,
    NoSpaceError,
    RefusedError,
    ScizorError,
    UnreachableError,
    UsageError,
)
from scizor.base.exit import Exit
from scizor.base.paths import ROOT
from scizor.db import backups, migrate
from scizor.db.connect import connect
from scizor.db.embedded import SUPERUSER, Embedded
from scizor.jobs import backup
from scizor.run import clients, dumping, sealing
from scizor.run.context import Result
from tests.conftest import EPOCH, as_superuser, fresh_database
from tests.jobs.archived import fill
from tests.jobs.scripts import context_of, script
from tests.run.configured import write

Connection = psycopg.Connection[tuple[Any, ...]]
EVERYTHING = 'SELECT * FROM bars ORDER BY symbol_id, timeframe, origin, "timestamp"'


@dataclass
class Scene:
    """A filled database, its collector, and a folder for backups."""

    config: Config
    collector: Connection
    clock: StoppedClock
    server: Embedded

    def __call__(self, name: str, *argv: object, **changed: Any) -> Result:
        config = replace(self.config, backup=replace(self.config.backup, **changed)) if changed else self.config
        result: Result = script(name).job(context_of(config, self.collector, self.clock, name, *argv))
        return result

    @property
    def folder(self) -> Path:
        return self.config.backup_directory()

    def rows(self) -> list[backups.Backup]:
        return backups.load(self.collector)

    def names(self) -> list[str]:
        return sorted(each.name for each in self.folder.iterdir() if each.is_dir())

    def at(self, name: str, user: str = SUPERUSER) -> Connection:
        return connect(self.config.database, application="tests", user=user, name=name)

    def drop(self, name: str) -> None:
        with as_superuser(self.server, "postgres") as superuser:
            superuser.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@pytest.fixture(scope="module")
def stage(server: Embedded, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    home = tmp_path_factory.mktemp("backups")
    with fresh_database(server, template) as database, connect(database, application="tests") as collector:
        with as_superuser(server, "postgres") as superuser:  # as bin/migrate leaves it
            superuser.execute(f'ALTER DATABASE "{database.name}" OWNER TO scizor_owner')
            superuser.execute(f"ALTER DATABASE \"{database.name}\" SET timezone TO 'UTC'")
        fill(collector)
        default = Config()
        config = replace(
            default, mode="replay", database=database, paths=replace(default.paths, state=str(home / "state"), logs=str(home / "logs")),
            backup=BackupConfig(directory=str(home / "shelf"), restore_user=SUPERUSER, free_gb_min=0.0),
        )  # fmt: skip
        found = Scene(config, collector, StoppedClock(EPOCH), server)
        yield found


@pytest.fixture(scope="module")
def made(stage: Scene) -> Path:
    """The module's backup, verified."""
    assert stage("backup").status is Exit.DONE
    return Path(stage.rows()[0].path)


def test_a_backup_is_restored_and_compared_before_it_counts(stage: Scene, made: Path) -> None:
    row = stage.rows()[0]
    assert row.state == "verified" and row.result is not None and row.result["rows"] > 900
    assert stage.names() == [made.name]
    assert {each.name for each in made.iterdir()} == {"database.dump", "globals.sql", "manifest.json", "SHA256SUMS"}
    assert all(each.stat().st_mode & 0o077 == 0 for each in (made, *made.iterdir()))
    manifest = dumping.load(made)
    assert manifest["tables"]["scizor.bars_2024"]["rows"] > 100 and manifest["mode"] == "replay"
    assert json.loads(made.with_name(made.name + ".verified.json").read_text())["rows"] == manifest["rows"]


def test_what_is_restored_is_equal_its_sequences_go_on_and_rights_are_as_before(stage: Scene, made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = f"{stage.config.database.name}_back"
    try:
        result = stage("restore", "--into", name, "latest")
        assert result.status is Exit.DONE
        assert "equal" in capsys.readouterr().out
        with stage.at(name) as back, stage.at(stage.config.database.name) as source:
            assert back.execute(EVERYTHING).fetchall() == source.execute(EVERYTHING).fetchall()
            assert back.execute("SHOW search_path").fetchone() == ("scizor",)
        with stage.at(name, "scizor_collector") as collector:
            collector.execute("INSERT INTO kpis (name, at, value, unit) VALUES ('x', '2025-01-15Z', 1, '')")
            backups.start(collector, "/x", EPOCH)
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                collector.execute("DELETE FROM bars")
        with stage.at(name, "scizor_reader") as reader:
            assert reader.execute("SELECT count(*) > 100 FROM market_data").fetchone() == (True,)
        with pytest.raises(UsageError, match="target is not empty"):
            stage("restore", "--into", name, made.name)
        with stage.at(name, "scizor_owner") as owner:
            assert migrate.apply(owner, EPOCH) == []
    finally:
        stage.drop(name)


# Damage: on copies of the folder, which the module's database does not know


def copied(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / made.name))


def flipped(file: Path, at: int = -200) -> None:
    data = bytearray(file.read_bytes())
    data[at] ^= 4
    file.write_bytes(data)


def older_manifest(folder: Path) -> None:
    manifest = dumping.load(folder)
    manifest["tables"]["scizor.symbols"]["rows"] += 1
    (folder / "manifest.json").write_text(json.dumps(manifest))


DAMAGE = {
    "database.dump has changed": lambda folder: flipped(folder / "database.dump"),
    "globals.sql has changed": lambda folder: flipped(folder / "globals.sql", 5),
    "has changed": lambda folder: flipped(folder / "SHA256SUMS", 5),
    "manifest.json has changed": older_manifest,
    "database.dump is missing": lambda folder: (folder / "database.dump").unlink(),
    "x is not of it": lambda folder: (folder / "x").write_text(""),
    "has no SHA256SUMS": lambda folder: (folder / "SHA256SUMS").unlink(),
    "is no file": lambda folder: (folder / "x").symlink_to("database.dump"),
}  # fmt: skip


@pytest.mark.parametrize("said", DAMAGE, ids=list(DAMAGE))
def test_damage_is_named_before_anything_is_restored(stage: Scene, made: Path, tmp_path: Path, said: str) -> None:
    folder = copied(made, tmp_path)
    DAMAGE[said](folder)  # type: ignore[no-untyped-call]
    with pytest.raises(FindingError, match=said):
        stage("restore", "--into", "never_made", folder)


def test_damage_under_new_sums_is_found_by_reading_to_the_end(stage: Scene, made: Path, tmp_path: Path) -> None:
    folder = copied(made, tmp_path)
    dump = folder / "database.dump"
    dump.write_bytes(dump.read_bytes()[:-5000])
    (folder / "SHA256SUMS").write_text(sealing.sums(folder))
    with pytest.raises(FindingError, match=r"pg_restore ended with 1|does not hold what went into it"):
        stage("restore", "--into", "never_made", folder)


def test_a_dump_that_restores_to_something_else_is_not_equal(stage: Scene, made: Path, tmp_path: Path) -> None:
    """The planted breach of the comparison: a manifest, sealed anew, that says one row more."""
    folder = copied(made, tmp_path)
    older_manifest(folder)
    (folder / "SHA256SUMS").write_text(sealing.sums(folder))
    result = stage("backup", "--verify", folder)
    assert result.status is Exit.FINDING and "table scizor.symbols: rows 3 became 2" in result.failures[0]
    assert [row.state for row in stage.rows()] == ["verified", "complete"]
    backups.expired(stage.collector, stage.rows()[-1].id)


# What ends before the first byte


def test_a_backup_of_a_newer_schema_or_server_or_for_absent_roles_is_refused_with_78(stage: Scene, made: Path, tmp_path: Path) -> None:
    changes: list[tuple[str, dict[str, Any]]] = [
        ("holds schema 999", {"schema_number": 999}), ("is of PostgreSQL 99", {"server_version": 990001}),
        ("has no role nobody_knows", {"database": {"roles": ["nobody_knows"]}}),
    ]  # fmt: skip
    for said, change in changes:
        folder = copied(made, tmp_path / said)
        manifest = dumping.load(folder)
        for key, value in change.items():
            manifest[key] = {**manifest[key], **value} if isinstance(value, dict) else value
        dumping.save(folder, manifest)
        with pytest.raises(ConfigurationError, match=said):
            stage("restore", "--into", "never_made", folder)


def test_a_pg_dump_older_than_the_server_is_refused_with_78(stage: Scene, tmp_path: Path) -> None:
    for name in ("pg_dump", "pg_restore"):
        (tmp_path / name).write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 14.9'\n")
        (tmp_path / name).chmod(0o755)
    with pytest.raises(ConfigurationError, match=r"pg_dump 14 cannot dump server 1\d: it must not be older"):
        stage("backup", client_binaries=str(tmp_path))
    assert not list(stage.folder.glob("*.partial"))


def test_no_room_is_noticed_before_the_first_byte(stage: Scene, made: Path) -> None:
    with pytest.raises(NoSpaceError, match="GB, and has"):
        stage("backup", free_gb_min=90000.0)
    assert stage.names() == [made.name]


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(stage: Scene, made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert stage("backup", "--dry-run").status is Exit.DONE
    said = capsys.readouterr().out
    assert "scizor_backup with pg_dump" in said and "_restore_test by postgres" in said and "RPO" in said
    refused = stage("backup", "--dry-run", restore_user="scizor_collector")
    assert refused.status is Exit.REFUSED and "--print-setup" in refused.hint
    stage("restore", "--into", "never_made", "latest", "--dry-run")
    assert "would go into the new database never_made" in capsys.readouterr().out
    assert stage.names() == [made.name]
    with pytest.raises(UsageError, match="no verified backup"):
        stage("restore", "--into", "never_made", "--to", stage.folder / "elsewhere", "latest")


# Killed, shrunk, encrypted


def test_what_a_killed_run_left_goes_and_a_whole_one_without_its_row_is_taken_over(stage: Scene, made: Path) -> None:
    of = stage.config.database.name
    half = stage.folder / f"{of}-20250114T060000Z.partial"
    stranger = stage.folder / "somebody-20250114T060000Z.partial"
    for each in (half, stranger):
        each.mkdir()
        (each / "database.dump").write_text("half")
    gone = backups.start(stage.collector, str(half.with_suffix("")), EPOCH)
    late = stage.folder / f"{of}-20250113T060000Z"
    shutil.copytree(made, late)  # killed between the rename and the row
    taken = backups.start(stage.collector, str(late), EPOCH)
    stage.clock.move(86400.0)
    assert stage("backup").status is Exit.DONE
    states = {row.id: row.state for row in stage.rows()}
    assert gone not in states and states[taken] == "complete" and max(states) not in (gone, taken)
    assert not half.exists() and stranger.exists()
    assert stage("backup", "--verify", late.name).status is Exit.DONE
    assert {row.id: row.state for row in stage.rows()}[taken] == "verified"
    shutil.rmtree(stranger)


@pytest.mark.parametrize("at", ["dump", "copy_archives", "save", "read_through"])
def test_a_run_that_fails_anywhere_leaves_nothing_that_counts(stage: Scene, made: Path, monkeypatch: pytest.MonkeyPatch, at: str) -> None:
    before = [(row.id, row.state) for row in stage.rows()]

    def fail(*_: object) -> None:
        raise ScizorError("injected")

    monkeypatch.setattr(backup if at == "copy_archives" else dumping, at, fail)
    with pytest.raises(ScizorError, match="injected"):
        stage("backup")
    assert [(row.id, row.state) for row in stage.rows()] == before and not list(stage.folder.glob("*.partial"))


def test_a_full_disk_in_the_middle_is_73_and_leaves_nothing(stage: Scene, made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    before = [(row.id, row.state) for row in stage.rows()]
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(NoSpaceError, match="no room for"):
        stage("backup")
    assert [(row.id, row.state) for row in stage.rows()] == before and not list(stage.folder.glob("*.partial"))


def test_a_backup_without_the_bars_that_were_there_does_not_count_until_somebody_says_so(stage: Scene, made: Path) -> None:
    stage.clock.move(86400.0)
    with stage.at(stage.config.database.name) as superuser:
        superuser.execute("CREATE TABLE aside AS SELECT * FROM bars; TRUNCATE bars")
    try:
        with pytest.raises(RefusedError, match=r"may not read scizor\.aside, and a backup is of everything"):
            stage("backup")
        with stage.at(stage.config.database.name) as superuser:
            superuser.execute("GRANT SELECT ON aside TO scizor_backup")
        with pytest.raises(FindingError, match="no row is left in bars"):
            stage("backup", shrink_percent_max=90.0)
        row = stage.rows()[-1]
        assert row.state == "complete" and row.result is not None and "no row is left in bars" in row.result["why"]
        assert stage("backup", "--verify", Path(row.path).name, "--accept-shrink").status is Exit.DONE
        assert stage.rows()[-1].state == "verified"
        sealing.remove(Path(row.path))
        backups.expired(stage.collector, row.id)
    finally:
        with stage.at(stage.config.database.name) as superuser:
            superuser.execute("INSERT INTO bars SELECT * FROM aside; DROP TABLE aside")


def test_an_encrypted_backup_is_proved_with_its_key_and_refused_without(stage: Scene, made: Path, tmp_path: Path) -> None:
    import pyrage

    keys = [pyrage.x25519.Identity.generate() for _ in range(3)]
    files = []
    for number, key in enumerate(keys):
        files.append(tmp_path / f"key{number}")
        files[-1].write_text(f"# made for a test\n{key}\n")
        files[-1].chmod(0o400)
    public = tmp_path / "public"
    public.write_text(f"# elsewhere\n{keys[1].to_public()}\n")
    both = f"{keys[0].to_public()}, {public}"
    stage.clock.move(86400.0)
    assert stage("backup", recipients=both, identity_file=str(files[0])).status is Exit.DONE
    folder = Path(stage.rows()[-1].path)
    assert (folder / "database.dump.age").read_bytes().startswith(b"age-encryption.org/v1")
    assert b"PGDMP" not in (folder / "database.dump.age").read_bytes() and not (folder / "database.dump").exists()
    assert stage("restore", "--into", "never_made", folder, "--dry-run", identity_file=str(files[1])).status is Exit.DONE
    with pytest.raises(FindingError, match="cannot be decrypted"):
        stage("restore", "--into", "never_made", folder, identity_file=str(files[2]))
    with pytest.raises(ConfigurationError, match="is encrypted"):
        stage("restore", "--into", "never_made", folder)
    flipped(folder / "database.dump.age")
    result = stage("backup", "--verify", folder.name, identity_file=str(files[0]))
    assert result.status is Exit.FINDING and "database.dump.age has changed" in result.failures[0]
    assert stage.rows()[-1].state == "corrupt" and {row.state for row in stage.rows()[:-1]} == {"verified"}
    assert not folder.with_name(folder.name + ".verified.json").exists()
    assert stage("backup", "--prune").was_idle, "nothing goes while the newest is not verified"
    with pytest.raises(ConfigurationError, match="no age public key"):
        stage("backup", recipients="age1nonsense", identity_file=str(files[0]))
    sealing.remove(folder)
    backups.expired(stage.collector, stage.rows()[-1].id)


def test_files_of_detached_years_are_in_it_and_come_back_to_their_place(stage: Scene, made: Path) -> None:
    stage.clock.move(86400.0)
    stage("export", "--year", "2023", "--detach")
    archive = Path(stage.config.paths.state) / "archive"
    result = stage("backup")
    assert result.status is Exit.DONE
    folder = Path(stage.rows()[-1].path)
    named = [each for each in dumping.load(folder)["files"] if each["what"] == "archive"]
    assert {each["file"] for each in named} >= {"manifest.json", "1day/BHP/TRADES-ib-regular/2023.parquet"}
    lost = archive / "1day/BHP/TRADES-ib-regular/2023.parquet"
    was = lost.read_bytes()
    lost.unlink()
    name = f"{stage.config.database.name}_years"
    try:
        assert stage("restore", "--into", name, folder, "--archives").status is Exit.DONE
        assert lost.read_bytes() == was
    finally:
        stage.drop(name)
    lost.write_bytes(was[:-1])
    partial = stage.folder / "aside"
    partial.mkdir()
    task = dumping.Task(stage.config, stage.config.database, stage.clock)
    copies, findings = backup.copy_archives(task, partial, [], backups.archives(stage.collector))
    assert len(findings) == 1 and f"{lost} is not the file that was verified" in findings[0], "it is told, and holds up nothing"
    assert len(copies) == len(named) - 1
    shutil.rmtree(partial)
    lost.write_bytes(was)
    stage.clock.move(86400.0)
    assert stage("backup", "--without-archives", "--accept-shrink").status is Exit.DONE
    assert str(lost) in dumping.load(Path(stage.rows()[-1].path))["archives_left_out"]


def test_the_list_says_what_would_be_lost_and_how_long_it_takes(stage: Scene, made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stage("backup", "--list")
    said = capsys.readouterr().out
    assert "RPO: what is younger than 2025-01-" in said and "RTO: bringing the rest back took" in said
    with stage.at(stage.config.database.name, "scizor_reader") as reader:
        seen = reader.execute("SELECT id, rows > 900 FROM v_backups WHERE is_recovery_point ORDER BY id DESC").fetchall()
    assert seen[0] == (max(row.id for row in stage.rows() if row.state == "verified"), True)


def test_a_disk_that_is_not_mounted_makes_no_backup_corrupt_and_is_no_reason_to_forget_one(stage: Scene, made: Path) -> None:
    before = [(row.id, row.state) for row in stage.rows()]
    elsewhere = stage.folder.with_name("unmounted")
    stage.folder.rename(elsewhere)
    try:
        with pytest.raises(UnreachableError, match="is its disk mounted"):
            stage("backup", "--verify")
        stage("backup", "--prune", daily=1, weekly=0, monthly=0, yearly=0, last=1)
        assert [(row.id, row.state) for row in stage.rows()] == before
    finally:
        elsewhere.rename(stage.folder)


def test_what_pg_dump_of_one_table_really_writes(stage: Scene, made: Path) -> None:
    """--help says it: of a view and of a partitioned table a definition, no row, and status 0."""
    who = stage.config.database
    binaries = clients.find(stage.config, stage.collector.info.server_version)
    env = clients.environment(who, SUPERUSER, "", who.name, "tests")
    for table in ("market_data", "bars"):
        done = subprocess.run([binaries / "pg_dump", "-t", f"scizor.{table}"], env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0 and not re.search(r"^(COPY|INSERT) ", done.stdout, re.MULTILINE)
        assert f"scizor.{table}" in done.stdout


def test_I35_what_is_written_while_it_dumps_does_not_make_it_unequal(stage: Scene, made: Path) -> None:
    over, count = threading.Event(), 0

    def insert() -> None:
        nonlocal count
        with stage.at(stage.config.database.name, "scizor_collector") as collector:
            while not over.wait(0.002):
                collector.execute("INSERT INTO connection_events (at, client_id, event, detail) VALUES ('2025-01-15Z', 100, 'connected', %s)", ["x" * 50])
                count += 1

    writer = threading.Thread(target=insert)
    writer.start()
    try:
        stage.clock.move(86400.0)
        assert stage("backup").status is Exit.DONE
    finally:
        over.set()
        writer.join()
    manifest = dumping.load(Path(stage.rows()[-1].path))
    assert 0 <= manifest["tables"]["scizor.connection_events"]["rows"] < count


def test_the_script_killed_while_it_dumps_leaves_nothing_that_counts_and_the_next_run_goes_on(stage: Scene, made: Path, tmp_path: Path) -> None:
    file = write(replace(stage.config, mode="replay"), tmp_path / "scizor.toml")
    command = [ROOT / "bin" / "backup", "--config", file]
    running = subprocess.Popen(command)
    while not list(stage.folder.glob("*.partial")):
        assert running.poll() is None
    running.kill()
    running.wait()
    assert [row.state for row in stage.rows()][-1] == "writing"
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert stage.rows()[-1].state == "verified" and not list(stage.folder.glob("*.partial"))
    assert "writing" not in {row.state for row in stage.rows()}
