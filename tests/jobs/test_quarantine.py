"""bin/quarantine as a person uses it: a list, a look, a verdict with its reason, and a helpful no."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime

import psycopg
import pytest

from scizor.base.clock import StoppedClock
from scizor.base.errors import UsageError
from scizor.base.exit import Exit
from scizor.db import windows
from tests.db.conftest import NOW, Market, market, ok  # noqa: F401
from tests.jobs.scripts import Call

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def refused(call: Call, collector: psycopg.Connection, market: Market, clock: StoppedClock, capsys: Capture) -> Call:  # noqa: F811
    """Five stored bars, one impossible one, and two sessions with the same bar."""
    bars = market.bars(8)
    bars[2] = bars[2]._replace(high=1.0)
    bars[7] = bars[6]._replace(start=bars[7].start)
    windows.store(collector, None, None, market.window(8), ok(bars), NOW)
    clock.move((datetime(2025, 1, 17, tzinfo=UTC) - clock.now()).total_seconds())
    capsys.readouterr()
    return call


def listed(call: Call, capsys: Capture, *argv: str) -> list[dict[str, object]]:
    capsys.readouterr()
    call("quarantine", "list", "--json", *argv)
    found: list[dict[str, object]] = json.loads(capsys.readouterr().out)
    return found


def numbers(call: Call, capsys: Capture, rule: str) -> list[str]:
    return [str(each["id"]) for each in listed(call, capsys, "--rule", rule)]


def test_what_waits_is_listed_newest_first_in_three_forms_and_narrowed(refused: Call, capsys: Capture) -> None:
    found = listed(refused, capsys)
    assert [each["rule"] for each in found] == ["stale_session", "stale_session", "high_below_low"]
    refused("quarantine", "list")
    text = capsys.readouterr().out
    assert text.splitlines()[0].split()[:3] == ["ID", "SYMBOL", "TIMEFRAME"] and "high_below_low" in text
    refused("quarantine", "list", "--csv")
    assert [row["id"] for row in csv.DictReader(io.StringIO(capsys.readouterr().out))] == [str(each["id"]) for each in found]
    assert len(listed(refused, capsys, "--date", str(found[0]["session_date"]))) == 1
    assert len(listed(refused, capsys, "--to", str(found[2]["session_date"]))) == 1
    assert len(listed(refused, capsys, "--symbol", "cba", "--limit", "2")) == 2
    assert refused("quarantine", "list", "--symbol", "BHP").summary == "nothing in quarantine waits for a decision"


def test_one_is_shown_with_its_rule_its_request_and_what_to_do(refused: Call, capsys: Capture) -> None:
    number = numbers(refused, capsys, "stale_session")[0]
    refused("quarantine", "show", number)
    text = capsys.readouterr().out
    assert "two neighbouring sessions with the same bar" in text
    assert "nothing in its place" in text and f"bin/quarantine release {number} --note WHY" in text
    impossible = numbers(refused, capsys, "high_below_low")[0]
    refused("quarantine", "show", impossible)
    assert "cannot be released: high_below_low cannot be overruled: high < low" in capsys.readouterr().out
    refused("quarantine", "show", number, "--json")
    assert json.loads(capsys.readouterr().out)[0]["rule"] == "stale_session"


def test_a_release_stores_the_bar_and_a_second_one_changes_nothing(refused: Call, capsys: Capture, database: psycopg.Connection) -> None:
    number = numbers(refused, capsys, "stale_session")[0]
    words = ("quarantine", "release", number, "--note", "the exchange confirms it", "--by", "anna")
    before = database.execute("SELECT count(*) FROM bars").fetchone()
    assert refused(*words, "--dry-run").summary.startswith(f"would release {number}: CBA 1day")
    assert database.execute("SELECT count(*) FROM bars").fetchone() == before
    assert database.execute("SELECT count(*) FROM quarantine WHERE verdict IS NOT NULL").fetchone() == (0,)
    done = refused(*words)
    assert done.status is Exit.DONE and " stored, request " in done.summary and done.counts == {"rows_stored": 1}
    assert refused(*words).summary.startswith(f"nothing changes: {number} was released by anna")
    capsys.readouterr()
    refused("quarantine", "show", number)
    assert "accepted by anna at 2025-01-17 00:00 UTC: the exchange confirms it" in capsys.readouterr().out
    assert [each["verdict"] for each in listed(refused, capsys, "--all", "--rule", "stale_session")] == ["accepted", None]


def test_a_rejected_bar_stays_out_and_cannot_be_released_afterwards(refused: Call, capsys: Capture, database: psycopg.Connection) -> None:
    number = numbers(refused, capsys, "stale_session")[0]
    assert "would reject" in refused("quarantine", "reject", number, "--note", "a copy", "--dry-run").summary
    assert "stays out" in refused("quarantine", "reject", number, "--note", "a copy", "--by", "anna").summary
    assert refused("quarantine", "reject", number, "--note", "a copy").summary == f"nothing changes: {number} was rejected by anna"
    for more in ((), ("--dry-run",)):
        with pytest.raises(UsageError, match="a verdict is final"):
            refused("quarantine", "release", number, "--note", "no", *more)
    assert len(listed(refused, capsys)) == 2


MISTAKES = [
    (["show", "999999"], "nothing in quarantine has the number 999999"), (["release", "999999", "--note", "x"], "nothing in quarantine"),
    (["release", "1", "--note", "  "], "a verdict needs its reason"), (["reject", "1", "--note", "turned \u202e round"], "nobody can see"),
    (["list", "--symbol", "NOPE"], "NOPE.* is not in the universe"), (["list", "--date", "2025-02-30"], "is not a date"),
]  # fmt: skip


def test_a_mistake_is_answered_with_what_is_right_and_an_impossible_bar_with_its_reason(refused: Call, capsys: Capture) -> None:
    for argv, says in MISTAKES:
        with pytest.raises(UsageError, match=says):
            refused("quarantine", *argv)
    number = numbers(refused, capsys, "high_below_low")[0]
    for more in ((), ("--dry-run",)):
        with pytest.raises(UsageError, match="cannot be released: high_below_low"):
            refused("quarantine", "release", number, "--note", "I want it", *more)
