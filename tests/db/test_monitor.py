"""sql/monitor runs in bare psql, without parameters or search path, and says what is so."""

from __future__ import annotations

import subprocess
from datetime import timedelta

import pytest

from scizor.base.clock import StoppedClock
from scizor.base.config import DatabaseConfig
from scizor.base.paths import ROOT
from scizor.base.protocols import Grant, PacingRequest, PacingRule
from scizor.db import symbols, watchlist
from scizor.db.connect import connect
from scizor.db.embedded import Embedded
from scizor.db.ledger import PostgresLedger
from scizor.db.windows import store
from scizor.market.types import OutcomeKind
from scizor.market.universe import Watched
from tests.db.conftest import NOW, Connection, Market, failed, listed, ok


def psql(server: Embedded, database: DatabaseConfig, *arguments: str, user: str = "scizor_reader") -> str:
    done = subprocess.run(
        [server.binaries / "psql", "-X", "-A", "-t", "-F,", "-v", "ON_ERROR_STOP=1", "-h", database.host, "-p", str(database.port),
         "-U", user, "-d", database.name, *arguments],
        capture_output=True, text=True, env={"PATH": "/usr/bin:/bin", "TZ": "Asia/Kolkata", "LC_ALL": "C.UTF-8"}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", ["coverage", "health", "pacing", "jobs", "space", "backups"])
def test_each_file_runs_on_an_empty_database(name: str, server: Embedded, database_config: DatabaseConfig) -> None:
    psql(server, database_config, "-f", str(ROOT / "sql" / "monitor" / f"{name}.sql"))


def test_coverage_names_what_is_missing_and_why(
    collector: Connection, market: Market, server: Embedded, database_config: DatabaseConfig
) -> None:
    store(collector, None, None, market.window(), ok(market.bars()[:-3]), NOW, sessions=market.sessions)
    store(collector, None, None, market.window(symbol="BHP"), failed(OutcomeKind.TIMEOUT), NOW, sessions=market.sessions)
    out = psql(server, database_config, "-f", str(ROOT / "sql" / "monitor" / "coverage.sql")).splitlines()
    total = len(market.sessions)
    # the newest session was still being settled when it was asked for, so it is missing, not absent
    assert out[0].startswith(f"BHP,1day,TRADES,ib,{total},0,0,{total},0.00,deferred,")
    assert out[1].startswith(f"CBA,1day,TRADES,ib,{total},{total - 3},0,3,")
    assert ",unknown," in out[1]


def test_coverage_leaves_nobody_out_who_is_wanted(
    collector: Connection, market: Market, server: Embedded, database_config: DatabaseConfig
) -> None:
    """Never asked for, refused, gone and taken out of the universe: each is a line with its reason, in the order of priority."""
    names = ("APT", "NEVER", "WANTED", "WRONG", "OUT", "PAST")
    symbols.store_listed(collector, [listed(each) for each in names], NOW)
    collector.execute("UPDATE symbols SET listed_to = '2022-01-19', successor = 'SQ2' WHERE symbol = 'APT'")
    collector.execute("UPDATE symbols SET refused = 'no security definition' WHERE symbol = 'WRONG'")
    collector.execute("UPDATE symbols SET active = false WHERE symbol IN ('OUT', 'PAST')")
    watchlist.put(collector, "mine", [Watched("OUT", 2), Watched("WANTED", 1)], NOW)
    store(collector, None, None, market.window(), ok(market.bars()[:-3]), NOW, sessions=market.sessions)
    found = [line.split(",", 9) for line in psql(server, database_config, "-f", str(ROOT / "sql" / "monitor" / "coverage.sql")).splitlines()]
    assert [(each[0], each[9].rstrip(",")) for each in found[1:]] == [
        ("WANTED", "not asked yet"),
        ("OUT", "not active"),
        ("APT", "left the market, last session 2022-01-19, successor SQ2"),
        ("BHP", "not asked yet"),
        ("NEVER", "not asked yet"),
        ("WRONG", "refused: no security definition"),
    ]
    assert found[0][0] == "CBA" and {each[1] for each in found} == {"1day"}
    assert all(each[4:8] == ["0"] * 4 for each in found[1:])


def test_pacing_names_the_share_of_each_rule_that_is_in_use(server: Embedded, database_config: DatabaseConfig) -> None:
    at = StoppedClock(NOW)
    ledger = PostgresLedger(lambda: connect(database_config, application="tests"), at)
    for number in range(55):
        request = PacingRequest(f"k{number}", f"c{number}", PacingRule.HARD)
        granted = ledger.reserve(request, lambda history, request, now: now, at.now())
        assert isinstance(granted, Grant)
        ledger.answered(granted, at.now())
        ledger.closed(granted, at.now())
        at.move(timedelta(seconds=2).total_seconds())
    ledger.close()
    out = psql(server, database_config, "-f", str(ROOT / "sql" / "monitor" / "pacing.sql")).splitlines()
    assert "hard,55,55,0,92,alert" in out
    with connect(database_config, application="tests") as collector:  # as bin/health records [pacing]
        collector.execute("INSERT INTO recorded_limits (name, value, recorded_at) VALUES ('pacing_requests_max', 56, %s)", [NOW])
    assert "hard,55,55,0,98,critical" in psql(server, database_config, "-f", str(ROOT / "sql" / "monitor" / "pacing.sql")).splitlines()
