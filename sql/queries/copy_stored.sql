-- What the table has of an answer's stretch, as text in the columns of the answer.
COPY (
    SELECT "timestamp", session_date, open, high, low, close, volume, wap, trades
    FROM bars
    WHERE symbol_id = %(symbol_id)s AND timeframe = %(timeframe)s AND origin = %(origin)s
      AND "timestamp" >= %(first)s::timestamptz AND "timestamp" <= %(last)s::timestamptz
) TO STDOUT
