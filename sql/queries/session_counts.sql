-- How many bars each session of a stretch has in continuous trading.
SELECT b.session_date, count(*)
FROM bars b
WHERE b.symbol_id = %(symbol_id)s AND b.timeframe = %(timeframe)s AND b.origin = %(origin)s
  AND b."timestamp" >= %(first)s::date - interval '1 day' AND b."timestamp" <= %(last)s::date + interval '2 days'
  AND b.session_date >= %(first)s AND b.session_date <= %(last)s
GROUP BY b.session_date
