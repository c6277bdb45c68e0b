-- Where the bars of a file wait for the comparison with the table.
CREATE TEMPORARY TABLE returned ON COMMIT DROP AS
SELECT "timestamp", session_date, open, high, low, close, volume, wap, trades, flags, revision, request_id, known_from
FROM bars
WITH NO DATA
