"""H5 and H9 at a size that fits the suite: a limit at double, a speed at half, never an absolute time."""

from __future__ import annotations

from pathlib import Path

from tests.bench.history_h5 import bytes_per_bar, embellished, minutes, reading
from tests.bench.history_h9 import figures
from tests.bench.million import Connection


def test_H5_a_recorded_minute_takes_few_bytes_and_files_are_read_faster_than_the_server(
    recordings: Path, collector: Connection, tmp_path: Path
) -> None:
    files = sorted((recordings / "intraday" / "ib_1min_us").glob("*_1min.csv.gz"))[:1]
    recorded = {path.name.split("_")[0]: minutes(path) for path in files}
    assert bytes_per_bar(recorded, tmp_path, print, "as recorded") <= 2 * 20
    assert bytes_per_bar({name: embellished(bars) for name, bars in recorded.items()}, tmp_path, print, "with both") <= 2 * 20
    found = reading(collector, recorded, 20_000, tmp_path, 3, print)
    assert min(found["csv"]) / min(found["parquet"]) >= 8 / 2


def test_H9_the_batch_costs_little_more_than_TA_Lib_alone() -> None:
    (figure,) = figures(print, [(20, 252, 1), (2, 40 * 360, 360)], times=5)
    assert figure["min"] <= 2 * 1.5
