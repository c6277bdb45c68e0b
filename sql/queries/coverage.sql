-- What is complete, of all series of a kind or of some symbols.
SELECT symbol_id, complete::text, refetched_to
FROM coverage
WHERE timeframe = %(timeframe)s AND origin = %(origin)s
  AND (%(symbols)s::integer[] IS NULL OR symbol_id = ANY (%(symbols)s::integer[]))
