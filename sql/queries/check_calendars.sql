-- The calendars of active symbols, and how far the kept sessions reach; NULL: never loaded.
SELECT s.calendar, (SELECT max(t.session_date) FROM sessions t WHERE t.calendar = s.calendar)
FROM symbols s
WHERE s.active
GROUP BY s.calendar
ORDER BY s.calendar
