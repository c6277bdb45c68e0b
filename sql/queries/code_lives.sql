-- The lives of codes.
SELECT c.code, c.exchange, coalesce(s.symbol, ''), c.valid_from, c.valid_to, c.successor, c.note
FROM symbol_codes c
LEFT JOIN symbols s ON s.id = c.symbol_id
ORDER BY c.exchange, c.code, c.valid_from NULLS FIRST
