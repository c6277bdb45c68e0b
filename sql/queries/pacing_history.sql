-- What can still matter to the next request: whatever is open or unanswered, the hard rule's window, cool-downs, and the
-- soft requests of the last seconds.
SELECT key, contract_key, rule, weight, pacing_class, reserved_at, counted_at, closed_at IS NULL
FROM pacing_requests
WHERE closed_at IS NULL
UNION ALL
SELECT key, contract_key, rule, weight, pacing_class, reserved_at, counted_at, false
FROM pacing_requests
WHERE closed_at IS NOT NULL AND (rule = 'hard' OR key = 'cool-down') AND counted_at > %(hard)s
UNION ALL
SELECT key, contract_key, rule, weight, pacing_class, reserved_at, counted_at, false
FROM pacing_requests
WHERE closed_at IS NOT NULL AND NOT (rule = 'hard' OR key = 'cool-down') AND counted_at > %(soft)s
