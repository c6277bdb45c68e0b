-- What has been missing since before an instant, by calendar: series, symbols, the oldest notice, the reasons.
SELECT s.calendar, count(DISTINCT (g.symbol_id, g.timeframe, g.origin)), count(DISTINCT g.symbol_id), min(g.noticed_at), string_agg(DISTINCT g.why, ', ')
FROM coverage_gaps g
JOIN symbols s ON s.id = g.symbol_id
JOIN origins o ON o.id = g.origin AND o.source <> 'legacy'
WHERE g.resolved_at IS NULL AND NOT g.is_explained AND g.noticed_at <= %(now)s::timestamptz - interval '1 day' AND s.active
GROUP BY s.calendar
ORDER BY s.calendar
