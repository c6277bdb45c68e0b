-- Whether the table holds anything of the answer's stretch.
SELECT EXISTS (
    SELECT FROM bars
    WHERE symbol_id = %(symbol_id)s AND timeframe = %(timeframe)s AND origin = %(origin)s
      AND "timestamp" >= %(first)s AND "timestamp" <= %(last)s)
