-- What is open, what ended just now, and what still waits to be told of.
SELECT fingerprint, source, rule, scope, severity, subject, body, labels, first_at, last_at, times, resolved_at, acked_at, muted
FROM alerts a
WHERE source <> ''
  AND (resolved_at IS NULL OR resolved_at > %(since)s
       OR EXISTS (SELECT FROM alert_deliveries d WHERE d.alert_id = a.id AND d.sent_at IS NULL AND d.given_up_at IS NULL))
