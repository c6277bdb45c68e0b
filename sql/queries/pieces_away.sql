-- The years of each series that left the table, and what their files hold; of two folders the one that the year left for.
SELECT DISTINCT ON (s.symbol, a.timeframe, a.origin, a.year)
       s.symbol, s.con_id, a.symbol_id, a.timeframe, a.origin, o.kind, o.source, o.regular_hours, a.year, a.rows, a.newest, a.revisions,
       coalesce(a.flags, 0), a.former_rows, a.former_newest, 0, 0, a.folder
FROM archives a
JOIN symbols s ON s.id = a.symbol_id
JOIN origins o ON o.id = a.origin
WHERE a.detached_at IS NOT NULL AND a.year BETWEEN %(first_year)s AND %(last_year)s
  AND (%(symbols)s::integer[] IS NULL OR a.symbol_id = ANY(%(symbols)s))
  AND (%(timeframes)s::text[] IS NULL OR a.timeframe = ANY(%(timeframes)s))
  AND (%(source)s::text IS NULL OR o.source = %(source)s)
ORDER BY s.symbol, a.timeframe, a.origin, a.year, a.detached_at DESC
