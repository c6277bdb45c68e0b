-- Takes symbols off a watch-list.
UPDATE watchlist w
SET active = false
FROM symbols s
WHERE s.id = w.symbol_id AND w.name = %(name)s AND w.active AND s.symbol = ANY (%(symbols)s)
RETURNING s.symbol
