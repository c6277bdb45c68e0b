-- The sessions of a calendar between two dates, overrides applied.
SELECT session_date, open, close, last, is_half_day
FROM trading_sessions
WHERE calendar = %(calendar)s AND session_date BETWEEN %(first)s AND %(last)s
ORDER BY session_date
