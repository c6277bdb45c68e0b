-- Other refused versions of the same bar.
SELECT o.id, o.rule, o.raw, o.verdict
FROM quarantine q
JOIN quarantine o ON o.symbol_id = q.symbol_id AND o.timeframe = q.timeframe AND o.origin = q.origin AND o."timestamp" = q."timestamp" AND o.id <> q.id
WHERE q.id = %(id)s
ORDER BY o.id
