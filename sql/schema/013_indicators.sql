-- Indicators that were computed over stored bars. They can be computed again at any time, so they are the one table that the
-- collector may overwrite; what they were computed from stands beside them.

CREATE TABLE indicators (
    symbol_id integer NOT NULL,
    timeframe timeframe NOT NULL,
    origin smallint NOT NULL,
    "timestamp" timestamptz NOT NULL,
    session_date date NOT NULL,
    sma_10 double precision, sma_20 double precision, sma_50 double precision, sma_200 double precision,
    ema_12 double precision, ema_26 double precision, rsi_14 double precision,
    macd double precision, macd_signal double precision, macd_histogram double precision,
    bollinger_upper double precision, bollinger_middle double precision, bollinger_lower double precision,
    atr_14 double precision, stochrsi_k double precision, stochrsi_d double precision, vwap double precision,
    PRIMARY KEY (symbol_id, timeframe, origin, "timestamp")
) WITH (fillfactor = 80);
COMMENT ON TABLE indicators IS 'One row a bar; NULL while there are too few bars before it. bin/indicators --store fills it.';
COMMENT ON COLUMN indicators.symbol_id IS 'As in bars.';
COMMENT ON COLUMN indicators.timeframe IS 'As in bars.';
COMMENT ON COLUMN indicators.origin IS 'As in bars.';
COMMENT ON COLUMN indicators."timestamp" IS 'Start of the bar with whose close it is known.';
COMMENT ON COLUMN indicators.session_date IS 'As in bars.';
COMMENT ON COLUMN indicators.sma_10 IS 'Mean of the last 10 closes.';
COMMENT ON COLUMN indicators.sma_20 IS 'Of the last 20.';
COMMENT ON COLUMN indicators.sma_50 IS 'Of the last 50.';
COMMENT ON COLUMN indicators.sma_200 IS 'Of the last 200.';
COMMENT ON COLUMN indicators.ema_12 IS 'Exponential mean of the closes, period 12.';
COMMENT ON COLUMN indicators.ema_26 IS 'Period 26.';
COMMENT ON COLUMN indicators.rsi_14 IS 'Relative strength index, Wilder''s smoothing, 0 to 100.';
COMMENT ON COLUMN indicators.macd IS 'Exponential mean 12 less 26.';
COMMENT ON COLUMN indicators.macd_signal IS 'Its exponential mean, period 9.';
COMMENT ON COLUMN indicators.macd_histogram IS 'macd less macd_signal.';
COMMENT ON COLUMN indicators.bollinger_upper IS 'Mean of 20 closes plus two standard deviations.';
COMMENT ON COLUMN indicators.bollinger_middle IS 'That mean.';
COMMENT ON COLUMN indicators.bollinger_lower IS 'Less two.';
COMMENT ON COLUMN indicators.atr_14 IS 'Average true range, Wilder''s smoothing, in the symbol''s currency.';
COMMENT ON COLUMN indicators.stochrsi_k IS 'Stochastic RSI 14/3/3, %K.';
COMMENT ON COLUMN indicators.stochrsi_d IS '%D.';
COMMENT ON COLUMN indicators.vwap IS 'Volume-weighted average price since the session began.';

CREATE TABLE indicator_series (
    symbol_id integer NOT NULL REFERENCES symbols,
    timeframe timeframe NOT NULL,
    origin smallint NOT NULL REFERENCES origins,
    bars bigint NOT NULL CHECK (bars > 0),
    newest timestamptz NOT NULL,
    revisions bigint NOT NULL CHECK (revisions >= 0),
    computed_at instant NOT NULL,
    PRIMARY KEY (symbol_id, timeframe, origin)
);
COMMENT ON TABLE indicator_series IS 'Of which state of its bars a series'' indicators were computed.';
COMMENT ON COLUMN indicator_series.symbol_id IS 'As in bars.';
COMMENT ON COLUMN indicator_series.timeframe IS 'As in bars.';
COMMENT ON COLUMN indicator_series.origin IS 'As in bars.';
COMMENT ON COLUMN indicator_series.bars IS 'How many bars, those in files of years that left the table among them.';
COMMENT ON COLUMN indicator_series.newest IS 'The greatest known_from of them.';
COMMENT ON COLUMN indicator_series.revisions IS 'The sum of their revisions.';
COMMENT ON COLUMN indicator_series.computed_at IS 'When.';

GRANT INSERT, UPDATE ON indicators, indicator_series TO scizor_collector;
