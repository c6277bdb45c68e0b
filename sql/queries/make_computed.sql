-- Where computed indicators wait for the comparison with the table.
CREATE TEMPORARY TABLE computed ON COMMIT DROP AS
SELECT "timestamp", session_date,
    sma_10, sma_20, sma_50, sma_200, ema_12, ema_26, rsi_14, macd, macd_signal, macd_histogram, bollinger_upper,
    bollinger_middle, bollinger_lower, atr_14, stochrsi_k, stochrsi_d, vwap
FROM indicators
WITH NO DATA
