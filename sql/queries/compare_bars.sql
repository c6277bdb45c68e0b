-- How many bars of the answer are new, and how many differ from the table's.
SELECT count(*) FILTER (WHERE b."timestamp" IS NULL),
       count(*) FILTER (WHERE b."timestamp" IS NOT NULL
           AND (s.session_date, s.open, s.high, s.low, s.close, s.volume, s.wap, s.trades)
               IS DISTINCT FROM (b.session_date, b.open, b.high, b.low, b.close, b.volume, b.wap, b.trades))
FROM staged s
LEFT JOIN bars b ON b.symbol_id = %(symbol_id)s AND b.timeframe = %(timeframe)s AND b.origin = %(origin)s
    AND b."timestamp" = s."timestamp" AND b."timestamp" >= %(first)s AND b."timestamp" <= %(last)s
