"""bin/watchlist on a real database: repeatable, without restart, and with a helpful no."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from scizor.base.errors import UsageError
from scizor.base.exit import Exit
from scizor.base.paths import ROOT
from scizor.db import symbols, watchlist
from scizor.market.universe import Watched
from tests.jobs.scripts import Call

LIST = ROOT / "etc" / "watchlists" / "asx_professional.csv"
NAME = "asx_professional"
NOW = datetime(2025, 1, 15, 6, tzinfo=UTC)
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def watched(universe: Call, capsys: Capture) -> Call:
    """The universe with the eighteen on their list."""
    universe("watchlist", "import", LIST)
    capsys.readouterr()
    return universe


def rows(call: Call, capsys: Capture, *argv: str) -> list[dict[str, object]]:
    capsys.readouterr()
    call("watchlist", "list", "--json", *argv)
    found: list[dict[str, object]] = json.loads(capsys.readouterr().out)
    return found


def test_the_eighteen_are_imported_once_and_a_second_time_nothing_changes(universe: Call, capsys: Capture) -> None:
    assert universe("watchlist", "import", LIST).summary == "asx_professional: 18 of 18 rows changed"
    found = rows(universe, capsys, "--name", NAME)
    assert [row["symbol"] for row in found] == ["ANZ", "BHP", "CBA", "CSL", "NAB", "WBC", "WES", "WOW", "COL", "FMG", "MQG", "RIO", "TCL", "TLS", "APT", "WTC", "XRO", "ZIP"]
    assert [row["collect_1min"] for row in found] == [True] * 8 + [False] * 10
    assert all(row["collect_5min"] for row in found)
    assert universe("watchlist", "import", LIST).summary == "asx_professional: nothing changes, 18 rows stand so already"


def test_a_symbol_is_added_changed_and_removed_while_everything_runs(watched: Call, collector: psycopg.Connection, capsys: Capture) -> None:
    assert watched("watchlist", "add", "--symbol", "qan", "--name", NAME, "--priority", "2").summary == "1 put on asx_professional"
    assert watchlist.load(collector)[NAME][14] == Watched("TLS", 2, False, True, False, "Tier 2: growth and resources")
    first = {each.symbol: each.priority for each in symbols.load_instruments(collector, NOW)}
    assert first["QAN"] == 2
    for words in (["add", "--symbol", "QAN"], ["set", "--symbol", "QAN", "--priority", "2"]):
        assert watched("watchlist", *words, "--name", NAME).summary == f"nothing changes: QAN stands on {NAME} so already"
    both = watched("watchlist", "add", "--symbol", "QAN", "--symbol", "CBA", "--name", NAME)
    assert both.summary == f"nothing changes: QAN, CBA stand on {NAME} so already"
    watched("watchlist", "set", "--symbol", "QAN", "--name", NAME, "--1min", "--depth", "--notes", "on trial", "--daily-years", "5")
    assert Watched("QAN", 2, True, False, True, "on trial", 5) in watchlist.load(collector)[NAME]
    watched("watchlist", "set", "--symbol", "QAN", "--name", NAME, "--no-depth")
    assert Watched("QAN", 2, True, False, False, "on trial", 5) in watchlist.load(collector)[NAME]
    assert watched("watchlist", "remove", "--symbol", "QAN", "--name", NAME).summary.startswith("1 taken off")
    assert len(rows(watched, capsys)) == 18
    kept = collector.execute("SELECT w.active FROM watchlist w JOIN symbols s ON s.id = w.symbol_id WHERE s.symbol = 'QAN'").fetchone()
    assert kept == (False,)


def test_a_share_that_no_file_names_is_added_by_its_exchange(watched: Call, collector: psycopg.Connection, capsys: Capture) -> None:
    with pytest.raises(UsageError, match="NEW is not in the universe, did you mean") as refused:
        watched("watchlist", "add", "--symbol", "NEW", "--name", NAME, "--priority", "2")
    assert "--exchange ASX" in refused.value.hint
    watched("watchlist", "add", "--symbol", "NEW", "--name", NAME, "--priority", "2", "--exchange", "ASX")
    assert "bin/symbols qualify --symbol NEW" in capsys.readouterr().out
    watched("watchlist", "add", "--symbol", "TLS", "--name", NAME, "--exchange", "NASDAQ")
    found = {each.symbol: each for each in symbols.load_instruments(collector, NOW)}
    assert (found["NEW"].exchange, found["NEW"].currency, found["NEW"].calendar) == ("ASX", "AUD", "XASX")
    telos = found["TLS.NASDAQ"]
    assert (telos.code, telos.exchange, telos.primary_exchange, telos.currency) == ("TLS", "SMART", "NASDAQ", "USD")
    assert found["TLS"].currency == "AUD"


def test_adding_apt_says_that_it_left(universe: Call, capsys: Capture) -> None:
    universe("watchlist", "add", "--symbol", "APT", "--name", "mine")
    assert "APT: left the market in January 2022, successor SQ2" in capsys.readouterr().out


def test_lint_says_of_apt_what_to_do_and_looks_at_the_list_alone(watched: Call, capsys: Capture) -> None:
    result = watched("watchlist", "lint", "--name", NAME)
    said = capsys.readouterr().out
    assert result.status is Exit.FINDING
    assert "APT left the market in January 2022, successor SQ2" in said
    assert f"bin/watchlist remove --symbol APT --name {NAME} && bin/watchlist add --symbol SQ2 --name {NAME} --priority 3 --5min" in said
    assert "16 symbols have no con_id yet" in said  # of 18, without BHP, which has one, and APT, which is gone
    watched("watchlist", "remove", "--symbol", "APT", "--name", NAME)
    watched("watchlist", "add", "--symbol", "SQ2", "--name", NAME, "--priority", "3", "--5min")
    capsys.readouterr()
    watched("watchlist", "lint")
    assert "APT" not in capsys.readouterr().out


def test_dry_runs_write_nothing(watched: Call, collector: psycopg.Connection, tmp_path: Path) -> None:
    before = watchlist.load(collector)
    file = tmp_path / f"{NAME}.csv"
    file.write_text("symbol,priority\nQAN,1\nBHP,4\n")
    for argv in (
        ["add", "--symbol", "NEW", "--exchange", "ASX", "--name", NAME], ["set", "--symbol", "BHP", "--priority", "7", "--name", NAME],
        ["remove", "--symbol", "BHP", "--name", NAME], ["import", file],
    ):  # fmt: skip
        assert "would" in watched("watchlist", *argv, "--dry-run").summary
    assert watchlist.load(collector) == before
    assert "NEW" not in symbols.load_listed(collector)


def test_what_is_not_in_the_file_stays_on_the_list_and_is_named(watched: Call, tmp_path: Path, collector: psycopg.Connection) -> None:
    watched("watchlist", "add", "--symbol", "QAN", "--name", NAME)
    assert watched("watchlist", "import", LIST).summary.endswith("not in the file, and left on the list: QAN")
    assert len(watchlist.load(collector)[NAME]) == 19


def test_a_list_survives_its_own_csv(watched: Call, capsys: Capture, tmp_path: Path) -> None:
    capsys.readouterr()
    watched("watchlist", "list", "--name", NAME, "--csv")
    text = capsys.readouterr().out
    assert len(list(csv.DictReader(io.StringIO(text)))) == 18
    file = tmp_path / f"{NAME}.csv"
    file.write_text(text)
    assert "nothing changes" in watched("watchlist", "import", file).summary


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["list", "--name", "asx_profesional"], "there is no watch-list asx_profesional, did you mean asx_professional"),
        (["lint", "--name", "nope"], "there is no watch-list nope"),
        (["set", "--symbol", "QAN", "--name", NAME, "--priority", "1"], "QAN is not on asx_professional"),
        (["remove", "--symbol", "QAN", "--name", NAME], "not on the list asx_professional: QAN"),
        (["add", "--symbol", "BHP", "--name", "../../etc"], "is not a valid name"),
        (["add", "--symbol", "BHP", "--name", NAME, "--notes", "turned \u202e round"], "nobody can see"),
        (["add", "--symbol", "BHP", "--name", NAME, "--daily-years", "99"], "daily_years"),
        (["add", "--symbol", "NEW", "--name", NAME, "--exchange", "MOON"], "no trading calendar is known for exchange MOON"),
    ],
)
def test_a_mistake_is_answered_with_what_is_right(watched: Call, argv: list[str], says: str) -> None:
    with pytest.raises(UsageError, match=says) as refused:
        watched("watchlist", *argv)
    assert refused.value.exit is Exit.USAGE


def test_row_85_a_bad_file_changes_nothing_and_every_line_is_named(watched: Call, collector: psycopg.Connection, tmp_path: Path) -> None:
    before = watchlist.load(collector)
    file = tmp_path / f"{NAME}.csv"
    file.write_bytes(b"\xef\xbb\xbfsymbol,priority,depth\r\nQAN,1,true\r\nBHP,0,true\r\nCBA,1\r\nNAB,1,perhaps\r\nWOW,\"1,true\r\n")
    result = watched("watchlist", "import", file)
    assert result.status is Exit.USAGE
    assert [line.rsplit(f"{NAME}.csv:", 1)[1].split(":")[0] for line in result.failures] == ["3", "4", "5", "6"]
    file.write_text("symbol,priority\nQAN,1\nNOPE,1\nNOPF,1\n")
    with pytest.raises(UsageError, match=r"NOPE.* is not in the universe.*NOPF"):
        watched("watchlist", "import", file)
    assert watchlist.load(collector) == before
