-- Alerts that are there already, as they were judged now. Known by fingerprint and when they began.
UPDATE alerts a
SET severity = r.severity, subject = r.subject, body = r.body, labels = r.labels, last_at = greatest(a.last_at, r.last_at), times = greatest(a.times, r.times),
    resolved_at = CASE WHEN r.resolved_at IS NULL AND EXISTS (
            SELECT FROM alerts o WHERE o.fingerprint = a.fingerprint AND o.resolved_at IS NULL AND o.id <> a.id
        ) THEN a.resolved_at ELSE r.resolved_at END,
    muted = r.muted
FROM jsonb_to_recordset(%(rows)s) AS r(
    fingerprint text, severity text, subject text, body text, labels jsonb, first_at timestamptz, last_at timestamptz, times integer, resolved_at timestamptz, muted text
)
WHERE a.fingerprint = r.fingerprint AND a.first_at = r.first_at
