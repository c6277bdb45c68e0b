-- The first session of a calendar after a day.
SELECT min(session_date) FROM trading_sessions WHERE calendar = %(calendar)s AND session_date > %(after)s
