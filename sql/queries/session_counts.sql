-- How many bars each session of a stretch has in continuous trading; what a closing auction adds does not stand for others.
SELECT b.session_date, count(*)
FROM bars b
JOIN trading_sessions t ON t.calendar = %(calendar)s AND t.session_date = b.session_date
    AND b."timestamp" >= t.open AND b."timestamp" < t.close
WHERE b.symbol_id = %(symbol_id)s AND b.timeframe = %(timeframe)s AND b.origin = %(origin)s
  AND b."timestamp" >= (%(first)s::date - 1)::timestamp AT TIME ZONE 'UTC'
  AND b."timestamp" <= (%(last)s::date + 2)::timestamp AT TIME ZONE 'UTC'
  AND b.session_date >= %(first)s AND b.session_date <= %(last)s
GROUP BY b.session_date
