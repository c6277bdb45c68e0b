-- What is stored, and what is missing and why: one line a symbol and bar size, the worst first.
-- psql -f sql/monitor/coverage.sql; no parameters. "expected" counts sessions between the first bar and the newest asked for.
WITH series AS (
    SELECT c.symbol_id, c.timeframe, c.origin, c.complete, c.checked_at, o.kind, o.source
    FROM coverage c
    JOIN origins o ON o.id = c.origin
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
SELECT s.symbol, v.timeframe, v.kind, v.source,
       coalesce(c.complete, 0) + coalesce(m.missing, 0) + coalesce(m.explained, 0) AS expected,
       coalesce(c.complete, 0) AS stored,
       coalesce(m.explained, 0) AS explained,
       coalesce(m.missing, 0) AS missing,
       round(100.0 * (coalesce(c.complete, 0) + coalesce(m.explained, 0))
             / nullif(coalesce(c.complete, 0) + coalesce(m.missing, 0) + coalesce(m.explained, 0), 0), 2) AS "complete %",
       m.why, m.missing_since, m.next_at, c.newest
FROM series v
JOIN symbols s ON s.id = v.symbol_id
LEFT JOIN complete c USING (symbol_id, timeframe, origin)
LEFT JOIN missing m USING (symbol_id, timeframe, origin)
ORDER BY missing DESC, s.symbol, v.timeframe;
