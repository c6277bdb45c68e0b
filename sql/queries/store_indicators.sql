-- The indicators of one series: new rows, and those that differ. A correction of one bar changes what came after it.
INSERT INTO indicators AS i (symbol_id, timeframe, origin, "timestamp", session_date,
    sma_10, sma_20, sma_50, sma_200, ema_12, ema_26, rsi_14, macd, macd_signal, macd_histogram, bollinger_upper,
    bollinger_middle, bollinger_lower, atr_14, stochrsi_k, stochrsi_d, vwap)
SELECT %(symbol_id)s, %(timeframe)s, %(origin)s, c."timestamp", c.session_date,
    c.sma_10, c.sma_20, c.sma_50, c.sma_200, c.ema_12, c.ema_26, c.rsi_14, c.macd, c.macd_signal, c.macd_histogram,
    c.bollinger_upper, c.bollinger_middle, c.bollinger_lower, c.atr_14, c.stochrsi_k, c.stochrsi_d, c.vwap
FROM computed c
ON CONFLICT (symbol_id, timeframe, origin, "timestamp") DO UPDATE
SET session_date = excluded.session_date,
    sma_10 = excluded.sma_10, sma_20 = excluded.sma_20, sma_50 = excluded.sma_50, sma_200 = excluded.sma_200,
    ema_12 = excluded.ema_12, ema_26 = excluded.ema_26, rsi_14 = excluded.rsi_14, macd = excluded.macd,
    macd_signal = excluded.macd_signal, macd_histogram = excluded.macd_histogram,
    bollinger_upper = excluded.bollinger_upper, bollinger_middle = excluded.bollinger_middle,
    bollinger_lower = excluded.bollinger_lower, atr_14 = excluded.atr_14, stochrsi_k = excluded.stochrsi_k,
    stochrsi_d = excluded.stochrsi_d, vwap = excluded.vwap
WHERE (i.session_date,
    i.sma_10, i.sma_20, i.sma_50, i.sma_200, i.ema_12, i.ema_26, i.rsi_14, i.macd, i.macd_signal, i.macd_histogram,
    i.bollinger_upper, i.bollinger_middle, i.bollinger_lower, i.atr_14, i.stochrsi_k, i.stochrsi_d, i.vwap)
    IS DISTINCT FROM (excluded.session_date,
    excluded.sma_10, excluded.sma_20, excluded.sma_50, excluded.sma_200, excluded.ema_12, excluded.ema_26, excluded.rsi_14,
    excluded.macd, excluded.macd_signal, excluded.macd_histogram, excluded.bollinger_upper, excluded.bollinger_middle,
    excluded.bollinger_lower, excluded.atr_14, excluded.stochrsi_k, excluded.stochrsi_d, excluded.vwap)
