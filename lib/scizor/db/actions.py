"""Corporate actions in the tables: what an answer changed, candidates, a person's word, and what is done about it.

An answer that changed stored bars is compared from bars and bars_history: what was known before it, and after. So a search
needs no copy of the answer, may run at any time later, and finds the same again.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

import psycopg
from psycopg.types.json import Jsonb

from scizor.db.sql import array, query
from scizor.market.types import Bar, Kind, Origin, Timeframe

Connection = psycopg.Connection[tuple[Any, ...]]

SYMBOL_LOCK = 21348  # advisory, with the symbol's id: one writer of its bars, as the merge has it
TICK = timedelta(microseconds=1)
EVER = datetime(1970, 1, 1, tzinfo=UTC)


class Answer(NamedTuple):
    """A daily request that changed bars. asked_before: the newest session date of an earlier answer. is_refused: as another
    contract's."""

    id: int
    symbol_id: int
    origin: int
    first: date
    last: date
    started_at: datetime
    completed_at: datetime
    kind: str
    symbol: str
    calendar: str
    asked_before: date | None
    is_refused: bool


class Gap(NamedTuple):
    """A daily bar far from the sessions before it, which stand oldest first."""

    symbol_id: int
    symbol: str
    calendar: str
    request: int
    before: list[Bar]
    opening: Bar


class Action(NamedTuple):
    """A row of corporate_actions."""

    id: int
    symbol: str
    symbol_id: int
    calendar: str
    ex_date: date
    type: str
    new: int | None
    old: int | None
    amount: float | None
    state: str
    noticed_at: datetime
    decided_at: datetime | None
    effective_at: datetime | None
    evidence: dict[str, Any]


class Stale(NamedTuple):
    """A series with bars on the basis before an action. is_fetched: they are asked for again; the others are converted."""

    timeframe: Timeframe
    origin: int
    of: Origin
    first: date
    last: date
    is_fetched: bool


class Refetch(NamedTuple):
    """A daily series that a confirmed split has made due for one fetch."""

    action: int
    symbol_id: int
    origin: int
    of: Origin
    first: date
    last: date
    symbol: str


class Batch(NamedTuple):
    """Bars that became another revision. first, last: session dates, None for no bar."""

    bars: int
    first: date | None
    last: date | None


def since(connection: Connection, job: str, scope: str) -> datetime | None:
    """From where a search goes on: None for the first."""
    row = connection.execute(query("action_since"), {"job": job, "scope": scope}).fetchone()
    return row[0] if row else None


def answers(connection: Connection, since: datetime | None) -> list[Answer]:
    """Daily answers from then on that changed bars or were refused as a whole, oldest first."""
    rows = connection.execute(query("action_requests"), {"since": since or EVER})
    return [Answer(*row) for row in rows]


def overlap(connection: Connection, answer: Answer) -> tuple[list[Bar], list[Bar], dict[date, datetime]]:
    """Daily bars as they were known before an answer, and after it; since when each of the former was known. Of an answer
    that was refused: what it said."""
    values = {"symbol_id": answer.symbol_id, "origin": answer.origin, "first": answer.first, "last": answer.last}
    before = connection.execute(query("action_known"), {**values, "at": answer.completed_at - TICK}).fetchall()
    stored = [Bar(*row[:6]) for row in before]
    if answer.is_refused:
        refused = connection.execute(query("action_refused"), {"request_id": answer.id}).fetchall()
        fetched = [_bar(day, raw) for day, raw in refused if _is_whole(raw)]
    else:
        fetched = [Bar(*row[:6]) for row in connection.execute(query("action_known"), {**values, "at": answer.completed_at})]
    return stored, fetched, {row[0]: row[6] for row in before}


def next_session(connection: Connection, calendar: str, after: date) -> date:
    """The first session after a day; the next day where the calendar does not reach."""
    row = connection.execute(query("action_session"), {"calendar": calendar, "after": after}).fetchone()
    return row[0] if row and row[0] else after + timedelta(days=1)


def gaps(connection: Connection, since: datetime, first: date, least: float) -> list[Gap]:
    """Official daily bars from `first` on that are known since then and opened at `least` times the close before, or a `least`th."""
    values = {"since": since, "first": first, "least": least}
    return [
        Gap(number, symbol, calendar, request, [_priced(*each) for each in zip(days, before, strict=True)], _priced(day, opening))
        for number, symbol, calendar, request, day, before, days, opening in connection.execute(query("action_gaps"), values)
    ]


def put(
    connection: Connection, symbol_id: int, type_: str, ex_date: date, effective_at: datetime, evidence: dict[str, Any], now: datetime, *,
    new: int | None = None, old: int | None = None, amount: float | None = None,
) -> tuple[int, bool] | None:  # fmt: skip
    """Stores a candidate: its number, and whether it is new. None: it is known so, or decided."""
    values = {
        "symbol_id": symbol_id, "ex_date": ex_date, "type": type_, "new": new, "old": old, "amount": amount,
        "evidence": Jsonb(evidence), "now": now, "effective_at": effective_at,
    }  # fmt: skip
    row = connection.execute(query("action_put"), values).fetchone()
    return (row[0], row[1]) if row else None


def load(
    connection: Connection, *, id: int | None = None, symbols: Collection[str] | None = None, decided: bool = True
) -> list[Action]:
    """Actions, the newest ex-date first. decided: with those that a person has judged."""
    values = {"id": id, "symbols": sorted(symbols) if symbols is not None else None, "all": decided}
    return [Action(*row) for row in connection.execute(query("actions"), values)]


