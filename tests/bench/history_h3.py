"""H3: the coverage audit of a million bars, recounted in the table, and that of one symbol's year."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from scizor.db import coverage
from scizor.db import symbols as stored_symbols
from scizor.jobs.coverage import audited
from scizor.market.completeness import Axis
from scizor.market.types import Instrument, Session
from tests.bench import million

TIMES = 5


def figures(report: Callable[[str], None], count: int = million.BARS) -> list[dict[str, Any]]:
    try:
        found = million.answers(count)
    except FileNotFoundError as absent:
        report(str(absent))
        return []
    with million.fresh_database() as connection, million.as_superuser(connection) as superuser:
        load = million.prepare(connection, found)
        with million.writers(connection) as few:
            million.store(few, load, million.NOW)
        superuser.execute("VACUUM ANALYZE")
        copy = million.copy_seconds(connection, load.plain)
        instruments = {each.symbol_id: each for each in stored_symbols.load_instruments(connection, million.NOW)}
        axes = {name: Axis.of(each) for name, each in load.sessions.items()}

        def whole() -> tuple[int, int]:
            return audit(connection, list(instruments.values()), load.sessions, axes)

        first = next(each for each in instruments.values() if each.symbol == "CBA")
        part = {"XASX": [each for each in load.sessions["XASX"] if each.session_date.year == 2019]}
        part_axes = {name: Axis.of(each) for name, each in part.items()}

        def year() -> tuple[int, int]:
            return audit(connection, [first], part, part_axes)

        (expected, contradicted), best = timed(whole)
        (_, _), best_year = timed(year)
        superuser.execute(
            'DELETE FROM bars WHERE (symbol_id, "timestamp") = (SELECT symbol_id, "timestamp" FROM bars WHERE timeframe = \'1day\' LIMIT 1)'
        )
        planted = whole()[1]
    report(f"{expected:,} bars expected, recounted in {best:.3f} s; one symbol's year in {best_year * 1000:.1f} ms; COPY {copy:.2f} s")
    report(f"ledger and bars contradict each other in {contradicted} sessions; with one bar deleted by hand in {planted}")
    return [
        {"id": "H3", "name": "audit of a million", "value": round(best, 3), "unit": "s", "op": "<=", "bar": 0.5, "n": load.count,
         "rival": f"text COPY of them: {copy:.2f} s"},
        {"id": "H3", "name": "one symbol's year", "value": round(best_year * 1000, 1), "unit": "ms", "op": "<=", "bar": 20, "n": TIMES, "rival": "none"},
        {"id": "H3", "name": "contradictions", "value": contradicted, "unit": "sessions", "op": "==", "bar": 0, "n": load.count,
         "planted": planted, "rival": "a recount of the table"},
    ]  # fmt: skip


def audit(
    connection: million.Connection, instruments: list[Instrument], sessions: dict[str, list[Session]], axes: dict[str, Axis]
) -> tuple[int, int]:
    """As bin/coverage does it: bars expected, and sessions in which the ledger and the table contradict each other."""
    expected = contradicted = 0
    for timeframe, origin, number in coverage.kinds(connection):
        known = coverage.load(connection, timeframe, origin, number, [each.symbol_id for each in instruments])
        held = [each for each in instruments if each.symbol_id in known]
        found = audited(connection, timeframe, number, held, known, sessions, axes)
        expected += sum(each.expected for each in found.values())
        contradicted += sum(len(each.contradicted) for each in found.values())
    return expected, contradicted


def timed(work: Callable[[], tuple[int, int]]) -> tuple[tuple[int, int], float]:
    """What it found, and the best time of a few."""
    best = float("inf")
    for _ in range(TIMES):
        start = time.perf_counter()
        found = work()
        best = min(best, time.perf_counter() - start)
    return found, best


if __name__ == "__main__":
    for each in figures(print):
        print(each)
