"""bin/selftest over a real relay: what would arrive, and what would not."""

from __future__ import annotations

import argparse
import logging
from dataclasses import replace
from pathlib import Path

import pytest

from scizor.base.clock import RunningClock
from scizor.base.config import Config, MailConfig, PingConfig
from scizor.base.exit import Exit
from scizor.jobs import selftest
from scizor.run.context import Context
from scizor.run.stop import Stop
from tests.relay import free_port, relay


def context(config: Config, folder: Path) -> Context:
    config = replace(config, mode="replay", paths=replace(config.paths, state=str(folder / "state"), logs=str(folder / "logs")))
    paths = config.make_paths()
    paths.logs.mkdir(parents=True, exist_ok=True)
    return Context(
        name="selftest", scope="", run_id="0" * 32, args=argparse.Namespace(verbose=False, debug=False), config=config, clock=RunningClock(),
        paths=paths, log=logging.getLogger("tests"), stop=Stop(),
    )  # fmt: skip


def test_a_marked_mail_arrives_and_every_line_says_what_was_tried(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with relay() as there:
        result = selftest.run(context(replace(Config(), mail=there.config()), tmp_path))
    assert there.subjects == ["scizor: TEST, nothing is wrong"]
    said = {line.split("  ")[0]: line for line in capsys.readouterr().out.splitlines()}
    assert " ok " in said["mail"] and "nobody outside would notice" in said["dead-man's switch"]
    assert {"cron", "locks", "secrets", "logs"} <= said.keys()
    assert result.status is (Exit.DONE if all(" ok " in line for line in said.values()) else Exit.FINDING)


def test_what_would_not_arrive_is_named_with_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dead = replace(Config(), mail=MailConfig(host="127.0.0.1", port=free_port(), to="x@example.org", timeout_seconds=2.0), ping=PingConfig(url_file=str(tmp_path / "none")))
    result = selftest.run(context(dead, tmp_path))
    assert result.status is Exit.FINDING and "mail" in result.summary and "dead-man's switch" in result.summary
    lines = [line for line in capsys.readouterr().out.splitlines() if "FAILED" in line]
    assert len(lines) >= 2 and all("HINT: " in line for line in lines)


def test_row_05_a_host_from_which_nothing_can_be_told_is_a_finding(tmp_path: Path) -> None:
    result = selftest.run(context(Config(), tmp_path))
    assert result.status is Exit.FINDING and "channels" in result.summary
