-- How many of a file's bars the table has in every value, and how many it has otherwise.
SELECT count(*) FILTER (WHERE (b.session_date, b.open, b.high, b.low, b.close, b.volume, b.wap, b.trades, b.flags, b.revision,
                               b.request_id, b.known_from) IS NOT DISTINCT FROM
                              (r.session_date, r.open, r.high, r.low, r.close, r.volume, r.wap, r.trades, r.flags, r.revision,
                               r.request_id, r.known_from)) AS same,
       count(*) AS held
FROM returned r
JOIN bars b ON b.symbol_id = %(symbol_id)s AND b.timeframe = %(timeframe)s AND b.origin = %(origin)s AND b."timestamp" = r."timestamp"
WHERE b."timestamp" >= %(start)s AND b."timestamp" < %(end)s
