-- All symbols as lint looks at them.
SELECT symbol, exchange, calendar, con_id, active, priority, listed_from, listed_to, successor, refused
FROM symbols
ORDER BY symbol
