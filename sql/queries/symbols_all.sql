-- Every instrument as it is stored, active or not.
SELECT id, symbol, coalesce(name, ''), exchange, primary_exchange, currency, sec_type, coalesce(sector, ''), calendar,
       con_id, listed_from, listed_to, as_of, code, active, priority, coalesce(successor, ''), refused, refused_until,
       qualified_at, tick_size
FROM symbols
ORDER BY symbol
