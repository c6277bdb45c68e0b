-- Of a session: refused bars about which nobody has decided, and bars that have come back different.
SELECT (SELECT count(DISTINCT (q.symbol_id, q."timestamp")) FROM quarantine q
        WHERE q.symbol_id = ANY (%(ids)s::integer[]) AND q.timeframe = %(timeframe)s AND q.origin = %(origin)s AND q.session_date = %(day)s
          AND q.verdict IS NULL),
       (SELECT count(*) FROM bars b
        WHERE b.symbol_id = ANY (%(ids)s::integer[]) AND b.timeframe = %(timeframe)s AND b.origin = %(origin)s AND b.session_date = %(day)s
          AND b."timestamp" >= %(first)s AND b."timestamp" < %(last)s AND b.revision > 0)
