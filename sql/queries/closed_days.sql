-- Of some days, those that an override has closed.
SELECT session_date FROM session_overrides
WHERE is_closed AND calendar = %(calendar)s AND session_date = ANY (%(days)s)
