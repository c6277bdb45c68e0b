-- What the table has of an answer's stretch, as the answer would write it: NULL where that is word for word what is
-- expected, else the lines, in one text (COPY TO hands over row by row, which costs its reader twice as much as all the rest).
SELECT CASE WHEN lines IS DISTINCT FROM %(expected)s THEN coalesce(lines, '') END
FROM (
    SELECT string_agg(
        concat_ws(E'\t', "timestamp", session_date, open, high, low, close, coalesce(volume::text, '\N'), coalesce(wap::text, '\N'),
                  coalesce(trades::text, '\N')), E'\n' ORDER BY "timestamp") AS lines
    FROM bars
    WHERE symbol_id = %(symbol_id)s AND timeframe = %(timeframe)s AND origin = %(origin)s
      AND "timestamp" >= %(first)s::timestamptz AND "timestamp" <= %(last)s::timestamptz) AS stored
