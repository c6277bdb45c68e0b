-- What is not complete, of all series of a kind or of some symbols.
SELECT symbol_id, days::text, why, attempts, next_at, since
FROM coverage_gaps
WHERE timeframe = %(timeframe)s AND origin = %(origin)s AND resolved_at IS NULL
  AND (%(symbols)s::integer[] IS NULL OR symbol_id = ANY (%(symbols)s::integer[]))
