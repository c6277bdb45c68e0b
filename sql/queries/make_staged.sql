-- One answer on its way into bars; unbounded numerics, so that the rules see what was received.
CREATE TEMPORARY TABLE IF NOT EXISTS staged (
    "timestamp" timestamptz, session_date date, open numeric, high numeric, low numeric, close numeric, volume numeric,
    wap numeric, trades bigint
) ON COMMIT DELETE ROWS
