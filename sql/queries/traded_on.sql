-- Symbols of a calendar with a bar of a session on which something was traded.
SELECT DISTINCT s.symbol
FROM symbols s
JOIN bars b ON b.symbol_id = s.id
WHERE s.calendar = %(calendar)s AND b.session_date = %(day)s AND b.volume > 0
  AND b."timestamp" >= %(first)s AND b."timestamp" < %(end)s
ORDER BY s.symbol
LIMIT 5
