-- The daily bars of a stretch: one a session.
SELECT session_date, 1
FROM bars
WHERE symbol_id = %(symbol_id)s AND timeframe = %(timeframe)s AND origin = %(origin)s
  AND "timestamp" >= %(first)s::timestamp AT TIME ZONE 'UTC' AND "timestamp" <= %(last)s::timestamp AT TIME ZONE 'UTC'
