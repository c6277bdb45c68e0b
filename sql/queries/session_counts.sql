-- How many bars each session of a stretch has in continuous trading; what a closing auction adds does not stand for others.
SELECT b.session_date, count(*)
FROM bars b
JOIN unnest(%(dates)s::date[], %(opens)s::timestamptz[], %(closes)s::timestamptz[]) AS t (session_date, open_at, close_at)
    ON t.session_date = b.session_date AND b."timestamp" >= t.open_at AND b."timestamp" < t.close_at
WHERE b.symbol_id = %(symbol_id)s AND b.timeframe = %(timeframe)s AND b.origin = %(origin)s
  AND b."timestamp" >= %(first)s AND b."timestamp" < %(last)s
GROUP BY b.session_date
