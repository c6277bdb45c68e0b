-- Series that are expected to have bars of a session: of daily bars every active symbol of the calendar that is collected, of
-- shorter ones those that were ever asked for. With what the ledger says of the session, and what is stored.
SELECT s.id, s.symbol,
       (SELECT count(*) FROM bars b
        WHERE b.symbol_id = s.id AND b.timeframe = %(timeframe)s AND b.origin = %(origin)s AND b.session_date = %(day)s
          AND b."timestamp" >= %(first)s AND b."timestamp" < %(last)s) AS stored,
       m.why, coalesce(m.is_explained, false)
FROM symbols s
LEFT JOIN coverage c ON c.symbol_id = s.id AND c.timeframe = %(timeframe)s AND c.origin = %(origin)s
LEFT JOIN LATERAL (
    SELECT g.why, g.is_explained FROM coverage_gaps g
    WHERE g.symbol_id = s.id AND g.timeframe = %(timeframe)s AND g.origin = %(origin)s AND g.resolved_at IS NULL AND g.days @> %(day)s::date
    ORDER BY g.id DESC LIMIT 1) m ON true
WHERE s.calendar = %(calendar)s
  AND (s.listed_from IS NULL OR s.listed_from <= %(day)s) AND (s.listed_to IS NULL OR s.listed_to >= %(day)s)
  AND (%(symbols)s::text[] IS NULL OR s.symbol = ANY (%(symbols)s::text[]))
  AND CASE WHEN %(timeframe)s = '1day' THEN s.active AND s.refused = '' ELSE c.symbol_id IS NOT NULL END
ORDER BY s.symbol
