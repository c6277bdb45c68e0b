-- What of the answer the table does not hold.
INSERT INTO bars (symbol_id, timeframe, origin, "timestamp", session_date, open, high, low, close, volume, wap, trades, flags,
    request_id, known_from)
SELECT %(symbol_id)s, %(timeframe)s::text, %(origin)s, "timestamp", session_date, open, high, low, close, volume, wap, trades,
       {flags}, %(request_id)s, %(now)s
FROM staged s
WHERE NOT EXISTS (
    SELECT FROM bars b
    WHERE b.symbol_id = %(symbol_id)s AND b.timeframe = %(timeframe)s::text AND b.origin = %(origin)s
      AND b."timestamp" = s."timestamp" AND b."timestamp" >= %(first)s AND b."timestamp" <= %(last)s)
