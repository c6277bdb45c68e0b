"""A person at the command line, and a database with the whole universe in it."""

from __future__ import annotations

import psycopg
import pytest

from scizor.base.clock import StoppedClock
from scizor.base.config import Config
from scizor.base.paths import ROOT
from tests.jobs.scripts import Call, caller


@pytest.fixture
def call(config: Config, collector: psycopg.Connection, clock: StoppedClock) -> Call:
    """Calls a script of bin/ as the collector's login, against an empty database."""
    return caller(config, collector, clock)


@pytest.fixture
def universe(call: Call, capsys: pytest.CaptureFixture[str]) -> Call:
    """The same with the 309 symbols and the lives of their codes in the database."""
    assert call("symbols", "import", *sorted((ROOT / "etc" / "universe").glob("*.csv"))).status == 0
    capsys.readouterr()
    return call
