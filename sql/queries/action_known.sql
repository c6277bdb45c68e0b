-- The daily bars of a stretch as they were known at an instant.
SELECT b.session_date, b.open::float8, b.high::float8, b.low::float8, b.close::float8, b.volume::float8, b.known_from
FROM versions_as_known(%(at)s) b
WHERE b.symbol_id = %(symbol_id)s AND b.timeframe = '1day' AND b.origin = %(origin)s
  AND b."timestamp" >= %(first)s::date AND b."timestamp" <= %(last)s::date
ORDER BY b.session_date
