"""bin/symbols on a real database: import twice, hostile words, what a person is shown, what lint finds."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import psycopg
import pytest

from scizor.base.config import Config
from scizor.base.errors import UsageError
from scizor.base.exit import Exit
from scizor.base.paths import ROOT
from scizor.db import symbols
from tests.jobs.scripts import Call

FILES = sorted((ROOT / "etc" / "universe").glob("*.csv"))
HEADER = "symbol,exchange,primary_exchange,currency,sec_type,calendar,con_id,name\n"
NOW = datetime(2025, 1, 15, 6, tzinfo=UTC)
Capture = pytest.CaptureFixture[str]


def everything(connection: psycopg.Connection) -> list[tuple[object, ...]]:
    return [
        row
        for name in ("symbols", "symbol_codes", "watchlist")
        for row in connection.execute(f"SELECT t::text, t.xmin::text FROM {name} t ORDER BY 1")
    ]


def write(path: Path, *lines: str) -> Path:
    path.write_text(HEADER + "".join(f"{line}\n" for line in lines))
    return path


def test_the_universe_is_imported_and_a_second_import_changes_nothing_and_says_so(
    call: Call, collector: psycopg.Connection, capsys: Capture
) -> None:
    call("symbols", "import", *FILES)
    assert "309 symbols added" in capsys.readouterr().out
    assert len(symbols.load_instruments(collector, NOW)) == 309
    before = everything(collector)
    result = call("symbols", "import", *FILES)
    assert result.summary == "nothing changes: 309 symbols stand so already"
    assert capsys.readouterr().out.strip() == result.summary
    assert everything(collector) == before  # xmin too: not one row was written


def test_a_dry_run_says_what_it_would_do_and_writes_nothing(call: Call, collector: psycopg.Connection, capsys: Capture) -> None:
    call("symbols", "import", "--dry-run", *FILES)
    assert "would be: 309 symbols added" in capsys.readouterr().out
    assert everything(collector) == []


def test_an_import_is_all_or_nothing(call: Call, collector: psycopg.Connection, tmp_path: Path) -> None:
    good = write(tmp_path / "good.csv", "BHP,ASX,,AUD,STK,XASX,,BHP")
    bad = write(tmp_path / "bad.csv", "CBA,ASX,,AUD,STK,XASX,x,CBA", "=cmd(),ASX,,AUD,STK,XASX,,", "short")
    result = call("symbols", "import", good, bad)
    assert result.status is Exit.USAGE
    assert [line.split(": ")[0].rsplit(":", 1)[1] for line in result.failures] == ["2", "3", "4"]
    assert everything(collector) == []


def test_a_namesake_of_another_exchange_is_told_its_symbol(universe: Call, tmp_path: Path, collector: psycopg.Connection) -> None:
    result = universe("symbols", "import", write(tmp_path / "us.csv", "TLS,SMART,NASDAQ,USD,STK,XNAS,,Telos"))
    assert result.status is Exit.USAGE
    assert result.failures == ["TLS: TLS is the plain symbol of ASX; name this one TLS.NASDAQ"]
    assert universe("symbols", "import", write(tmp_path / "us.csv", "TLS.NASDAQ,SMART,NASDAQ,USD,STK,XNAS,,Telos")).status == 0
    (telos,) = symbols.load_instruments(collector, NOW, ["TLS.NASDAQ"])
    assert (telos.code, telos.primary_exchange) == ("TLS", "NASDAQ")


def test_row_48_a_share_that_left_comes_with_its_reason_and_its_successor(universe: Call, collector: psycopg.Connection) -> None:
    found = {each.symbol: each for each in symbols.load_instruments(collector, NOW)}
    assert found["APT"].refused == "left the market in January 2022, successor SQ2"
    assert found["APT"].successor == "SQ2"
    assert [each.symbol for each in found.values() if each.refused] == ["APT"]
    last_day = datetime(2022, 1, 19, 12, tzinfo=UTC)
    assert not any(each.refused for each in symbols.load_instruments(collector, last_day))


def test_row_48_old_codes_lead_to_the_instrument_and_earlier_holders_are_others(
    universe: Call, collector: psycopg.Connection, capsys: Capture
) -> None:
    universe("symbols", "show", "Z1P", "--json")
    (zip_,) = json.loads(capsys.readouterr().out)
    assert zip_["symbol"] == "ZIP"
    assert {(each["code"], each["symbol"]) for each in zip_["codes"]} == {("Z1P", "ZIP"), ("ZIP", "ZIP"), ("ZIP", "ZIP.2020")}
    assert collector.execute("SELECT active, listed_to FROM symbols WHERE symbol = 'ZIP.2020'").fetchone() == (False, date(2020, 1, 22))
    codes = {each.symbol: each.code for each in symbols.load_instruments(collector, NOW)}
    assert {code for symbol, code in codes.items() if code != symbol} == set()  # ANZDA was not for ever
    new_year = datetime(2021, 12, 31, 6, tzinfo=UTC)
    codes = {each.symbol: each.code for each in symbols.load_instruments(collector, new_year)}
    assert {symbol: code for symbol, code in codes.items() if code != symbol} == {"ZIP": "Z1P"}


def test_lint_says_of_apt_that_it_left_and_of_the_others_that_they_are_not_qualified(universe: Call, capsys: Capture) -> None:
    result = universe("symbols", "lint")
    said = capsys.readouterr().out
    assert result.status is Exit.FINDING
    assert "APT left the market in January 2022, successor SQ2" in said
    assert "293 symbols have no con_id yet" in said
    universe("symbols", "set", "APT", "--inactive")
    assert "APT" not in [each["symbol"] for each in lint(universe, capsys)]


def lint(call: Call, capsys: Capture) -> list[dict[str, str]]:
    capsys.readouterr()
    call("symbols", "lint", "--json")
    found: list[dict[str, str]] = json.loads(capsys.readouterr().out)
    return found


def test_lint_ends_with_nothing_when_there_is_nothing(call: Call, capsys: Capture, tmp_path: Path) -> None:
    call("symbols", "import", write(tmp_path / "one.csv", "BHP,ASX,ASX,AUD,STK,XASX,4036812,BHP"))
    assert call("symbols", "lint").status is Exit.DONE
    call("symbols", "import", write(tmp_path / "two.csv", "CBA,ASX,ASX,AUD,STK,XASX,,CBA"))
    assert call("symbols", "lint").status is Exit.FINDING


def test_an_unknown_symbol_is_answered_with_the_nearest(universe: Call) -> None:
    with pytest.raises(UsageError, match="XROO is not in the universe, did you mean XRO") as refused:
        universe("symbols", "show", "XROO")
    assert refused.value.exit is Exit.USAGE


@pytest.mark.parametrize("hostile", ["BHP'; drop table bars;--", "../../etc/passwd", "BHP\n", "BHP\u202e", "=cmd()", "", "A" * 40])
def test_row_46_hostile_symbols_end_with_2_and_a_harmless_sentence(universe: Call, hostile: str, collector: psycopg.Connection) -> None:
    before = everything(collector)
    for argv in (["symbols", "show", hostile], ["symbols", "qualify", f"--symbol={hostile}"], ["watchlist", "add", f"--symbol={hostile}", "--name", "mine"]):
        with pytest.raises(UsageError, match="is not a valid symbol") as refused:
            universe(*argv)
        assert refused.value.message.isprintable()
    assert everything(collector) == before


def test_I40_hostile_words_change_rows_and_nothing_else(call: Call, collector: psycopg.Connection, tmp_path: Path, capsys: Capture) -> None:
    """I40: names full of SQL, shell and formulas are stored as text, shown as text, and never run."""
    tables = collector.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'scizor'").fetchone()
    words = ["'; DROP TABLE bars;--", "$(rm -rf .)", "=cmd|' /C calc'!A0", "%(name)s %s {0}", "a\\'b\\x00", "<script>", "../../x", "@SUM(1)"]
    lines = [f'S{number},ASX,,AUD,STK,XASX,,"{word}"' for number, word in enumerate(words)]
    assert call("symbols", "import", write(tmp_path / "words.csv", *lines)).status == 0
    stored = [row[0] for row in collector.execute("SELECT name FROM symbols ORDER BY symbol")]
    assert stored == words
    capsys.readouterr()
    call("symbols", "list", "--csv")
    shown = [row["name"] for row in csv.DictReader(io.StringIO(capsys.readouterr().out))]
    assert shown == [f"'{word}" if word[0] in "=@" else word for word in words]
    assert collector.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'scizor'").fetchone() == tables


def test_the_list_is_sorted_by_priority_and_says_why_somebody_is_left_out(universe: Call, capsys: Capture) -> None:
    universe("watchlist", "import", ROOT / "etc" / "watchlists" / "asx_professional.csv")
    capsys.readouterr()
    universe("symbols", "list", "--json")
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == 309
    assert [row["symbol"] for row in rows[:8]] == ["ANZ", "BHP", "CBA", "CSL", "NAB", "WBC", "WES", "WOW"]
    assert {row["symbol"]: row["note"] for row in rows}["APT"].startswith("left the market in January 2022")
    universe("symbols", "list", "--name", "asx_professional")
    assert len(capsys.readouterr().out.splitlines()) == 19


def test_set_changes_once_and_says_when_nothing_changes(universe: Call) -> None:
    assert universe("symbols", "set", "QQQ", "--priority", "2").summary == "QQQ: active, priority 2"
    assert universe("symbols", "set", "QQQ", "--priority", "2").summary.startswith("nothing changes")
    with pytest.raises(UsageError, match="nothing to set"):
        universe("symbols", "set", "QQQ")


@pytest.fixture
def person(config: Config, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Starts real scripts from cron's bare environment: env -i, in /, with a configuration file of his own."""
    file = tmp_path / "scizor.toml"
    where = config.database
    file.write_text(
        f'mode = "replay"\n[database]\nhost = "{where.host}"\nport = {where.port}\nname = "{where.name}"\n'
        f'[paths]\nstate = "{tmp_path / "state"}"\nlogs = "{tmp_path / "logs"}"\n'
    )

    def run(name: str, *argv: object, more: str = "") -> subprocess.CompletedProcess[str]:
        if more:
            file.write_text(file.read_text() + more)
        return subprocess.run(
            [ROOT / "bin" / name, *map(str, argv)], cwd="/", env={"PATH": os.defpath, "SCIZOR_CONFIG": str(file)},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    return run


Person = Callable[..., subprocess.CompletedProcess[str]]


def test_the_script_itself_imports_twice_and_lints_in_cron_s_environment(person: Person) -> None:
    first = person("symbols", "import", *FILES)
    assert (first.returncode, first.stderr) == (0, "")
    assert "309 symbols added" in first.stdout
    assert "nothing changes" in person("symbols", "import", *FILES).stdout
    found = person("symbols", "lint")
    assert found.returncode == 4
    assert "APT left the market in January 2022, successor SQ2" in found.stdout


def test_the_script_itself_qualifies_everybody_at_the_replay_gateway(person: Person, tmp_path: Path, collector: psycopg.Connection) -> None:
    """Its clock stands in 2021: APT is listed, Zip is Z1P, and SQ2 is not there yet, which is said by name."""
    assert person("symbols", "import", *FILES).returncode == 0
    ready = tmp_path / "ready"
    clock = ["--clock-origin", "2021-12-30T03:00:00Z", "--clock-started", f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", "--clock-speed", "20"]
    with subprocess.Popen([ROOT / "bin" / "replay-gateway", "--simulated", "7", "--port", "0", "--ready-file", ready, *clock]) as gateway:
        try:
            for _ in range(300):
                if not ready.exists():
                    time.sleep(0.1)
            port = json.loads(ready.read_text())["port"]
            settings = f'[gateway]\nport = {port}\n[clock]\norigin = "2021-12-30T03:00:00Z"\nstarted = "{clock[3]}"\nspeed = 20\n'
            done = person("symbols", "qualify", more=settings)
        finally:
            gateway.terminate()
    assert done.returncode == 3, done.stderr
    assert "308 contracts qualified, 1 refused" in done.stderr
    assert "SQ2: 200:" in done.stderr
    states = {each.symbol: (each.con_id, each.code) for each in symbols.load_instruments(collector, datetime(2021, 12, 30, tzinfo=UTC))}
    assert states["ZIP"][0] and states["ZIP"][1] == "Z1P"
    assert states["BHP"][0] == 4036812
    assert states["SQ2"][0] is None
