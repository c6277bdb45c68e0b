-- New daily bars that opened far from the close before, each behind the twenty sessions before it, oldest first.
SELECT b.symbol_id, s.symbol, s.calendar, b.request_id, b.session_date,
       array_agg(ARRAY[p.open, p.high, p.low, p.close, coalesce(p.volume, -1)]::float8[] ORDER BY p."timestamp"),
       array_agg(p.session_date ORDER BY p."timestamp"),
       ARRAY[b.open, b.high, b.low, b.close, coalesce(b.volume, -1)]::float8[]
FROM bars b
JOIN origins o ON o.id = b.origin AND o.is_official
JOIN symbols s ON s.id = b.symbol_id AND s.sec_type <> 'IND'  -- an index does not split, and VIX may double overnight
CROSS JOIN LATERAL (
    SELECT x.* FROM bars x
    WHERE x.symbol_id = b.symbol_id AND x.timeframe = '1day' AND x.origin = b.origin AND x."timestamp" < b."timestamp"
      AND x."timestamp" >= b."timestamp" - interval '60 days'
    ORDER BY x."timestamp" DESC
    LIMIT 20
) p
WHERE b.timeframe = '1day' AND b.revision = 0 AND b.known_from >= %(since)s AND b."timestamp" >= %(first)s
GROUP BY b.symbol_id, s.symbol, s.calendar, b.request_id, b.session_date, b.open, b.high, b.low, b.close, b.volume
HAVING greatest(b.open / (array_agg(p.close ORDER BY p."timestamp" DESC))[1], (array_agg(p.close ORDER BY p."timestamp" DESC))[1] / b.open) >= %(least)s
ORDER BY s.symbol, b.session_date
