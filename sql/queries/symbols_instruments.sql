-- The universe as a job needs it: active instruments, the least of their own and their watch-lists' priority first.
SELECT s.id, s.symbol, s.exchange, s.calendar, s.currency, s.con_id,
       least(s.priority, min(w.priority)) AS priority,
       s.listed_from, s.listed_to, s.sec_type, s.primary_exchange, s.successor, s.code, s.refused, s.refused_until
FROM symbols s
LEFT JOIN watchlist w ON w.symbol_id = s.id AND w.active
WHERE s.active
GROUP BY s.id
ORDER BY priority, s.symbol
