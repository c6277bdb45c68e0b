-- Of some sessions, those that have a bar of their closing auction, of one bar size and origin.
SELECT DISTINCT b.symbol_id, b.session_date
FROM bars b
JOIN unnest(%(dates)s::date[], %(begins)s::timestamptz[], %(ends)s::timestamptz[]) AS t (session_date, begin_at, end_at)
    ON t.session_date = b.session_date AND b."timestamp" >= t.begin_at AND b."timestamp" < t.end_at
WHERE b.timeframe = %(timeframe)s AND b.origin = %(origin)s AND b.symbol_id = ANY (%(symbols)s::integer[])
  AND b."timestamp" >= %(first)s::timestamptz AND b."timestamp" < %(last)s::timestamptz
