-- The official shorter bars of a symbol, each session as one bar: with how many lie in continuous trading, how many there
-- should be, and whether one of the closing auction is among them.
SELECT a.session_date, (array_agg(a.open ORDER BY a."timestamp"))[1]::float8, max(a.high)::float8, min(a.low)::float8,
       (array_agg(a.close ORDER BY a."timestamp" DESC))[1]::float8, sum(a.volume)::float8,
       count(*) FILTER (WHERE a."timestamp" >= t.open AND a."timestamp" < t.close)::integer,
       ceil(extract(epoch FROM max(t.close::timestamptz) - max(t.open::timestamptz)) / %(seconds)s)::integer,
       bool_or(a."timestamp" >= t.close) OR bool_and(t.last = t.close)
FROM as_traded a
JOIN trading_sessions t ON t.calendar = %(calendar)s AND t.session_date = a.session_date
WHERE a.symbol_id = %(symbol_id)s AND a.timeframe = %(timeframe)s AND a.session_date >= %(first)s AND a.session_date <= %(last)s
  AND a."timestamp" >= %(first)s::date - 1 AND a."timestamp" < %(last)s::date + 2
GROUP BY a.session_date
ORDER BY a.session_date
