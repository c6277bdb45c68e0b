-- Takes a symbol off a watch-list. The row stays, so that one sees that it was there.
UPDATE watchlist w SET active = false
FROM symbols s
WHERE s.id = w.symbol_id AND s.symbol = %(symbol)s AND w.name = %(name)s AND w.active
