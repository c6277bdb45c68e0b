-- One refused bar with everything about it: its series, the request that brought it, and what is stored in its place.
SELECT q.id, q.symbol_id, s.symbol, s.calendar, q.timeframe, q.origin, o.kind, o.source, o.regular_hours, q."timestamp", q.session_date,
       q.rule, q.raw, q.request_id, q.first_seen_at, q.verdict, q.verdict_by, q.verdict_at, q.verdict_note, q.released_request_id,
       c.started_at AS asked_at, c.start_date, c.end_date, c.run_id,
       (SELECT format('%%s,%%s,%%s,%%s,%%s,%%s,%%s (revision %%s, request %%s)', b.open, b.high, b.low, b.close, b.volume, b.wap, b.trades, b.revision, b.request_id)
        FROM bars b
        WHERE b.symbol_id = q.symbol_id AND b.timeframe = q.timeframe AND b.origin = q.origin AND b."timestamp" = q."timestamp") AS stored
FROM quarantine q
JOIN symbols s ON s.id = q.symbol_id
JOIN origins o ON o.id = q.origin
LEFT JOIN collection_logs c ON c.id = q.request_id
WHERE q.id = %(id)s
