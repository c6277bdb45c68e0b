-- By exchange: how many symbols were asked for in the last seven days, and of how many the newest answer was that the login has no permission.
SELECT exchange, count(*), count(*) FILTER (WHERE outcome = 'no-permission'), string_agg(symbol, ' ' ORDER BY symbol) FILTER (WHERE outcome = 'no-permission')
FROM (SELECT DISTINCT ON (c.symbol_id) coalesce(nullif(s.primary_exchange, ''), s.exchange) AS exchange, s.symbol, c.outcome
      FROM collection_logs c JOIN symbols s ON s.id = c.symbol_id
      WHERE c.started_at > %(now)s::timestamptz - interval '7 days' AND c.outcome <> 'pending'
      ORDER BY c.symbol_id, c.started_at DESC) newest
GROUP BY exchange
ORDER BY exchange
