-- Daily answers that changed what was stored, or were refused as somebody else's, since an instant: oldest first.
SELECT r.id, r.symbol_id, r.origin, r.start_date, r.end_date, r.started_at, r.completed_at, o.kind, s.symbol, s.calendar,
       (SELECT max(p.end_date) FROM collection_logs p
        WHERE p.symbol_id = r.symbol_id AND p.timeframe = r.timeframe AND p.origin = r.origin AND p.outcome = 'ok'
          AND p.started_at < r.started_at),
       EXISTS (SELECT FROM quarantine q WHERE q.request_id = r.id AND q.rule = 'another_contract')
FROM collection_logs r
JOIN origins o ON o.id = r.origin
JOIN symbols s ON s.id = r.symbol_id
WHERE r.timeframe = '1day' AND r.outcome = 'ok' AND o.price_basis = 'fetched'
  AND (r.revised > 0 OR r.quarantined > 0) AND r.completed_at >= %(since)s
  AND NOT EXISTS (SELECT FROM restatements b WHERE b.request_id = r.id)
ORDER BY r.completed_at, r.id
