-- What is stored, and what is missing and why: one line a wanted symbol and bar size, the worst first.
-- psql -f sql/monitor/coverage.sql; no parameters. Wanted are active symbols and those of watch-lists, and whatever was ever
-- asked for, what was imported not; "why" says it too of those that were never asked for. "expected" counts sessions between the first bar and the
-- newest asked for.
WITH wanted AS (
    SELECT s.id AS symbol_id, s.symbol, least(s.priority, w.priority) AS priority,
           CASE WHEN s.listed_to < current_date
                THEN 'left the market, last session ' || s.listed_to || CASE WHEN s.successor <> '' THEN ', successor ' || s.successor ELSE '' END
                WHEN s.refused <> '' AND (s.refused_until IS NULL OR s.refused_until > now()) THEN 'refused: ' || s.refused
                WHEN NOT s.active THEN 'not active'
           END AS reason
    FROM symbols s
    LEFT JOIN (SELECT symbol_id, min(priority) AS priority FROM watchlist WHERE active GROUP BY symbol_id) w ON w.symbol_id = s.id
    WHERE s.active OR w.symbol_id IS NOT NULL OR EXISTS (SELECT FROM coverage c JOIN origins o ON o.id = c.origin AND o.source <> 'legacy' WHERE c.symbol_id = s.id)
), series AS (
    SELECT c.symbol_id, c.timeframe, c.origin, c.complete, c.checked_at, o.kind, o.source
    FROM coverage c
    JOIN origins o ON o.id = c.origin AND o.source <> 'legacy'
), missing AS (
    SELECT symbol_id, timeframe, origin,
           count(*) FILTER (WHERE NOT is_explained) AS missing,
           count(*) FILTER (WHERE is_explained AND why <> 'not-listed') AS explained,
           string_agg(DISTINCT why, ', ') FILTER (WHERE NOT is_explained) AS why,
           min(noticed_at) FILTER (WHERE NOT is_explained) AS missing_since,
           min(next_at) FILTER (WHERE NOT is_explained) AS next_at
    FROM missing_sessions
    GROUP BY symbol_id, timeframe, origin
), complete AS (
    SELECT v.symbol_id, v.timeframe, v.origin, count(t.session_date) AS complete, max(t.session_date) AS newest
    FROM series v
    JOIN symbols s ON s.id = v.symbol_id
    CROSS JOIN LATERAL unnest(v.complete) AS stretch
    JOIN trading_sessions t ON t.calendar = s.calendar AND t.session_date >= lower(stretch) AND t.session_date < upper(stretch)
    GROUP BY v.symbol_id, v.timeframe, v.origin
)
SELECT w.symbol, coalesce(v.timeframe, '1day') AS timeframe, v.kind, v.source,
       coalesce(c.complete, 0) + coalesce(m.missing, 0) + coalesce(m.explained, 0) AS expected,
       coalesce(c.complete, 0) AS stored,
       coalesce(m.explained, 0) AS explained,
       coalesce(m.missing, 0) AS missing,
       round(100.0 * (coalesce(c.complete, 0) + coalesce(m.explained, 0))
             / nullif(coalesce(c.complete, 0) + coalesce(m.missing, 0) + coalesce(m.explained, 0), 0), 2) AS "complete %",
       coalesce(w.reason || coalesce('; ' || m.why, ''), m.why, CASE WHEN v.symbol_id IS NULL THEN 'not asked yet' END) AS why,
       m.missing_since, m.next_at, c.newest
FROM wanted w
LEFT JOIN series v ON v.symbol_id = w.symbol_id
LEFT JOIN complete c ON c.symbol_id = v.symbol_id AND c.timeframe = v.timeframe AND c.origin = v.origin
LEFT JOIN missing m ON m.symbol_id = v.symbol_id AND m.timeframe = v.timeframe AND m.origin = v.origin
ORDER BY missing DESC, v.symbol_id IS NOT NULL, w.priority, w.symbol, v.timeframe;
