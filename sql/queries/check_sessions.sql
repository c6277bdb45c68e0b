-- By calendar of active symbols: the session that is on or comes next, with its hours, UTC.
SELECT c.calendar, t.session_date, t.open, t.close, t.last, t.is_half_day
FROM (SELECT DISTINCT calendar FROM symbols WHERE active) c
LEFT JOIN LATERAL (SELECT * FROM trading_sessions t WHERE t.calendar = c.calendar AND t.last > %(now)s ORDER BY t.session_date LIMIT 1) t ON true
ORDER BY c.calendar
