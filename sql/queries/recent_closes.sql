-- The last closes of each symbol, oldest first: what the demo's table draws. Daily bars of the official origin.
SELECT s.id, array_agg(d.close::numeric ORDER BY d.session_date)
FROM unnest(%(symbols)s::integer[]) AS s (id)
CROSS JOIN LATERAL (
    SELECT m.session_date, m.close
    FROM market_data m
    WHERE m.symbol_id = s.id AND m.timeframe = '1day' AND m."timestamp" <= %(now)s
    ORDER BY m."timestamp" DESC
    LIMIT %(count)s
) d
GROUP BY s.id
