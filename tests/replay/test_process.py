"""bin/replay-gateway as a person and a bench run it: another process, ended by a signal."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from scizor.base.paths import ROOT
from scizor.replay.tws import faults
from scizor.replay.tws.process import arguments, main
from tests.replay.wireclient import DAILY, WireClient

SCRIPT = str(ROOT / "bin" / "replay-gateway")
CLOCK = ("--clock-origin", "2025-01-15T06:00:00Z", "--clock-speed", "10")


@contextmanager
def running(folder: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    ready = folder / "ready.json"
    command = [SCRIPT, "--simulated", "7", "--port", "0", "--ready-file", str(ready), *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        for _ in range(400):
            if ready.exists() or process.poll() is not None:
                break
            time.sleep(0.025)
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        yield process, json.loads(ready.read_text())
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.communicate()


def test_a_fault_that_nothing_met_is_named_at_the_end(tmp_path: Path) -> None:
    faults_given = ("--fault", "no-data@symbol=NOBODY", "--fault", "2105", "--fault", "silence@client=99")
    with running(tmp_path, *CLOCK, *faults_given) as (process, told):

        async def greet() -> None:
            async with WireClient(told["port"]) as client:
                await client.until("nextValidId")

        asyncio.run(greet())
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=10)
    found = [line for line in said.splitlines() if "never happened" in line]
    assert [line.split()[2] for line in found] == ["no-data@symbol=NOBODY", "silence@client=99"]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_reports_and_ends_with_0_when_told(tmp_path: Path, how: signal.Signals) -> None:
    report = tmp_path / "report.jsonl"
    with running(tmp_path, *CLOCK, "--report", str(report), "--regime", "strict", "--fault", "no-data@nth=3") as (process, told):
        assert told["pid"] == process.pid

        async def ask() -> list[str]:
            async with WireClient(told["port"]) as client:
                await client.until("nextValidId")
                kinds = []
                for number, days in enumerate((10, 10, 11)):
                    kind, _ = await client.ask("reqHistoricalData", number, **{**DAILY, "con_id": 0, "duration": f"{days} D"})
                    kinds.append(kind)
                return kinds

        assert asyncio.run(ask()) == ["historicalData", "error", "error"]
        process.send_signal(how)
        _, said = process.communicate(timeout=10)
        assert process.returncode == 0
        assert "simulated, seed 7" in said and "2025-01-15 06:00" in said
        assert "violations: identical 1" in said
    assert not (tmp_path / "ready.json").exists()
    lines = [json.loads(line) for line in report.read_text().splitlines()]
    verdicts = [each["verdict"] for each in lines if each["kind"] == "request" and each["id"] == 20]
    assert verdicts == ["served", "violation", "fault"]
    assert report.stat().st_mode & 0o777 == 0o600


def test_a_killed_gateway_leaves_every_line_that_it_wrote(tmp_path: Path) -> None:
    report = tmp_path / "report.jsonl"
    with running(tmp_path, *CLOCK, "--report", str(report)) as (process, told):

        async def greet() -> None:
            async with WireClient(told["port"]) as client:
                await client.until("nextValidId")

        asyncio.run(greet())
        process.kill()
        process.wait()
    assert [json.loads(line)["kind"] for line in report.read_text().splitlines()][:4] == ["start", "connect", "hello", "request"]


def test_mistakes_are_one_line_with_a_hint_and_their_status(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.umask", lambda _: 0)  # the mask of this process stays as it is
    for options, status, word in (
        (("--fault", "nonsense"), 2, "nonsense"),
        (("--regime", "lenient"), 2, "lenient"),
        (("--script", str(tmp_path / "none.toml")), 2, "none.toml"),
        (("--clock-origin", "yesterday"), 2, "yesterday"),
        (("--clock-origin", "2025-01-15T06:00:00"), 2, "no zone"),
        (("--clock-started", "2025-01-15T06:00:00Z"), 2, "--clock-origin"),
        (("--recordings", str(tmp_path / "none")), 2, "no folder"),
        (("--recordings", str(tmp_path)), 78, "recording"),
    ):
        source = () if "--recordings" in options else ("--simulated", "7")
        try:
            found = main("", ["--port", "0", *source, *options])
        except SystemExit as ended:
            found = int(str(ended.code))
        said = capsys.readouterr().err
        assert found == status, (options, said)
        assert word in said
        assert len(said.splitlines()) == 1, said


def test_a_port_that_is_taken_is_status_69(tmp_path: Path) -> None:
    with running(tmp_path, *CLOCK) as (_, told):
        done = subprocess.run(
            [SCRIPT, "--simulated", "7", "--port", str(told["port"])], capture_output=True, text=True, timeout=20
        )
        assert done.returncode == 69
        assert "HINT" in done.stderr


def test_help_names_every_option_and_list_faults_every_fault() -> None:
    told = subprocess.run([SCRIPT, "--help"], capture_output=True, text=True, timeout=20).stdout
    parser = argparse.ArgumentParser(add_help=False)
    arguments(parser)
    for action in parser._actions:
        assert action.option_strings[0] in told, action.option_strings
    listed = subprocess.run([SCRIPT, "--list-faults"], capture_output=True, text=True, timeout=20).stdout
    assert listed.strip() == faults.describe()


def test_describe_says_what_is_played_and_whether_it_is_recorded(recordings: Path) -> None:
    told = json.loads(subprocess.run([SCRIPT, "--describe", "--simulated", "7"], capture_output=True, timeout=20).stdout)
    assert told["label"] == "simulated, seed 7"
    command = [SCRIPT, "--describe", "--recordings", str(recordings), "--calendar", "XASX", "--symbols", "BHP,CBA"]
    told = json.loads(subprocess.run(command, capture_output=True, timeout=60).stdout)
    assert "recorded" in told["label"]
    assert told["last_session"] < "2026"
