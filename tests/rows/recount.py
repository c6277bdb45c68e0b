"""Coverage counted again from the bars alone: the judge of what a run says it knows. Shares no code with the product."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Rows = Callable[..., list[tuple[Any, ...]]]

#: Each gives a row for every disagreement: symbol, session date.
DISAGREEMENTS = {
    "complete, and no bar is there": """
        SELECT s.symbol, x.session_date FROM coverage c JOIN symbols s ON s.id = c.symbol_id JOIN sessions x ON x.calendar = s.calendar
        WHERE x.session_date <@ c.complete AND NOT EXISTS (SELECT FROM bars b WHERE b.symbol_id = c.symbol_id
            AND b.timeframe = c.timeframe AND b.origin = c.origin AND b.session_date = x.session_date)""",
    "a bar, and not complete": """
        SELECT s.symbol, b.session_date FROM bars b JOIN symbols s ON s.id = b.symbol_id
        WHERE b.timeframe = '1day' AND NOT EXISTS (SELECT FROM coverage c WHERE c.symbol_id = b.symbol_id
            AND c.timeframe = b.timeframe AND c.origin = b.origin AND b.session_date <@ c.complete)""",
    "complete and missing at once": """
        SELECT m.symbol, m.session_date FROM missing_sessions m JOIN coverage c USING (symbol_id, timeframe, origin)
        WHERE m.session_date <@ c.complete""",
    "missing for two reasons": """
        SELECT symbol, session_date FROM missing_sessions GROUP BY symbol, timeframe, origin, session_date HAVING count(*) > 1""",
    "quarantined, and nothing is in quarantine": """
        SELECT m.symbol, m.session_date FROM missing_sessions m WHERE m.why = 'quarantined' AND NOT EXISTS (
            SELECT FROM quarantine q WHERE q.symbol_id = m.symbol_id AND q.timeframe = m.timeframe AND q.session_date = m.session_date)""",
    "asked for, and neither complete nor missing": """
        SELECT s.symbol, x.session_date FROM collection_logs l JOIN symbols s ON s.id = l.symbol_id
        JOIN sessions x ON x.calendar = s.calendar AND x.session_date BETWEEN l.start_date AND l.end_date AND x.last <= l.started_at
        WHERE l.outcome <> 'pending' AND NOT EXISTS (SELECT FROM coverage c WHERE c.symbol_id = s.id AND x.session_date <@ c.complete)
            AND NOT EXISTS (SELECT FROM missing_sessions m WHERE m.symbol_id = s.id AND m.session_date = x.session_date)""",
    "explained by one fetch": """
        SELECT m.symbol, m.session_date FROM missing_sessions m WHERE m.why = 'no-trade' AND 2 > (SELECT count(*)
            FROM collection_logs l WHERE l.symbol_id = m.symbol_id AND l.outcome IN ('ok', 'empty-confirmed', 'empty-unconfirmed')
                AND m.session_date BETWEEN l.start_date AND l.end_date)""",
    "bar_count is wrong": """
        SELECT s.symbol, NULL FROM historical_data_metadata h JOIN symbols s ON s.id = h.symbol_id
        WHERE (bar_count, start_date, end_date) IS DISTINCT FROM (SELECT (count(*), min(session_date), max(session_date))::record
            FROM bars b WHERE b.symbol_id = h.symbol_id AND b.timeframe = h.timeframe AND b.origin = h.origin)""",
    "a request lost bars": """
        SELECT s.symbol, l.start_date FROM collection_logs l JOIN symbols s ON s.id = l.symbol_id
        WHERE records_collected <> stored + revised + unchanged + quarantined + duplicates + unfinished""",
}


def disagreements(rows: Rows) -> dict[str, list[tuple[Any, ...]]]:
    """What coverage says and the bars do not; empty when all is right."""
    found = {name: rows(statement) for name, statement in DISAGREEMENTS.items()}
    return {name: each for name, each in found.items() if each}
