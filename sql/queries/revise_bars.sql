-- What the answer says otherwise than the table; a trigger keeps the former version.
UPDATE bars b
SET session_date = s.session_date, open = s.open, high = s.high, low = s.low, close = s.close, volume = s.volume, wap = s.wap,
    trades = s.trades, flags = s.flags, request_id = %(request_id)s, known_from = %(now)s
FROM (SELECT *, {flags} AS flags FROM staged) s
WHERE b.symbol_id = %(symbol_id)s AND b.timeframe = %(timeframe)s AND b.origin = %(origin)s
  AND b."timestamp" = s."timestamp" AND b."timestamp" >= %(first)s AND b."timestamp" <= %(last)s
  AND (s.session_date, s.open, s.high, s.low, s.close, s.volume, s.wap, s.trades)
      IS DISTINCT FROM (b.session_date, b.open, b.high, b.low, b.close, b.volume, b.wap, b.trades)
