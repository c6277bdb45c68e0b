"""The figures, at a size that fits the suite: a speed at half its bar, an efficiency at twice its allowed loss, a zero as
zero beside its planted defect. Never an absolute time: machines differ, and this one is shared.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from scizor.base.paths import ROOT
from scizor.ib.pacing import Limits
from tests.bench import table
from tests.bench.daily_d1 import measure
from tests.bench.daily_d3 import WINDOW, simulate

SEED = 11


def test_D1_the_hard_regime_keeps_the_rule_through_a_kill_and_the_planted_defect_is_seen() -> None:
    found = measure(print, 130, kills=False)
    assert found["broken"].total() == 0
    assert found["seen"] == 0
    assert found["lost"] == 0
    assert found["efficiency"] >= 0.96
    planted = measure(print, 70, kills=False, is_lawless=True)
    assert planted["broken"].total() > 0
    assert planted["seen"] > 0


def test_D3_no_grant_breaks_a_rule_and_none_is_late() -> None:
    broken, late = simulate(SEED, 1500, Limits())
    assert broken.total() == 0
    assert max(late) <= 0.02 * WINDOW
    planted, _ = simulate(SEED, 1500, Limits(), counts_from_grant=True)
    assert planted.total() > 0


def test_D6_a_first_load_reaches_half_its_bar(recordings: Path) -> None:
    from tests.bench.daily_d6 import figures

    found = figures(print, count=100_000)
    assert len(found) == 2
    for figure in found:
        assert figure["value"] >= figure["bar"] / 2, figure


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in kilobytes on Linux alone")
def test_D8_help_needs_little_memory() -> None:
    # A small process between: a child's peak counts what its parent was before the exec.
    between = (
        "import resource, subprocess, sys\n"
        "subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n"
    )
    words = [sys.executable, "-I", "-c", between, str(ROOT / "bin" / "collect-daily"), "--help"]
    told = subprocess.run(words, capture_output=True, text=True, check=True)
    assert int(told.stdout) / 1024 <= 2 * 200


def test_a_zero_whose_planted_defect_is_not_seen_is_a_miss() -> None:
    from tests.bench import complete

    good = {"id": "X1", "value": 0, "unit": "", "op": "==", "bar": 0, "planted": 3}
    assert complete(good)["met"]
    assert not complete({**good, "planted": 0})["met"]
    assert not complete({**good, "value": 1})["met"]
    assert "MISSED" in table([complete({**good, "value": 1})])
