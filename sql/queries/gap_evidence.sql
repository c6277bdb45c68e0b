-- What is not complete of one bar size and origin, with the rows that say so.
SELECT g.symbol_id, lower(stretch), upper(stretch), g.why, g.is_explained, g.attempts, g.next_at, g.since, g.noticed_at,
       g.request_id, l.outcome, l.ib_code, l.error_message, g.empty_request_id, g.quarantine_id, q.rule, g.closed_on
FROM coverage_gaps g
CROSS JOIN LATERAL unnest(g.days) AS stretch
JOIN collection_logs l ON l.id = g.request_id
LEFT JOIN quarantine q ON q.id = g.quarantine_id
WHERE g.timeframe = %(timeframe)s AND g.origin = %(origin)s AND g.resolved_at IS NULL
  AND (%(symbols)s::integer[] IS NULL OR g.symbol_id = ANY (%(symbols)s::integer[]))
ORDER BY g.symbol_id, lower(stretch)
