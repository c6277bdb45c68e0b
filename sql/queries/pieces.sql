-- The years of each series that the table holds between two instants, and by what one knows whether they have changed: the bars,
-- the doubts about them, and their former versions.
SELECT s.symbol, s.con_id, b.symbol_id, b.timeframe, b.origin, o.kind, o.source, o.regular_hours, b.year, b.rows, b.newest, b.revisions,
       b.flags, coalesce(h.rows, 0), h.newest, coalesce(h.revisions, 0), coalesce(h.flags, 0)
FROM (
    SELECT symbol_id, timeframe, origin, date_part('year', "timestamp" AT TIME ZONE 'UTC')::integer AS year,
           count(*) AS rows, max(known_from) AS newest, sum(revision) AS revisions, sum(flags_weighed(flags, "timestamp")) AS flags
    FROM bars
    WHERE "timestamp" >= %(start)s AND "timestamp" < %(end)s
      AND (%(symbols)s::integer[] IS NULL OR symbol_id = ANY(%(symbols)s))
      AND (%(timeframes)s::text[] IS NULL OR timeframe = ANY(%(timeframes)s))
    GROUP BY 1, 2, 3, 4
) b
LEFT JOIN (
    SELECT symbol_id, timeframe, origin, date_part('year', "timestamp" AT TIME ZONE 'UTC')::integer AS year,
           count(*) AS rows, max(known_to) AS newest, sum(revision) AS revisions, sum(flags_weighed(flags, "timestamp")) AS flags
    FROM bars_history
    WHERE "timestamp" >= %(start)s AND "timestamp" < %(end)s
      AND (%(symbols)s::integer[] IS NULL OR symbol_id = ANY(%(symbols)s))
      AND (%(timeframes)s::text[] IS NULL OR timeframe = ANY(%(timeframes)s))
    GROUP BY 1, 2, 3, 4
) h ON (h.symbol_id, h.timeframe, h.origin, h.year) = (b.symbol_id, b.timeframe, b.origin, b.year)
JOIN symbols s ON s.id = b.symbol_id
JOIN origins o ON o.id = b.origin
WHERE %(source)s::text IS NULL OR o.source = %(source)s
ORDER BY s.symbol, b.timeframe, b.origin, b.year