def decide(
    connection: Connection, action: Action, state: str, now: datetime, *, ex_date: date, effective_at: datetime | None, new: int | None,
    old: int | None, former: str = "candidate",
) -> bool:  # fmt: skip
    """Confirms or rejects; False when it was not in the former state any more."""
    values = {
        "id": action.id, "state": state, "former": former, "now": now, "ex_date": ex_date, "new": new, "old": old, "effective_at": effective_at,
    }  # fmt: skip
    return connection.execute(query("action_decide"), values).rowcount == 1


def stale(connection: Connection, action: Action, ex_date: date, effective_at: datetime) -> list[Stale]:
    """The symbol's series that hold bars from before the action."""
    values = {"symbol_id": action.symbol_id, "ex_date": ex_date, "effective_at": effective_at}
    return [
        Stale(Timeframe(timeframe), origin, _origin(kind, source, hours), first, last, is_fetched)
        for timeframe, origin, kind, source, hours, first, last, is_fetched in connection.execute(query("action_series"), values)
    ]


def convert(
    connection: Connection, action: Action, series: Stale, ex_date: date, effective_at: datetime, new: int, old: int, now: datetime
) -> Batch:
    """Multiplies a series' bars from before a split by its ratio, as one batch of revisions. Inside a transaction."""
    connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", [SYMBOL_LOCK, action.symbol_id])
    others = [at for (at,) in connection.execute(query("action_conversions"), {"symbol_id": action.symbol_id, "id": action.id})]
    values = {
        "symbol_id": action.symbol_id, "timeframe": str(series.timeframe), "origin": series.origin, "ex_date": ex_date,
        "effective_at": effective_at, "new": new, "old": old, "now": now, "conversions": array(each.isoformat() for each in others),
    }  # fmt: skip
    row = connection.execute(query("action_convert"), values).fetchone()
    batch = Batch(*row[:3]) if row else Batch(0, None, None)
    at = row[3] if row and row[3] else now  # a trigger moves it on where the clock did not
    note(connection, action.id, action.symbol_id, series.timeframe, series.origin, "converted", batch, at)
    return batch


def revert(connection: Connection, action: Action, now: datetime) -> Batch | None:
    """Undoes the conversions of a split, as revisions: how many bars. None, and nothing done, where another split's conversion
    stands upon them. Inside a transaction."""
    connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", [SYMBOL_LOCK, action.symbol_id])
    batches = connection.execute(query("action_batches"), {"id": action.id}).fetchall()
    if any(is_covered for *_, is_covered in batches):
        return None
    total = 0
    for timeframe, origin, at, first, last, _ in batches:
        values = {
            "symbol_id": action.symbol_id, "timeframe": timeframe, "origin": origin, "at": at, "first": first, "last": last, "now": now,
        }  # fmt: skip
        row = connection.execute(query("action_revert"), values).fetchone()
        if row and row[0]:
            note(connection, action.id, action.symbol_id, Timeframe(timeframe), origin, "reverted", Batch(*row[:3]), row[3])
            total += row[0]
    return Batch(total, None, None)


def note(
    connection: Connection, action: int, symbol_id: int, timeframe: Timeframe, origin: int, method: str, batch: Batch, now: datetime,
    request: int | None = None,
) -> None:  # fmt: skip
    """A row of restatements."""
    if batch.first is None or batch.last is None:
        return
    connection.execute(query("action_batch"), {
        "id": action, "symbol_id": symbol_id, "timeframe": str(timeframe), "origin": origin, "method": method, "now": now,
        "first": batch.first, "last": batch.last, "bars": batch.bars, "request_id": request,
    })  # fmt: skip


def refetches(connection: Connection) -> list[Refetch]:
    """Daily series that are due for one fetch, by symbol; one row a split, so a series of two splits is here twice."""
    return [
        Refetch(action, symbol_id, origin, _origin(kind, source, hours), first, last, symbol)
        for action, symbol_id, origin, kind, source, hours, first, last, symbol in connection.execute(query("action_refetches"))
    ]


def answered(connection: Connection, due: Refetch, since: datetime) -> tuple[int, Batch] | None:
    """The request that has brought the whole of a series since, and what it changed."""
    values = {"symbol_id": due.symbol_id, "origin": due.origin, "first": due.first, "last": due.last, "since": since}
    row = connection.execute(query("action_answer"), values).fetchone()
    return (row[0], Batch(row[1], due.first, due.last)) if row else None


def same_split(known: Sequence[Action], after: date, ex_date: date, new: int, old: int) -> Action | None:
    """A split that is known already, under whichever ex-date it was first noticed; a suspicion is not known."""
    return next(
        (each for each in known if each.type == "split" and each.new and each.old and after < each.ex_date <= ex_date
         and (each.state == "confirmed" or each.evidence.get("method") != "gap") and abs(each.new * old / (each.old * new) - 1) < 1e-3),
        None,
    )  # fmt: skip


def _origin(kind: str, source: str, regular_hours: bool) -> Origin:
    return Origin(Kind(kind), source, regular_hours)


def _bar(day: date, raw: str) -> Bar:
    open_, high, low, close, volume = (float(each) for each in raw.split(",")[:5])
    return Bar(day, open_, high, low, close, volume)


def _priced(day: date, values: Sequence[float]) -> Bar:
    open_, high, low, close, volume = values
    return Bar(day, open_, high, low, close, volume)


def _is_whole(raw: str) -> bool:
    return all(raw.split(",")[:5])

