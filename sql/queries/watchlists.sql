-- The active rows of all watch-lists, or of one.
SELECT w.name, s.symbol, w.priority, w.collect_1min, w.collect_5min, w.collect_depth, coalesce(w.notes, ''), w.daily_years,
       w.intraday_days
FROM watchlist w
JOIN symbols s ON s.id = w.symbol_id
WHERE w.active AND (%(name)s::text IS NULL OR w.name = %(name)s)
ORDER BY w.name, w.priority, s.symbol
