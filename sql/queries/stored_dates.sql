-- The session dates of a stretch whose daily bar the table holds.
SELECT session_date
FROM bars
WHERE symbol_id = %(symbol_id)s AND timeframe = %(timeframe)s AND origin = %(origin)s
  AND "timestamp" >= %(first)s::timestamp AT TIME ZONE 'UTC' AND "timestamp" <= %(last)s::timestamp AT TIME ZONE 'UTC'
