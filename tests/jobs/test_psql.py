"""bin/psql is psql: what a person presses in it is psql's."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import psycopg

from scizor.base.config import Config
from scizor.base.paths import ROOT
from tests.run.configured import write


def test_pressing_ctrl_c_twice_in_psql_does_not_end_the_script_under_it(
    config: Config, database: psycopg.Connection, tmp_path: Path
) -> None:
    file = write(config, tmp_path / "scizor.toml")
    words = [str(ROOT / "bin" / "psql"), "--config", str(file), "-AtX", "-c", "SELECT 'awake' FROM pg_sleep(3)"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd="/") as person:
        until = time.monotonic() + 30
        while not database.execute("SELECT 1 FROM pg_stat_activity WHERE application_name = 'psql' AND datname = current_database()").fetchone():
            assert time.monotonic() < until
            time.sleep(0.05)
        for _ in range(2):  # to the script alone: psql would cancel its query and end
            os.kill(person.pid, signal.SIGINT)
            time.sleep(0.2)
        assert person.communicate(timeout=30)[0] == "awake\n"
    assert person.returncode == 0
