-- Alerts for a person: open ones first, the gravest first; with resolved ones if asked.
SELECT a.id, a.severity, a.fingerprint AS alert, a.subject, a.first_at, a.last_at, a.times, a.resolved_at, a.muted, a.acked_by AS acked,
       string_agg(DISTINCT d.channel, ' ') FILTER (WHERE d.sent_at IS NOT NULL) AS told,
       string_agg(DISTINCT d.channel, ' ') FILTER (WHERE d.sent_at IS NULL AND d.given_up_at IS NULL) AS waiting,
       max(d.last_error) FILTER (WHERE d.sent_at IS NULL AND d.attempts > 0) AS trouble
FROM alerts a LEFT JOIN alert_deliveries d ON d.alert_id = a.id
WHERE %(all)s OR a.resolved_at IS NULL
GROUP BY a.id
ORDER BY a.resolved_at IS NOT NULL, array_position(ARRAY['critical', 'high', 'medium', 'low'], a.severity), a.first_at DESC, a.id
LIMIT %(limit)s
