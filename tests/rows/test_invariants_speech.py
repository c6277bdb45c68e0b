"""What is said, and what is never said: silence on success, one clear answer on failure, no secret anywhere."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from scizor.base.config import Config
from scizor.base.exit import Exit
from scizor.base.paths import ROOT
from scizor.db.embedded import SUPERUSER
from scizor.run.servers import client_binaries
from tests.jobs.stage import Stage, stage
from tests.relay import PASSWORD, USER, body_of, relay
from tests.run.configured import write

DUE = "2025-01-15"
CANARIES = {"database": "cAnArY-database-1", "owner": "cAnArY-owner-2", "environment": "cAnArY-environment-3", "mail": PASSWORD}
ACCOUNT = "U7654321"


@pytest.fixture
def there(config: Config, database: psycopg.Connection, tmp_path: Path) -> Iterator[Stage]:
    with stage(replace(config, gateway=replace(config.gateway, connect_timeout_seconds=600.0, request_timeout_seconds=600.0)), database, tmp_path, speed=20.0) as found:
        yield found


def script(there: Stage, *words: str) -> subprocess.CompletedProcess[str]:
    """As cron would: a bare environment, no terminal, cwd /."""
    command = [sys.executable, str(ROOT / "bin" / words[0]), "--config", str(there.file), *words[1:]]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60, cwd="/", env={"PATH": "/usr/bin:/bin", "HOME": os.environ.get("HOME", "/")})


def test_I33_cron_hears_nothing_of_success_and_one_answer_of_every_failure(there: Stage) -> None:
    """Done, nothing due, partly done, refused, busy with usage, unreachable, no configuration: bytes and status."""
    there.list_symbols("CBA", "BHP")
    assert there.run("symbols", "qualify") is Exit.DONE
    done = script(there, "collect-daily", "--date", DUE)
    idle = script(there, "collect-daily", "--date", "2024-12-25")
    for each in (done, idle):
        assert (each.returncode, each.stdout, each.stderr) == (Exit.DONE, "", "")
    there.inject("321", con_id=there.con_id("CBA"))
    partial = script(there, "collect-daily", "--date", "2025-01-14")
    there.forget()
    there.inject("354", message="reqHistoricalData")
    refused = script(there, "collect-daily", "--date", "2025-01-13")
    there.forget()
    usage = script(there, "collect-daily", "--date", "tomorrow")
    away = replace(there.config, gateway=replace(there.config.gateway, port=1, connect_timeout_seconds=2.0))
    write(away, there.file)
    unreachable = script(there, "collect-daily", "--date", "2025-01-10")
    there.file.write_text("[gatway]\nport = 4002\n")
    misspelt = script(there, "collect-daily")
    there.file.unlink()
    nothing = script(there, "collect-daily")
    expected = {
        "partial": (partial, Exit.PARTIAL, "CBA"), "refused": (refused, Exit.REFUSED, "subscribe"), "usage": (usage, Exit.USAGE, "'tomorrow' is not a date"),
        "unreachable": (unreachable, Exit.UNREACHABLE, "nothing listens on 127.0.0.1:1"),
        "misspelt": (misspelt, Exit.CONFIGURATION, "did you mean gateway"), "nothing": (nothing, Exit.CONFIGURATION, "scizor.example.toml"),
    }  # fmt: skip
    for name, (run, status, says) in expected.items():
        assert (name, run.returncode, run.stdout) == (name, status, ""), run.stderr
        assert says in run.stderr and "HINT: " in run.stderr, (name, run.stderr)
        assert "Traceback" not in run.stderr and len(run.stderr.splitlines()) <= 40, name
    assert there.rows("SELECT outcome FROM job_runs WHERE job = 'collect-daily' ORDER BY id")[0] == ("done",)


def secret(folder: Path, name: str) -> str:
    file = folder / f"{name}.secret"
    file.write_text(CANARIES[name] + "\n")
    file.chmod(0o400)
    return str(file)


def watched(there: Stage, *words: str) -> dict[str, str]:
    """What `ps` shows of a script and of all that it starts, and what it says, while it runs with the secrets in its configuration."""
    folder = there.file.parent
    secrets = {"password_file": str(folder / "database.secret"), "owner_password_file": str(folder / "owner.secret")}
    write(replace(there.config, database=replace(there.config.database, **secrets)), there.file)
    command = [sys.executable, str(ROOT / "bin" / words[0]), "--config", str(there.file), *words[1:]]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd="/", start_new_session=True)
    seen: dict[str, str] = {}
    while running.poll() is None:
        for pid in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if os.getsid(int(pid.name)) == running.pid:
                    seen[f"{words[0]}: argv of {pid.name}"] = (pid / "cmdline").read_bytes().decode(errors="replace")
    assert seen and running.stdout is not None and running.returncode == 0
    with running.stdout:
        return seen | {f"{words[0]}: output": running.stdout.read()}


def dumped(there: Stage) -> str:
    """The whole database as pg_dump writes it: what a backup holds."""
    place = there.config.database
    command = [str(client_binaries(there.config) / "pg_dump"), "--host", place.host, "--port", str(place.port), "--username", SUPERUSER, "--inserts", place.name]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def test_I32_no_secret_and_no_account_is_said_logged_mailed_or_stored(
    there: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A secret in every place that takes one; runs that fail in every room; then every text is searched."""
    monkeypatch.setenv("PGPASSWORD", CANARIES["environment"])
    there.list_symbols("CBA")
    with relay() as server:
        whole = replace(
            there.config,
            database=replace(there.config.database, password_file=secret(tmp_path, "database"), owner_password_file=secret(tmp_path, "owner")),
            mail=replace(there.config.mail, host="127.0.0.1", port=server.port, to="trader@example.org", user=USER, password_file=secret(tmp_path, "mail")),
        )  # fmt: skip
        write(whole, there.file)
        there.inject("error", f"321:cause - account {ACCOUNT} password={CANARIES['database']}", message="reqHistoricalData")
        assert there.run("collect-daily", "--date", DUE, "--debug") is Exit.PARTIAL
        there.forget()
        there.inject("other-account", ACCOUNT)
        assert there.run("collect-daily", "--date", "2025-01-14", "--debug") is Exit.REFUSED
        there.forget()
        write(replace(whole, database=replace(whole.database, name="nobody_made_it")), there.file)
        assert there.run("collect-daily", "--date", "2025-01-14") is Exit.CONFIGURATION
        write(replace(whole, mail=replace(whole.mail, password_file=str(tmp_path / "none.secret"))), there.file)
        there.inject("200")
        there.run("collect-daily", "--date", "2025-01-13")
        texts_of_processes = watched(there, "psql", "-c", "SELECT pg_sleep(0.5)") | watched(there, "install-cron", "--print")
        assert len(server.mails) >= 2 and server.logins, "nothing was mailed, so nothing was tested"
        texts = {f"mail {number}": str(mail["Subject"]) + body_of(mail) for number, mail in enumerate(server.mails)}
    texts |= texts_of_processes | {"dump": dumped(there)}
    texts["stdout"], texts["stderr"] = capfd.readouterr()
    paths = there.config.make_paths()
    files = [path for folder in (paths.logs, paths.state) for path in folder.rglob("*") if path.is_file()]
    texts |= {str(path): path.read_text(errors="replace") for path in files}
    columns = there.rows("SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'scizor' AND data_type IN ('text', 'jsonb')")
    for table, column in columns:
        texts[f"{table}.{column}"] = "\n".join(str(row[0]) for row in there.rows(f'SELECT "{column}" FROM scizor."{table}"'))
    assert len(files) >= 2 and len(columns) > 40
    said = {name: [word for word in (*CANARIES.values(), ACCOUNT) if word in text] for name, text in texts.items()}
    assert {name: words for name, words in said.items() if words} == {}
    assert "account" in texts["stderr"], "planted: the sentence that held them did arrive"
    assert "COPY" not in texts["dump"] and "INSERT INTO scizor.collection_logs" in texts["dump"]
    lines = [line for log in paths.logs.glob("*.log") for line in log.read_text().splitlines()]
    odd = [line for line in lines if not re.match(r"\d{4}-\d\d-\d\dT[\d:.]+Z [0-9a-f]{8} [A-Z]+ scizor", line) and not line.startswith("    ")]
    assert len(lines) > 20 and odd == [], "the run's id stands in every line, and what follows one is indented"
