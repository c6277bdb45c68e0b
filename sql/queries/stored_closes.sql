-- The closes that the table has of an answer's days.
SELECT session_date, close
FROM bars
WHERE symbol_id = %(symbol_id)s AND timeframe = %(timeframe)s AND origin = %(origin)s
  AND "timestamp" >= %(first)s::timestamptz AND "timestamp" <= %(last)s::timestamptz
