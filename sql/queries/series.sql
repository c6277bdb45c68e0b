-- The series of which there are bars, in the table or in files of years that left it, and when one was last added or changed.
SELECT s.symbol, s.id, k.timeframe, k.origin, o.kind, o.source, o.regular_hours, m.last_updated, i.computed_at
FROM (SELECT symbol_id, timeframe, origin FROM historical_data_metadata
      UNION SELECT symbol_id, timeframe, origin FROM archives WHERE detached_at IS NOT NULL) k
JOIN symbols s ON s.id = k.symbol_id
JOIN origins o ON o.id = k.origin
LEFT JOIN historical_data_metadata m ON (m.symbol_id, m.timeframe, m.origin) = (k.symbol_id, k.timeframe, k.origin)
LEFT JOIN indicator_series i ON (i.symbol_id, i.timeframe, i.origin) = (k.symbol_id, k.timeframe, k.origin)
WHERE (%(symbols)s::integer[] IS NULL OR k.symbol_id = ANY(%(symbols)s))
  AND (%(timeframes)s::text[] IS NULL OR k.timeframe = ANY(%(timeframes)s))
  AND CASE WHEN %(source)s::text IS NULL THEN o.is_official ELSE o.source = %(source)s END
ORDER BY s.symbol, k.timeframe, k.origin
