-- By calendar: of the official daily bars of the last twenty sessions and all active symbols, how many are stored or explained. Sessions of the
-- last day are not due yet.
WITH wanted AS (
    SELECT s.id, s.calendar, s.listed_from
    FROM symbols s
    WHERE s.active AND (s.listed_to IS NULL OR s.listed_to >= %(now)s::date) AND (s.refused = '' OR s.refused_until <= %(now)s)
), days AS (
    SELECT c.calendar, t.session_date
    FROM (SELECT DISTINCT calendar FROM wanted) c
    CROSS JOIN LATERAL (SELECT session_date FROM trading_sessions t WHERE t.calendar = c.calendar AND t.last <= %(now)s::timestamptz - interval '1 day'
                        ORDER BY session_date DESC LIMIT 20) t
), explained AS (
    SELECT symbol_id, origin, range_agg(stretch) AS days
    FROM coverage_gaps CROSS JOIN LATERAL unnest(days) AS stretch
    WHERE timeframe = '1day' AND is_explained AND resolved_at IS NULL
    GROUP BY symbol_id, origin
)
SELECT d.calendar, count(*), count(*) FILTER (WHERE v.complete @> d.session_date OR e.days @> d.session_date)
FROM days d
JOIN wanted w ON w.calendar = d.calendar AND (w.listed_from IS NULL OR w.listed_from <= d.session_date)
LEFT JOIN coverage v ON v.symbol_id = w.id AND v.timeframe = '1day' AND v.origin = (SELECT o.id FROM origins o WHERE o.is_official)
LEFT JOIN explained e ON e.symbol_id = w.id AND e.origin = v.origin
GROUP BY d.calendar
ORDER BY d.calendar
