-- How many bars each session has in continuous trading (all of a daily bar's day), of one bar size and origin.
SELECT b.symbol_id, b.session_date, count(*)
FROM bars b
JOIN symbols s ON s.id = b.symbol_id
JOIN trading_sessions t ON t.calendar = s.calendar AND t.session_date = b.session_date
    AND (b.timeframe = '1day' OR (b."timestamp" >= t.open AND b."timestamp" < t.close))
WHERE b.timeframe = %(timeframe)s AND b.origin = %(origin)s
  AND (%(symbols)s::integer[] IS NULL OR b.symbol_id = ANY (%(symbols)s::integer[]))
  AND b."timestamp" >= %(first)s::timestamptz AND b."timestamp" < %(end)s::timestamptz
GROUP BY b.symbol_id, b.session_date
