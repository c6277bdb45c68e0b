-- What is not complete, of all series of a kind or of some symbols.
SELECT symbol_id, lower(stretch), upper(stretch), why, attempts, next_at, since
FROM coverage_gaps
CROSS JOIN LATERAL unnest(days) AS stretch
WHERE timeframe = %(timeframe)s AND origin = %(origin)s AND resolved_at IS NULL
  AND (%(symbols)s::integer[] IS NULL OR symbol_id = ANY (%(symbols)s::integer[]))
ORDER BY symbol_id, lower(stretch)
