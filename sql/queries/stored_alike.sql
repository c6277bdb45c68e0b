-- Of some starts, those at which the table holds the same prices as the answer.
SELECT s."timestamp"
FROM staged s
JOIN bars b ON b.symbol_id = %(symbol_id)s AND b.timeframe = %(timeframe)s AND b.origin = %(origin)s
    AND b."timestamp" = s."timestamp" AND b."timestamp" >= %(low)s AND b."timestamp" <= %(high)s
WHERE s."timestamp" = ANY (%(starts)s) AND (b.open, b.high, b.low, b.close) = (s.open, s.high, s.low, s.close)
