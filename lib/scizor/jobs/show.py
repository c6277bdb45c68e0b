"""What is there: one line a symbol, from the same tables that psql shows. The end of the demo; later a script of its own."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from scizor.base.config import Config
from scizor.db import calendar as stored_calendar
from scizor.db import coverage as stored_coverage
from scizor.db import symbols as stored_symbols
from scizor.db import watchlist as stored_watchlist
from scizor.db.connect import Connection, connect
from scizor.db.series import origin_id
from scizor.db.sql import query
from scizor.market.coverage import COMPLETE, Mark, dates_of, unfold
from scizor.market.due import horizon
from scizor.market.types import Coverage, Instrument, Origin, Session, Timeframe
from scizor.run.servers import database_server

CLOSES = 20  # in the sparkline
BLOCKS = "▁▂▃▄▅▆▇█"
HEAD = ("symbol", "tier", "expected", "stored", "missing", "why", "last close", f"last {CLOSES}")


class Line(NamedTuple):
    """One symbol. expected: due sessions of its life within the horizon; stored: those that are complete; missing: the
    others that nothing explains. why: reasons with their counts, explained ones in brackets. reasons: of what is missing."""

    symbol: str
    tier: int
    expected: int
    stored: int
    missing: int
    why: str
    reasons: Counter[str]
    closes: tuple[Decimal, ...] = ()


class Shown(NamedTuple):
    text: str
    summary: str


def watchlist(config: Config, name: str) -> Shown:
    """The table of one watch-list: symbol, tier, sessions expected, stored, missing and why, last close, a sparkline."""
    clock = config.make_clock()
    with database_server(config) as server, connect(server, application="show", clock=clock) as connection:
        lines = read(connection, name, clock.now(), config)
        row = connection.execute(query("last_run"), {"job": "collect-daily", "scope": "priority"}).fetchone()
    stored = sum(line.stored for line in lines)
    missing = sum((line.reasons for line in lines), Counter[str]())
    parts = ", ".join(f"{count:,} {reason}" for reason, count in missing.most_common())
    summary = f"{len(lines)} symbols, {stored:,} sessions stored, " + (f"missing: {parts}" if parts else "nothing missing")
    return Shown(table(lines), f"nothing was due; {summary}" if row and row[0] == "nothing-due" else summary)


def read(connection: Connection, name: str, now: datetime, config: Config) -> list[Line]:
    watched = {each.symbol: each for each in stored_watchlist.load(connection, name).get(name, [])}
    instruments = stored_symbols.load_instruments(connection, now, list(watched))
    coverages = stored_coverage.load(connection, Timeframe.DAY1, Origin(), origin_id(connection, Origin()))
    rows = connection.execute(
        query("recent_closes"), {"symbols": [each.symbol_id for each in instruments], "now": now, "count": CLOSES}
    )
    closes: Mapping[int, Sequence[Decimal]] = dict(rows.fetchall())
    settled = now - timedelta(minutes=config.collect.settle_minutes)
    begin = horizon(now, config.collect.daily_years)
    sessions = {name: stored_calendar.load(connection, name, begin, now.date()) for name in {each.calendar for each in instruments}}
    lines = []
    for each in instruments:
        due = [session for session in sessions[each.calendar] if session.last <= settled]
        line = _line(each, watched[each.symbol].priority, coverages.get(each.symbol_id), due)
        lines.append(line._replace(closes=tuple(closes.get(each.symbol_id, ()))))
    return sorted(lines, key=lambda line: (line.tier, line.symbol))


def _line(each: Instrument, tier: int, coverage: Coverage | None, due: Sequence[Session]) -> Line:
    dates = dates_of(due)
    low = bisect_left(dates, each.listed_from or date.min)
    high = bisect_right(dates, each.listed_to or date.max)
    states = unfold(coverage or Coverage(each.symbol_id, Timeframe.DAY1, Origin()), dates)[low:high]
    unasked = "not asked" if each.refused else "not asked yet"
    reasons = Counter(unasked if state is None else state.why.value for state in states if isinstance(state, Mark) or state is None)
    explained = Counter(state.why.value for state in states if isinstance(state, Mark) and state.why.is_explained)
    before = explained.pop("not-listed", 0)  # outside its life after all: not expected
    del reasons["not-listed"]
    words = [f"{reason} {count}" for reason, count in sorted((reasons - explained).items())]
    words += [f"({reason} {count})" for reason, count in sorted(explained.items())]
    if each.refused:
        words.append(each.refused)
    return Line(
        each.symbol, tier, len(states) - before, sum(state == COMPLETE for state in states),
        sum((reasons - explained).values()), ", ".join(words), reasons - explained,
    )  # fmt: skip


def table(lines: Sequence[Line]) -> str:
    """Plain text, aligned; nothing that a pipe or a narrow font could not show but the sparkline itself."""
    rows = [HEAD]
    for line in lines:
        last = str(line.closes[-1]) if line.closes else ""
        rows.append((
            line.symbol, str(line.tier), f"{line.expected:,}", f"{line.stored:,}", f"{line.missing:,}", line.why or "-",
            last, sparkline(line.closes),
        ))  # fmt: skip
    return aligned(rows, {2, 3, 4, 6})


def aligned(rows: Sequence[Sequence[str]], right: set[int]) -> str:
    """Columns as wide as their widest cell, two spaces between; those of `right` end where the others begin."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.rjust(width) if column in right else cell.ljust(width)
                  for column, (cell, width) in enumerate(zip(row, widths, strict=True))).rstrip()
        for row in rows
    )  # fmt: skip


def sparkline(closes: Sequence[Decimal]) -> str:
    """Eight heights between the lowest and the highest close."""
    if not closes:
        return ""
    low, high = min(closes), max(closes)
    if low == high:
        return BLOCKS[3] * len(closes)
    return "".join(BLOCKS[int((each - low) * (len(BLOCKS) - 1) / (high - low))] for each in closes)
