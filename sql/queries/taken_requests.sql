-- Of the requests of a file, those whose number belongs to another request here, and those that are here.
SELECT g.id, c.id IS NOT NULL AS is_here, c.id IS NOT NULL AND (c.symbol_id, c.timeframe, c.origin, c.started_at) IS DISTINCT FROM
       (%(symbol_id)s, %(timeframe)s, %(origin)s, g.started_at) AS is_another
FROM unnest(%(ids)s::bigint[], %(started)s::timestamptz[]) AS g (id, started_at)
LEFT JOIN collection_logs c ON c.id = g.id
