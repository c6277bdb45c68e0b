"""An answer in memory: what the screen lets pass, no rule would refuse."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from scizor.db.answer import Answer, closed, doubts, read
from scizor.db.windows import text_of
from scizor.market import calendar
from scizor.market.bars import copy_text
from scizor.market.types import Bar, Span, Timeframe
from tests.db.conftest import NOW, xasx
from tests.market import asx_recorded
from tests.market.test_validate import CASES, OPEN_DAYS, names

DAYS = [each.session_date for each in xasx()]
ASKED = datetime(2025, 1, 16, 8, 0, tzinfo=UTC)


def bars(count: int = 20) -> list[Bar]:
    return [Bar(day, 40.0 + i, 41.0 + i, 39.5 + i, 40.5 + i, 1000.0 + i, 40.25 + i, 7) for i, day in enumerate(DAYS[-count:])]


def answer(rows: list[Bar], timeframe: Timeframe = Timeframe.DAY1) -> Answer:
    return read(rows, text_of(timeframe, rows, xasx()), timeframe)


def doubted(rows: list[Bar], held: Span | None = None) -> set[date]:
    found = answer(rows)
    return {found.starts[place] for place in doubts(found, Timeframe.DAY1, xasx(), ASKED, held)}


@pytest.mark.parametrize(("name", "rule", "bar"), CASES, ids=[each[0] for each in CASES])
def test_every_bar_that_a_rule_names_is_doubted(name: str, rule: str | None, bar: Bar) -> None:
    start = date(2025, 1, 17) if rule == "unfinished" else bar.start
    rows = [each for each in bars() if each.start != start]
    assert not doubted(rows)
    assert (start in doubted([*rows, bar._replace(start=start)])) or rule is None


def test_two_days_with_the_same_prices_are_doubted_and_so_are_two_bars_of_one_day() -> None:
    rows = bars()
    rows[8] = rows[7]._replace(start=rows[8].start, volume=5.0)
    assert doubted(rows) == {rows[7].start, rows[8].start}
    assert answer([*rows, rows[3]]).has_double
    assert not answer(rows).has_double


def test_what_stands_beside_the_table_is_doubted_since_its_neighbour_lies_there() -> None:
    rows = bars(10)
    assert doubted(rows, Span(DAYS[0], DAYS[-11])) == {rows[0].start}
    assert doubted(rows, Span(DAYS[-5], DAYS[-5])) == set()


def test_shorter_bars_are_doubted_outside_of_their_session_and_while_they_last() -> None:
    session = xasx()[-2]
    step = timedelta(minutes=5)
    rows = [Bar(session.open + i * step, 10.0, 10.5, 9.5, 10.0 + i / 100, 5.0) for i in range(20)]
    early = rows[0]._replace(start=session.open - step)
    late = rows[0]._replace(start=session.last + step)
    found = answer([early, *rows, late], Timeframe.MIN5)
    asked_at = rows[15].start + timedelta(minutes=4)
    assert {found.starts[each] for each in doubts(found, Timeframe.MIN5, xasx(), NOW, None)} == {early.start, late.start}
    unfinished = {each.start for each in rows[15:]}
    assert {found.starts[each] for each in doubts(found, Timeframe.MIN5, xasx(), asked_at, None)} == {early.start, late.start} | unfinished


def test_an_answer_in_any_order_is_read_by_start_with_its_text() -> None:
    rows = bars()
    mixed = [*rows[10:], *rows[:10][::-1]]
    assert (answer(mixed).text, list(answer(mixed).bars)) == (copy_text(rows), rows)
    part = answer(rows).only({3, 11})
    assert (part.text, part.places) == (copy_text([rows[3], rows[11]]), [3, 11])
    with pytest.raises(ValueError, match="did not write"):
        read(rows, copy_text(rows[1:]), Timeframe.DAY1)


def test_days_without_a_session_are_named() -> None:
    saturday = date(2025, 1, 11)
    assert closed(frozenset({saturday, DAYS[-1]}), xasx()) == [saturday]


def test_of_the_recorded_days_every_bar_that_a_rule_names_is_doubted_and_few_others(recordings: Path) -> None:
    total = spared = 0
    sessions = calendar.sessions("XASX", date(1997, 1, 1), date(2026, 12, 31))
    for rows in asx_recorded.eighteen(recordings).values():
        found = read(rows, copy_text(rows), Timeframe.DAY1)
        seen = {found.starts[each] for each in doubts(found, Timeframe.DAY1, sessions, ASKED, None)}
        named = names(list(found.bars), date(2025, 1, 16), ASKED)
        assert {bar.start for bar, rule in zip(found.bars, named, strict=True) if rule} <= seen
        total, spared = total + len(rows), spared + len(rows) - len(seen)
    assert OPEN_DAYS and total > 10_000
    assert spared > 0.97 * total
