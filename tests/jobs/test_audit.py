"""bin/audit on a small environment of its own, planted faults in it, and a real HTTP server that speaks OSV's querybatch."""

from __future__ import annotations

import base64
import hashlib
import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import Distribution, PathDistribution
from pathlib import Path
from typing import Any, ClassVar, cast

import psycopg
import pytest

from scizor.base.clock import StoppedClock
from scizor.base.config import AuditConfig, Config, PathsConfig
from scizor.base.errors import UnreachableError
from scizor.base.exit import Exit
from scizor.base.paths import ROOT
from scizor.jobs import audit
from tests.jobs.scripts import context_of


def package(site: Path, name: str, version: str, text: str = "x = 1\n") -> PathDistribution:
    """An installed package as pip leaves it: metadata, and RECORD with the hash of each file."""
    (site / f"{name}.py").write_text(text)
    info = site / f"{name}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
    (info / "RECORD").write_text(f"{name}.py,sha256={digest},{len(text)}\n{info.name}/RECORD,,\n__pycache__/{name}.pyc,,\n")
    return PathDistribution(info)


class Osv(http.server.BaseHTTPRequestHandler):
    """Knows of two faults in Bad-One 1.0."""

    asked: ClassVar[list[dict[str, Any]]] = []
    status = 200
    body: bytes | None = None

    def do_POST(self) -> None:
        queries = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["queries"]
        Osv.asked += queries
        known = {"results": [{"vulns": [{"id": "GHSA-1"}, {"id": "CVE-2"}]} if each["package"]["name"] == "bad-one" else {} for each in queries]}
        body = Osv.body if Osv.body is not None else json.dumps(known).encode()
        self.send_response(Osv.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return replace(Config(), mode="replay", paths=PathsConfig(state=str(tmp_path / "state"), logs=str(tmp_path / "logs")))


@pytest.fixture
def database() -> psycopg.Connection:
    """The job asks none: the runner writes its row."""
    return cast(psycopg.Connection, None)


@pytest.fixture
def osv() -> Iterator[str]:
    Osv.asked, Osv.status, Osv.body = [], 200, None
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Osv)
    thread = threading.Thread(target=server.serve_forever, args=[0.01])
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1/querybatch"
    server.shutdown()
    thread.join()
    server.server_close()


def run(config: Config, database: psycopg.Connection, clock: StoppedClock, there: list[Distribution], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *argv: str) -> Any:
    """The job, on an environment of these packages and a checkout whose lock file names good 1.0 and bad-one 1.0."""
    (tmp_path / "etc").mkdir(exist_ok=True)
    (tmp_path / "etc" / "requirements.lock").write_text("good==1.0 \\\n    --hash=sha256:00\n    # via x\nBad_One==1.0 ; python_version >= '3.11' \\\n    --hash=sha256:00\nold==1 ; python_version < '3.0' --hash=sha256:00\n")
    monkeypatch.setattr(audit.importlib.metadata, "distributions", lambda: there)
    context = context_of(config, database, clock, "audit", *argv)
    context.paths = replace(context.paths, root=tmp_path)
    return audit.run(context)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "site").mkdir()
    return tmp_path / "site"


def test_as_locked_and_nothing_known_is_0_and_names_and_versions_are_all_that_leaves(
    config: Config, database: psycopg.Connection, clock: StoppedClock, site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, osv: str
) -> None:
    there: list[Distribution] = [package(site, "good", "1.0"), package(site, "pip", "24.0")]
    audited = replace(config, audit=AuditConfig(url=osv, also="Mine, other"))
    result = run(audited, database, clock, [*there, package(site, "mine", "3"), package(site, "Bad_One", "1.0")], monkeypatch, tmp_path, "--offline")
    assert result.status is Exit.DONE and result.failures == [] and Osv.asked == []
    result = run(audited, database, clock, [*there, package(site, "other", "3")], monkeypatch, tmp_path)
    assert result.failures == ["bad-one 1.0 is not installed"]
    assert Osv.asked == [{"package": {"name": name, "ecosystem": "PyPI"}, "version": version} for name, version in (("good", "1.0"), ("pip", "24.0"), ("other", "3"))]


def test_what_is_missing_of_another_version_unasked_changed_or_vulnerable_is_a_line_each(
    config: Config, database: psycopg.Connection, clock: StoppedClock, site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, osv: str
) -> None:
    there = [package(site, "Bad_One", "1.0"), package(site, "good", "1.1"), package(site, "planted", "6.6.6")]
    (site / "good.py").write_text("x = 2\n")
    (site / "planted.py").unlink()
    result = run(replace(config, audit=AuditConfig(url=osv)), database, clock, [*there], monkeypatch, tmp_path)
    assert result.status is Exit.FINDING and "bin/setup" in result.hint
    assert result.failures == [
        "good is 1.1, locked is 1.0", "planted 6.6.6 is installed and not locked; yours? [audit] also names it",
        "good 1.1: good.py is not what was installed", "planted 6.6.6: planted.py is gone", "bad-one 1.0: GHSA-1, CVE-2",
    ]  # fmt: skip


@pytest.mark.parametrize(("status", "body"), [(500, b"{}"), (200, b"<html>"), (200, b"{}"), (200, b'{"results": []}'), (302, b"")])
def test_an_answer_that_is_none_is_69_and_not_all_clear(
    config: Config, database: psycopg.Connection, clock: StoppedClock, site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, osv: str, status: int, body: bytes
) -> None:
    Osv.status, Osv.body = status, body
    with pytest.raises(UnreachableError, match="nobody") as refusal:
        run(replace(config, audit=AuditConfig(url=osv)), database, clock, [package(site, "good", "1.0"), package(site, "Bad_One", "1.0")], monkeypatch, tmp_path)
    assert "[audit] url" in refusal.value.hint


def test_a_host_that_is_not_online_still_hears_what_was_found(
    config: Config, database: psycopg.Connection, clock: StoppedClock, site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = replace(config, audit=AuditConfig(url="http://127.0.0.1:1/", timeout_seconds=1.0))
    result = run(nowhere, database, clock, [package(site, "good", "1.0")], monkeypatch, tmp_path)
    assert result.status is Exit.FINDING and len(result.failures) == 2 and "nobody could be asked" in result.failures[1]


def test_this_environment_is_what_is_locked() -> None:
    """Names and versions; the files' hashes take seconds and are for cron."""
    wanted = audit.locked((ROOT / "etc" / "requirements.lock").read_text())
    there = {audit.canonical(each.metadata["Name"]): each.version for each in audit.importlib.metadata.distributions()}
    assert len(wanted) > 40 and audit.differences(wanted, there, [name for name in there if name not in wanted]) == []
