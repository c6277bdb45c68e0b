-- Every row of the previous product's market_data, looked for where it must be by now: as a bar with its very values, in
-- quarantine, or in legacy_refused. Asks the tables alone; nothing that the import counted is in it.
WITH mapped AS ({mapped}),
told AS (
    SELECT our_id, timeframe, start, open, high, low, close, volume, count(*) AS times
    FROM mapped
    WHERE refused IS NULL
    GROUP BY our_id, timeframe, start, open, high, low, close, volume
), judged AS (
    SELECT t.timeframe, t.times, NULL AS rule, b.symbol_id IS NOT NULL AS is_stored,
           b.symbol_id IS NULL AND EXISTS (
               SELECT FROM quarantine q
               WHERE q.symbol_id = t.our_id AND q.timeframe = t.timeframe AND q.origin = %(origin)s AND q."timestamp" = t.start
                 AND q.raw = format('%%s,%%s,%%s,%%s,%%s,,', t.open, t.high, t.low, t.close, t.volume)) AS is_refused
    FROM told t
    LEFT JOIN bars b ON b.symbol_id = t.our_id AND b.timeframe = t.timeframe AND b.origin = %(origin)s AND b."timestamp" = t.start
        AND (b.open, b.high, b.low, b.close) = (t.open, t.high, t.low, t.close) AND b.volume IS NOT DISTINCT FROM t.volume
    UNION ALL
    SELECT coalesce(u.spelled, '(none)'), u.times, u.refused, false, r.source IS NOT NULL
    FROM (
        SELECT coalesce(timeframe, spelled) AS spelled, refused, to_jsonb(source_row)::text AS raw, count(*) AS times
        FROM mapped
        WHERE refused IS NOT NULL
        GROUP BY 1, 2, 3
    ) u
    LEFT JOIN legacy_refused r ON r.source = %(source)s AND r.rule = u.refused AND r.fingerprint = sha256(convert_to(u.raw, 'UTF8'))
)
SELECT timeframe, sum(times)::bigint AS rows, count(*) FILTER (WHERE is_stored) AS stored, (sum(times) - count(*))::bigint AS duplicates,
       count(*) FILTER (WHERE is_refused) AS quarantined, count(*) FILTER (WHERE NOT is_stored AND NOT is_refused) AS lost
FROM judged
GROUP BY timeframe
ORDER BY timeframe
