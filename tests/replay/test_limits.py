"""IB's limits as the gateway counts them, on clocks that a test moves."""

from __future__ import annotations

import ast
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import scizor.replay
from scizor.replay.tws.limits import Ask, Limits, MessageRate

START = datetime(2025, 1, 15, 6, 0, tzinfo=UTC)


def ask(seconds: float, number: int = 0, *, contract: str = "", weight: int = 1, bar: int | None = 30) -> Ask:
    return Ask(START + timedelta(seconds=seconds), f"request {number}", contract or f"contract {number}", weight, bar)


def test_the_sixty_first_request_in_ten_minutes_breaks_the_window_and_the_refused_one_counts() -> None:
    limits = Limits("hard")
    assert [limits.count(ask(n, n)) for n in range(60)] == [()] * 60
    assert limits.count(ask(599, 60)) == ("window",)
    assert limits.count(ask(600.0, 61)) == ("window",), "the refused one stands in the window: 1..59, 60 and this are 61"
    assert limits.count(ask(602.5, 62)) == ()
    assert limits.violations == {"window": 2}


def test_a_request_leaves_the_window_exactly_after_ten_minutes() -> None:
    limits = Limits("hard")
    for n in range(60):
        limits.count(ask(0, n))
    assert limits.count(ask(600.0, 60)) == ()
    early = Limits("hard")
    for n in range(60):
        early.count(ask(0, n))
    assert early.count(ask(599.999999, 60)) == ("window",)


def test_bid_ask_counts_twice() -> None:
    limits = Limits("hard")
    assert [limits.count(ask(n * 3, n, weight=2)) for n in range(30)] == [()] * 30
    assert limits.count(ask(100, 30)) == ("window",)


def test_six_in_two_seconds_for_one_contract_break_the_burst() -> None:
    limits = Limits("hard")
    assert [limits.count(ask(n * 0.3, n, contract="BHP@ASX TRADES")) for n in range(5)] == [()] * 5
    assert limits.count(ask(1.9, 5, contract="BHP@ASX TRADES")) == ("burst",)
    calm = Limits("hard")
    assert [calm.count(ask(n * 0.4, n, contract="BHP@ASX TRADES")) for n in range(20)] == [()] * 20, "6 in exactly 2 s"


def test_the_same_request_within_fifteen_seconds_is_identical() -> None:
    limits = Limits("hard")
    assert limits.count(ask(0, 1)) == ()
    assert limits.count(ask(14.999, 1)) == ("identical",)
    assert limits.count(ask(29.998, 1)) == ("identical",)
    assert limits.count(ask(44.998, 1)) == ()


@pytest.mark.parametrize(("regime", "is_daily_governed"), [("hard", False), ("soft", False), ("strict", True)])
def test_daily_bars_are_governed_in_the_strict_variant_only_and_head_timestamps_always(
    regime: str, is_daily_governed: bool
) -> None:
    limits = Limits(regime)
    daily = [limits.count(ask(n * 0.1, n, bar=86400)) for n in range(61)]
    assert daily[-1] == (("window",) if is_daily_governed else ())
    assert limits.observed["window"] == 1, "seen in any case"
    heads = Limits(regime)
    assert [heads.count(ask(n, n, bar=None)) for n in range(61)][-1] == ("window",)


def test_a_client_that_sends_45_a_second_is_never_accused_and_one_of_138_is_three_times() -> None:
    rate = MessageRate(50)
    for second in range(100):
        for n in range(45):
            assert rate.count(START + timedelta(seconds=second + n / 1000)) == 0
    hasty = MessageRate(50)
    seen = [hasty.count(START) for _ in range(153)]
    assert [each for each in seen if each] == [51, 51, 51]
    assert hasty.strikes == 3


def test_the_gateway_shares_no_code_with_the_clients_pacing() -> None:
    """Counters that shared code would share their mistakes."""
    allowed = {"scizor.ib.wire", "scizor.ib"}
    files = sorted(Path(next(iter(scizor.replay.__path__))).rglob("*.py"))
    assert len(files) > 10
    for file in files:
        for name in _imported(file.read_text()):
            assert not name.startswith("scizor.ib") or name in allowed, f"{file.name} imports {name}"
    assert "scizor.ib.pacing" in _imported("from scizor.ib import pacing"), "the check can see"
    assert "scizor.ib.pacing" in _imported("def f():\n    import scizor.ib.pacing as p")


def _imported(text: str) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{each.name}" for each in node.names if node.module == "scizor.ib"}
            names.add(node.module)
    return names
