-- How many bars each session has, of one bar size and origin: in continuous trading; of daily bars, all.
SELECT b.symbol_id, b.session_date,
       count(*) FILTER (WHERE b.timeframe = '1day' OR (b."timestamp" >= t.open_at AND b."timestamp" < t.close_at))
FROM bars b
JOIN unnest(%(dates)s::date[], %(opens)s::timestamptz[], %(closes)s::timestamptz[]) AS t (session_date, open_at, close_at)
    ON t.session_date = b.session_date
WHERE b.timeframe = %(timeframe)s AND b.origin = %(origin)s AND b.symbol_id = ANY (%(symbols)s::integer[])
  AND b."timestamp" >= %(first)s::timestamptz AND b."timestamp" < %(end)s::timestamptz
GROUP BY b.symbol_id, b.session_date
