-- Calendars and bar sizes of which something is known, of the official origin.
SELECT DISTINCT s.calendar, c.timeframe, c.origin
FROM coverage c
JOIN symbols s ON s.id = c.symbol_id
JOIN origins o ON o.id = c.origin
WHERE o.is_official
ORDER BY 1, 2
