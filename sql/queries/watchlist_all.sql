-- Every row that stands on a watch-list.
SELECT w.name, s.symbol, w.priority, w.collect_1min, w.collect_5min, w.collect_depth, coalesce(w.notes, ''), w.daily_years,
       w.intraday_days
FROM watchlist w
JOIN symbols s ON s.id = w.symbol_id
WHERE w.active
ORDER BY w.name, w.priority, s.symbol
