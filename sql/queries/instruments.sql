-- The active universe, or the named symbols, by effective priority: the least of the symbol's and its watch-lists'.
SELECT s.id, s.symbol, s.exchange, s.calendar, s.currency, s.con_id, least(s.priority, w.priority) AS effective,
       s.listed_from, s.listed_to, s.sec_type, s.primary_exchange, s.successor, s.code, s.refused, s.refused_until
FROM symbols s
LEFT JOIN (SELECT symbol_id, min(priority) AS priority FROM watchlist WHERE active GROUP BY symbol_id) w ON w.symbol_id = s.id
WHERE (s.active OR %(inactive)s) AND (%(symbols)s::text[] IS NULL OR s.symbol = ANY (%(symbols)s::text[]))
ORDER BY effective, s.symbol
