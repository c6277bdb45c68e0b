-- By calendar: the newest session that ended a day ago or more, how many active symbols there are, how many have its official daily bar
-- or a gap that is known (check_coverage tells of it), the newest session of all that is over, and since when the database is in use.
WITH wanted AS (
    SELECT s.id, s.calendar
    FROM symbols s
    WHERE s.active AND (s.listed_to IS NULL OR s.listed_to >= %(now)s::date) AND (s.listed_from IS NULL OR s.listed_from < %(now)s::date - 3)
      AND (s.refused = '' OR s.refused_until <= %(now)s)
), calendars AS (
    SELECT DISTINCT calendar FROM wanted
), newest AS (
    SELECT c.calendar, old.session_date AS due, old.last, new.session_date AS over
    FROM calendars c
    LEFT JOIN LATERAL (SELECT t.session_date, t.last FROM trading_sessions t WHERE t.calendar = c.calendar
                       AND t.last <= %(now)s::timestamptz - interval '1 day' ORDER BY t.session_date DESC LIMIT 1) old ON true
    LEFT JOIN LATERAL (SELECT t.session_date FROM trading_sessions t WHERE t.calendar = c.calendar
                       AND t.last <= %(now)s ORDER BY t.session_date DESC LIMIT 1) new ON true
)
SELECT n.calendar, n.due, n.last, count(w.id), count(w.id) FILTER (WHERE v.complete @> n.due OR g.is_known), n.over, (SELECT min(applied_at) FROM schema_versions)
FROM newest n
JOIN wanted w ON w.calendar = n.calendar
LEFT JOIN coverage v ON v.symbol_id = w.id AND v.timeframe = '1day' AND v.origin = (SELECT o.id FROM origins o WHERE o.is_official)
LEFT JOIN LATERAL (SELECT true AS is_known FROM coverage_gaps k WHERE k.symbol_id = w.id AND k.timeframe = '1day' AND k.origin = v.origin
                   AND k.resolved_at IS NULL AND k.days @> n.due LIMIT 1) g ON true
GROUP BY n.calendar, n.due, n.last, n.over
ORDER BY n.calendar
