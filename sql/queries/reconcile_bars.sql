-- Official bars of a symbol as they were traded, by start.
SELECT "timestamp", session_date, open::float8, high::float8, low::float8, close::float8, volume::float8
FROM as_traded
WHERE symbol_id = %(symbol_id)s AND timeframe = %(timeframe)s AND session_date >= %(first)s AND session_date <= %(last)s
  AND "timestamp" >= %(first)s::date - 1 AND "timestamp" < %(last)s::date + 2
ORDER BY "timestamp"
