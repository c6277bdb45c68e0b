"""The key figures: graded as was promised, read from facts, added up as histograms. Pure."""

from __future__ import annotations

import pytest

from scizor.base.errors import UnreachableError
from scizor.base.paths import ROOT
from scizor.jobs.checks import kpi
from scizor.jobs.checks.host import Load
from tests.jobs.checks.moments import HOUR, NOW, moment


@pytest.mark.parametrize(
    ("name", "value", "grade"),
    [("completeness", 99.5, "target"), ("completeness", 99.4, "fair"), ("completeness", 97.9, "alert"), ("completeness", 94.9, "critical"),
     ("pacing_hard", 80, "target"), ("pacing_hard", 81, "fair"), ("pacing_hard", 91, "alert"), ("pacing_hard", 96, "critical"),
     ("uptime", 99.95, "target"), ("uptime", 98.9, "alert"), ("memory", 86, "alert"), ("database_write", 11, "fair"), ("database_bytes", 1e15, "none")],
)  # fmt: skip
def test_a_figure_is_graded_as_was_promised(name: str, value: float, grade: str) -> None:
    assert kpi.kpi(name, value).grade == grade


def test_what_needs_the_daemon_has_no_value_and_says_so() -> None:
    waiting = {each.name for each in kpi.LIMITS if kpi.NO_DAEMON in each.meaning}
    assert waiting == {"tick_latency_p95", "tick_rate", "live_data_age"}
    assert not {each.name for each in kpi.measure({"memory": Load(1, 2, 3.0, 4)}, moment())} & waiting


def test_the_README_holds_every_figure_against_the_same_limits() -> None:
    assert kpi.table() in (ROOT / "README.md").read_text()


def test_an_error_is_no_fact_and_a_gateway_that_is_down_is_a_zero() -> None:
    down = UnreachableError("no")
    assert [(each.name, each.value) for each in kpi.measure({"check_pacing": down, "gateway": down}, moment())] == [("gateway_up", 0.0)]


def test_uptime_counts_market_hours_once_and_only_since_somebody_looked() -> None:
    day = NOW - 10 * HOUR
    rows = [
        ("session", "XASX", day, day + 6 * HOUR), ("session", "XNYS", day + 5 * HOUR, day + 9 * HOUR), ("looked", "", day + HOUR, NOW),
        ("event", "gateway-up", day + 3 * HOUR, None), ("event", "gateway-down", day + 2 * HOUR, None),
    ]  # fmt: skip
    # eight hours are looked at, one of them was an outage
    assert kpi.uptime(rows, NOW) == pytest.approx(100 * 7 / 8)
    assert kpi.uptime([each for each in rows if each[0] != "looked"], NOW) is None
    assert kpi.uptime([("looked", "", NOW - HOUR, NOW)], NOW) is None


def test_histograms_are_added_up_and_a_damaged_one_begins_anew() -> None:
    first = kpi.added(None, [1.0] * 95)
    whole = kpi.added(first.histogram, [100.0] * 5)
    assert (whole.samples, whole.p50) == (100, pytest.approx(1.0, rel=0.002))
    assert whole.p99 == pytest.approx(100.0, rel=0.002) and whole.highest == pytest.approx(100.0, rel=0.002)
    assert kpi.added("damaged", [5.0]).samples == 1
    assert kpi.added(None, [1e9]).highest <= 61_000
