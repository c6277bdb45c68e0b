-- The same as copy_out, as it was known at an instant.
COPY (
    SELECT "timestamp", session_date, open, high, low, close, volume, wap, trades, flags, revision, request_id, known_from
    FROM versions_as_known(%(as_known)s)
    WHERE symbol_id = %(symbol_id)s AND timeframe = %(timeframe)s AND origin = %(origin)s
      AND "timestamp" >= %(start)s AND "timestamp" < %(end)s
    ORDER BY "timestamp"
) TO STDOUT (FORMAT csv)
