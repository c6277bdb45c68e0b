"""The ledger of coverage against a recount: in the table, and in what has left it for an archive."""

from __future__ import annotations

from scizor.db import coverage
from scizor.db.windows import store
from scizor.jobs.coverage import audited
from scizor.market.completeness import Axis, Completeness
from scizor.market.types import Timeframe
from tests.db.conftest import NOW, Connection, Market, ok


def audit(connection: Connection, market: Market) -> Completeness:
    [(timeframe, origin, number)] = coverage.kinds(connection)
    cba = market.instruments["CBA"]
    known = coverage.load(connection, timeframe, origin, number, [cba.symbol_id])
    axes = {"XASX": Axis.of(market.sessions)}
    return audited(connection, timeframe, number, [cba], known, {"XASX": market.sessions}, axes)[cba.symbol_id]


def test_what_lies_in_an_archive_is_there_and_what_lies_nowhere_contradicts_the_ledger(
    collector: Connection, database: Connection, market: Market
) -> None:
    store(collector, None, None, market.window(), ok(market.bars()), NOW, sessions=market.sessions)
    whole = audit(database, market)
    assert (whole.expected, whole.stored, whole.missing, whole.contradicted) == (len(market.sessions), len(market.sessions), 0, ())
    day = market.dates()[40]
    database.execute("DELETE FROM bars WHERE session_date = %s", [day])
    lost = audit(database, market)
    assert (lost.missing, lost.contradicted, lost.why) == (1, (day,), {"contradicted": 1})
    database.execute(
        "INSERT INTO archived_sessions (symbol_id, timeframe, origin, year, session_date, bars) VALUES (%s, %s, 1, %s, %s, 1)",
        [market.instruments["CBA"].symbol_id, str(Timeframe.DAY1), day.year, day],
    )
    assert audit(database, market) == whole
