-- How the previous product spells its bar sizes, how many rows each has, and between which instants they lie.
SELECT m.timeframe::text, count(*), min({instant}) FILTER (WHERE isfinite({instant})), max({instant}) FILTER (WHERE isfinite({instant}))
FROM {table} m
WHERE %(only)s::text[] IS NULL OR m.symbol_id::text = ANY (%(only)s::text[])
GROUP BY m.timeframe::text
