-- Bars that lie in an archive and no more in bars, by session.
SELECT symbol_id, session_date, sum(bars)::integer
FROM archived_sessions
WHERE timeframe = %(timeframe)s AND origin = %(origin)s AND session_date BETWEEN %(first_day)s AND %(last_day)s
  AND (%(symbols)s::integer[] IS NULL OR symbol_id = ANY (%(symbols)s::integer[]))
GROUP BY symbol_id, session_date
