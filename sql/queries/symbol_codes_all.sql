-- The lives of codes, with the exchange of the instrument whose they were.
SELECT c.code, coalesce(nullif(s.primary_exchange, ''), s.exchange), s.symbol, c.valid_from, c.valid_to,
       coalesce(c.successor, ''), coalesce(c.note, '')
FROM symbol_codes c
JOIN symbols s ON s.id = c.symbol_id
ORDER BY c.code, c.valid_from
