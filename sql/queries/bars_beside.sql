-- How many bars of a session are stored beside one, in continuous trading.
SELECT count(*)
FROM bars
WHERE symbol_id = %(symbol_id)s AND timeframe = %(timeframe)s AND origin = %(origin)s AND session_date = %(session_date)s
  AND "timestamp" >= %(open)s AND "timestamp" < %(close)s AND "timestamp" <> %(start)s
