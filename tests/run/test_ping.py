"""The dead-man's switch, over real HTTP: what it is told, and that it never fails or keeps a job."""

from __future__ import annotations

import argparse
import http.server
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from scizor.base.config import Config, PingConfig
from scizor.base.errors import UnreachableError
from scizor.base.exit import Exit
from scizor.run import ping, runner
from scizor.run.context import Context, Result
from scizor.run.script import Needs
from tests.run.configured import write

KEY = "canary-7f3a"  # stands in the address, which is a secret
JOB = Needs(database=False, row=False)


@dataclass
class Switch:
    port: int
    status: int = 200
    seconds: float = 0.0
    heard: list[str] = field(default_factory=list)


@pytest.fixture
def switch() -> Iterator[Switch]:
    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.heard.append(self.path)
            time.sleep(found.seconds)
            self.send_response(found.status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    found = Switch(server.server_address[1])
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield found
    server.shutdown()
    server.server_close()


def configured(config: Config, folder: Path, port: int, timeout_seconds: float = 2.0) -> Path:
    address = folder / "ping-address"
    address.write_text(f"http://127.0.0.1:{port}/{KEY}/\n")
    address.chmod(0o400)
    return write(replace(config, ping=PingConfig(url_file=str(address), timeout_seconds=timeout_seconds)), folder / "scizor.toml")


def run(file: Path, status: Exit = Exit.DONE, needs: Needs = JOB) -> Exit:
    def job(context: Context) -> Result:
        if status is Exit.UNREACHABLE:
            raise UnreachableError("nothing listens")
        return Result("so", status)

    return runner.run(job, argparse.Namespace(config=file, debug=False, verbose=False), name="a-job", needs=needs, scope="")


def test_a_run_tells_its_start_and_its_success_with_one_id(config: Config, tmp_path: Path, switch: Switch) -> None:
    assert run(configured(config, tmp_path, switch.port)) is Exit.DONE
    begun, ended = switch.heard
    assert begun.startswith(f"/{KEY}/a-job/start?rid=") and ended.startswith(f"/{KEY}/a-job?rid=")
    ids = {each.split("rid=")[1].split("&")[0] for each in switch.heard}
    assert len(ids) == 1 and uuid.UUID(ids.pop())


@pytest.mark.parametrize("status", [Exit.PARTIAL, Exit.FINDING, Exit.UNREACHABLE])
def test_a_failure_tells_its_exit_status(config: Config, tmp_path: Path, switch: Switch, status: Exit) -> None:
    assert run(configured(config, tmp_path, switch.port), status) is status
    assert switch.heard[-1].startswith(f"/{KEY}/a-job/{int(status)}?")


def test_neither_a_run_that_finds_the_lock_taken_nor_a_script_that_only_looks_is_news(config: Config, tmp_path: Path, switch: Switch) -> None:
    file = configured(config, tmp_path, switch.port)
    assert run(file, Exit.BUSY) is Exit.BUSY
    assert [each.split("?")[0] for each in switch.heard] == [f"/{KEY}/a-job/start"]
    assert run(file, needs=replace(JOB, mail=False)) is Exit.DONE
    assert len(switch.heard) == 1


@pytest.mark.parametrize(("answer", "asked"), [(500, 4), (429, 4), (404, 2)])
def test_a_switch_that_refuses_fails_no_job_and_its_address_is_in_no_log(
    config: Config, tmp_path: Path, switch: Switch, capfd: pytest.CaptureFixture[str], answer: int, asked: int
) -> None:
    switch.status = answer
    assert run(configured(config, tmp_path, switch.port)) is Exit.DONE
    assert len(switch.heard) == asked, "500 and 429 are tried twice"
    said = (config.make_paths().logs / "a-job.log").read_text() if config.make_paths().logs.exists() else ""
    logs = said + "".join(each.read_text() for each in tmp_path.rglob("a-job.log"))
    assert f"was not told of success: answered {answer}" in logs
    told = capfd.readouterr()
    assert KEY not in logs + told.out + told.err


def test_a_switch_that_hangs_or_is_not_there_keeps_no_job_for_longer_than_its_limit(config: Config, tmp_path: Path, switch: Switch) -> None:
    switch.seconds = 5.0
    begun = time.monotonic()
    assert run(configured(config, tmp_path, switch.port, timeout_seconds=0.2)) is Exit.DONE
    assert time.monotonic() - begun < 4.0
    gone = tmp_path / "gone"
    gone.mkdir()
    assert run(configured(config, gone, 1, timeout_seconds=0.2)) is Exit.DONE


@pytest.mark.parametrize(("text", "mode"), [("", 0o400), ("ftp://x", 0o400), ("http://a b", 0o400), ("http://127.0.0.1/", 0o644)])
def test_an_address_that_is_none_or_that_others_can_read_is_said_and_fails_no_job(tmp_path: Path, text: str, mode: int) -> None:
    file = tmp_path / "address"
    file.write_text(text)
    file.chmod(mode)
    said: list[str] = []
    assert ping.of(PingConfig(url_file=str(file)), "job", uuid.uuid4().hex, said.append) is None
    assert len(said) == 1
    assert ping.of(PingConfig(), "job", uuid.uuid4().hex, said.append) is None
