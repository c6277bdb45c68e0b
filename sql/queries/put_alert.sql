-- Raises an alert, or counts its open one up.
INSERT INTO alerts (fingerprint, severity, subject, body, labels, first_at, last_at)
VALUES (%(fingerprint)s, %(severity)s, %(subject)s, %(body)s, %(labels)s, %(at)s, %(at)s)
ON CONFLICT (fingerprint) WHERE resolved_at IS NULL DO UPDATE
SET severity = excluded.severity, subject = excluded.subject, body = excluded.body, labels = excluded.labels,
    last_at = greatest(alerts.last_at, excluded.last_at), times = alerts.times + 1
