-- The former versions of the bars of one stretch of a series as CSV, by start and version, in the columns of archive.table.FORMER.
COPY (
    SELECT "timestamp", session_date, open, high, low, close, volume, wap, trades, flags, revision, request_id, known_from, known_to
    FROM bars_history
    WHERE symbol_id = %(symbol_id)s AND timeframe = %(timeframe)s AND origin = %(origin)s
      AND "timestamp" >= %(start)s AND "timestamp" < %(end)s
    ORDER BY "timestamp", revision
) TO STDOUT (FORMAT csv)
