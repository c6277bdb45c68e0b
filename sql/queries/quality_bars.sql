-- The bars of some sessions, by symbol and start, as a report reads them.
SELECT b.symbol_id, b."timestamp", b.session_date, b.open::float8, b.high::float8, b.low::float8, b.close::float8, b.volume::float8
FROM bars b
JOIN symbols s ON s.id = b.symbol_id
WHERE b.symbol_id = ANY (%(ids)s::integer[]) AND b.timeframe = %(timeframe)s AND b.origin = %(origin)s
  AND b."timestamp" >= %(first)s AND b."timestamp" < %(last)s AND s.calendar = %(calendar)s
ORDER BY b.symbol_id, b."timestamp"
