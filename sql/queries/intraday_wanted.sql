-- Which symbols of the watch-lists want shorter bars, and how far back, in days (NULL: as configured).
SELECT symbol_id, bool_or(collect_1min), bool_or(collect_5min), max(intraday_days)
FROM watchlist
WHERE active AND (%(name)s::text IS NULL OR name = %(name)s)
GROUP BY symbol_id
