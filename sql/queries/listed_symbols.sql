-- All symbols as a universe file would state them.
SELECT symbol, name, exchange, primary_exchange, currency, sec_type, sector, calendar, con_id, listed_from, listed_to, as_of
FROM symbols
ORDER BY symbol
