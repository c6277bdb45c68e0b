"""O2 at a size that fits the suite: a storm's limit, and a zero as zero beside its planted defect."""

from __future__ import annotations

from tests.bench import complete
from tests.bench.operations_o2 import figures


def test_O2_alerts_arrive_a_storm_is_three_messages_and_nothing_stays_open() -> None:
    for figure in figures(print, events=500, times=3):
        assert complete(figure)["met"], figure
