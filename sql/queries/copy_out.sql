-- The bars of one stretch of a series as CSV, by start, in the columns of archive.table.VALUES.
COPY (
    SELECT "timestamp", session_date, open, high, low, close, volume, wap, trades, flags, revision, request_id, known_from
    FROM bars
    WHERE symbol_id = %(symbol_id)s AND timeframe = %(timeframe)s AND origin = %(origin)s
      AND "timestamp" >= %(start)s AND "timestamp" < %(end)s
    ORDER BY "timestamp"
) TO STDOUT (FORMAT csv)
