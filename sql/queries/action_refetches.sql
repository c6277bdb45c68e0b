-- Daily series of confirmed splits that still hold bars from before them and were not asked for as a whole since.
SELECT a.id, a.symbol_id, m.origin, o.kind, o.source, o.regular_hours, m.start_date, m.end_date, s.symbol
FROM corporate_actions a
JOIN symbols s ON s.id = a.symbol_id
JOIN historical_data_metadata m ON m.symbol_id = a.symbol_id AND m.timeframe = '1day'
JOIN origins o ON o.id = m.origin AND o.price_basis = 'fetched' AND o.source = 'ib'
WHERE a.state = 'confirmed' AND a.type = 'split' AND s.active
  AND EXISTS (SELECT FROM bars b
              WHERE b.symbol_id = a.symbol_id AND b.timeframe = '1day' AND b.origin = m.origin
                AND b.session_date < a.ex_date AND b.known_from < coalesce(a.effective_at, a.ex_date::timestamptz))
  AND NOT EXISTS (SELECT FROM restatements r WHERE r.action_id = a.id AND r.origin = m.origin AND r.method = 'fetched')
ORDER BY a.symbol_id, m.origin, a.ex_date
