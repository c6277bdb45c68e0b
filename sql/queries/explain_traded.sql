-- The official bar as it was traded.
SELECT open, high, low, close, volume, factor FROM as_traded
WHERE symbol_id = %(symbol_id)s AND timeframe = %(timeframe)s AND "timestamp" = %(at)s
