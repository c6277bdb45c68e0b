"""D6: the first load of one million recorded bars, all checks and coverage included, against a bare COPY of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from scizor.db import windows
from scizor.market.types import Bar, Outcome, OutcomeKind, Window
from tests.bench import million


def figures(report: Callable[[str], None], count: int = million.BARS) -> list[dict[str, Any]]:
    """From COPY text in memory, and from ib_insync's BarData objects in memory; each into a fresh database."""
    from ib_insync import BarData

    try:
        found = million.answers(count)
    except FileNotFoundError as absent:
        report(str(absent))
        return []
    results = []
    with million.fresh_database() as connection:
        load = million.prepare(connection, found)
        report(f"{load.count:,} bars in {len(load.windows)} windows")
        copy = million.copy_seconds(connection, load.plain)
        report(f"COPY of the nine columns: {copy:.2f} s, {load.count / copy:,.0f} bars a second")
        with million.writers(connection) as few:
            start = time.perf_counter()
            stored = million.store(few, load, million.NOW)
            seconds = time.perf_counter() - start
        results.append(("D6a", copy / seconds, 0.15, "from COPY text"))
        report(_sentence("from COPY text", stored, seconds, copy))
    with million.fresh_database() as connection:
        load = million.prepare(connection, found)
        data = [
            [BarData(b.start, b.open, b.high, b.low, b.close, b.volume or 0.0, -1.0, -1) for b in outcome.bars]
            for _, outcome in load.windows
        ]
        with million.writers(connection) as few:
            start = time.perf_counter()
            done = [
                few.submit(lambda writer, window=window, rows=rows: keep(writer, load, window, rows))  # type: ignore[misc]
                for (window, _), rows in zip(load.windows, data, strict=True)
            ]
            stored = [each.result() for each in done]
            seconds = time.perf_counter() - start
        copy = min(copy, million.copy_seconds(connection, load.plain, times=1))
        results.append(("D6b", copy / seconds, 0.12, "from BarData"))
        report(_sentence("from BarData", stored, seconds, copy))
    return [
        {
            "id": name, "value": round(value, 3), "unit": "of COPY", "op": ">=", "bar": bar, "n": load.count, "min": round(value, 3),
            "median": round(value, 3), "rival": f"text COPY into a bare table, {how}",
        }
        for name, value, bar, how in results
    ]  # fmt: skip


def keep(connection: million.Connection, load: million.Load, window: Window, rows: list[Any]) -> windows.Stored:
    """ib_insync's bars into ours, and into the table."""
    bars = tuple([
        Bar(b.date, b.open, b.high, b.low, b.close, b.volume) if b.barCount == -1
        else Bar(b.date, b.open, b.high, b.low, b.close, b.volume, b.average, b.barCount)
        for b in rows
    ])  # fmt: skip
    outcome = Outcome(OutcomeKind.OK, bars, asked_at=million.NOW, answered_at=million.NOW)
    return windows.store(connection, None, None, window, outcome, million.NOW, sessions=load.sessions[window.instrument.calendar])


def _sentence(how: str, stored: list[windows.Stored], seconds: float, copy: float) -> str:
    total = sum(each.received for each in stored)
    kept, refused = sum(each.stored for each in stored), sum(each.quarantined for each in stored)
    gaps = sum(len(each.coverage.incomplete) for each in stored)
    return (
        f"{how}: {seconds:.2f} s, {total / seconds:,.0f} bars a second, {copy / seconds:.3f} of COPY; "
        f"{kept:,} stored, {refused:,} quarantined, {gaps:,} gaps"
    )


if __name__ == "__main__":
    for figure in figures(print):
        print(figure)
