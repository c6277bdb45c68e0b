-- The indicators of one series, in the columns of archive.values.COLUMNS without the close.
COPY computed ("timestamp", session_date,
    sma_10, sma_20, sma_50, sma_200, ema_12, ema_26, rsi_14, macd, macd_signal, macd_histogram, bollinger_upper,
    bollinger_middle, bollinger_lower, atr_14, stochrsi_k, stochrsi_d, vwap)
FROM STDIN (FORMAT csv)
