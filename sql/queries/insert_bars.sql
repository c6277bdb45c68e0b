-- All of the answer: the table holds nothing of its stretch.
INSERT INTO bars (symbol_id, timeframe, origin, "timestamp", session_date, open, high, low, close, volume, wap, trades, flags,
    request_id, known_from)
SELECT %(symbol_id)s, %(timeframe)s, %(origin)s, "timestamp", session_date, open, high, low, close, volume, wap, trades,
       {flags}, %(request_id)s, %(now)s
FROM staged
