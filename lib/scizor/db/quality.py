"""What a quality report reads, and where it is written."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

import psycopg

from scizor.db.runs import Run
from scizor.db.series import lock_symbol
from scizor.db.sql import query
from scizor.market.quality.outliers import Start
from scizor.market.quality.score import Counts, Held
from scizor.market.types import JUDGED, Bar, Flag, Session, Timeframe

Connection = psycopg.Connection[tuple[Any, ...]]
EVIDENCE_MAX = 1000  # characters, as the column's CHECK says


class Scope(NamedTuple):
    """What one report looks at. origin: its number."""

    calendar: str
    timeframe: Timeframe
    origin: int


class Finding(NamedTuple):
    """symbol_id None: the whole market. start: of the bar, None: the session as a whole."""

    symbol_id: int | None
    symbol: str
    session_date: date
    start: datetime | None
    rule: str
    severity: str
    is_confirmed: bool
    evidence: str


class Range(NamedTuple):
    """Starts of bars, [first, last)."""

    first: datetime
    last: datetime


def scopes(connection: Connection) -> list[Scope]:
    """Calendars and bar sizes of which something is known."""
    return [Scope(row[0], Timeframe(row[1]), row[2]) for row in connection.execute(query("quality_timeframes"))]


def range_of(timeframe: Timeframe, first: Session, last: Session, *, auctions: bool = True) -> Range:
    """Where bars of these sessions start. auctions: with what comes after continuous trading."""
    if timeframe is Timeframe.DAY1:
        start, end = (datetime(each.year, each.month, each.day, tzinfo=UTC) for each in (first.session_date, last.session_date))
        return Range(start, end + timedelta(days=1))
    return Range(first.open, last.last + timedelta(minutes=1) if auctions else last.close)


def held(connection: Connection, scope: Scope, session: Session, names: Sequence[str] | None) -> list[Held]:
    """Series that are expected to have bars of the session, and what they have."""
    times = range_of(scope.timeframe, session, session, auctions=False)
    values = {**_key(scope), "calendar": scope.calendar, "day": session.session_date, **times._asdict(), "symbols": list(names) if names else None}
    return [Held(*row) for row in connection.execute(query("quality_series"), values)]


def counts(connection: Connection, scope: Scope, session: Session, ids: Sequence[int]) -> tuple[int, int]:
    """(refused bars about which nobody has decided, bars that came back different) of the session."""
    values = {**_key(scope), "ids": list(ids), "day": session.session_date, **range_of(scope.timeframe, session, session)._asdict()}
    row = connection.execute(query("quality_counts"), values).fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


def bars(connection: Connection, scope: Scope, ids: Sequence[int], times: Range) -> Iterable[tuple[int, list[tuple[date, Bar]]]]:
    """(symbol id, its bars with their session dates, oldest first)."""
    values = {**_key(scope), "calendar": scope.calendar, "ids": list(ids), **times._asdict()}
    is_daily = scope.timeframe is Timeframe.DAY1
    for symbol_id, rows in groupby(connection.execute(query("quality_bars"), values), itemgetter(0)):
        yield symbol_id, [(row[2], Bar(row[2] if is_daily else row[1], *row[3:8])) for row in rows]


def side(connection: Connection, scope: Scope, kind: str) -> Scope | None:
    """The same bars made of bids or asks; None where there are none."""
    row = connection.execute(
        "SELECT o.id FROM origins o JOIN origins t ON t.id = %s AND t.source = o.source AND t.regular_hours = o.regular_hours WHERE o.kind = %s",
        [scope.origin, kind],
    ).fetchone()
    return scope._replace(origin=row[0]) if row else None


def known(connection: Connection, scope: Scope, first: date) -> set[tuple[int | None, date, str]]:
    """(symbol id, session date, rule) of what reports since this session have told already."""
    rows = connection.execute(
        "SELECT f.symbol_id, f.session_date, f.rule FROM quality_findings f JOIN quality_reports r ON r.id = f.report_id "
        "WHERE r.timeframe = %s AND r.origin = %s AND f.session_date >= %s",
        [str(scope.timeframe), scope.origin, first],
    )
    return {(row[0], row[1], row[2]) for row in rows}


def accepted(connection: Connection, scope: Scope, first: date) -> set[tuple[int, date]]:
    """(symbol id, session date) of bars that a person has looked at and accepted."""
    rows = connection.execute(
        "SELECT symbol_id, session_date FROM quarantine WHERE timeframe = %s AND origin = %s AND session_date >= %s AND verdict = 'accepted'",
        [str(scope.timeframe), scope.origin, first],
    )
    return {(row[0], row[1]) for row in rows}


def store(
    connection: Connection, run: Run | None, scope: Scope, day: date, found: Counts, findings: Iterable[Finding], now: datetime
) -> Decimal | None:
    """Writes a report with its findings; returns the score as the table computed it."""
    with connection.transaction():
        values = {"session_date": day, **_key(scope), "now": now, "run_id": run.id if run else None, **found._asdict()}
        row = connection.execute(query("add_quality_report"), values).fetchone()
        assert row is not None
        rows = [
            {"report_id": row[0], "symbol_id": each.symbol_id, "session_date": each.session_date, "timestamp": each.start, "rule": each.rule,
             "severity": each.severity, "is_confirmed": each.is_confirmed, "evidence": each.evidence[:EVIDENCE_MAX]}
            for each in findings
        ]  # fmt: skip
        with connection.cursor() as cursor:
            cursor.executemany(query("add_quality_finding"), rows)
        score: Decimal | None = row[1]
        return score


def judge(
    connection: Connection, scope: Scope, seen: Sequence[Session], ids: Collection[int], doubts: Iterable[tuple[int, Start, Flag, bool]],
    wrong: Iterable[tuple[int, date]],
) -> int:  # fmt: skip
    """Writes into bars.flags what is thought of the bars of `seen`, whose last session is the one that was judged: how many changed.

    doubts: (symbol id, start, bit, whether it is withdrawn). wrong: (symbol id, session date) that a fault names. Inside a
    transaction; one writer a symbol, as the merge has it.
    """
    found: dict[tuple[int, datetime], list[int]] = {}
    for symbol_id, start, bit, is_withdrawn in doubts:
        at = start if isinstance(start, datetime) else datetime(start.year, start.month, start.day, tzinfo=UTC)
        found.setdefault((symbol_id, at), [0, 0])[is_withdrawn] |= bit
    rows = [(*key, bits, gone) for key, (bits, gone) in found.items()]
    columns = list(map(list, zip(*rows, strict=True))) if rows else [[], [], [], []]
    faults = sorted(wrong)
    values = {
        **_key(scope), "ids": sorted(ids), "day": seen[-1].session_date, **range_of(scope.timeframe, seen[0], seen[-1])._asdict(),
        **dict(zip(("symbols", "starts", "bits", "gone"), columns, strict=True)),
        "wrong_symbols": [number for number, _ in faults], "wrong_days": [day for _, day in faults], "judged": int(JUDGED), "wrong": int(Flag.WRONG),
    }  # fmt: skip
    for each in sorted(ids):
        lock_symbol(connection, each)
    return connection.execute(query("judge_bars"), values).rowcount


def _key(scope: Scope) -> dict[str, Any]:
    return {"timeframe": str(scope.timeframe), "origin": scope.origin}
