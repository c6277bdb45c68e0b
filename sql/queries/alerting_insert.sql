-- Alerts that are new. One that is open under that fingerprint already, of a former version of this program, becomes ours.
INSERT INTO alerts AS a (fingerprint, source, rule, scope, severity, subject, body, labels, first_at, last_at, times, resolved_at, muted)
SELECT r.fingerprint, r.source, r.rule, r.scope, r.severity, r.subject, r.body, r.labels, r.first_at, r.last_at, r.times, r.resolved_at, r.muted
FROM jsonb_to_recordset(%(rows)s) AS r(
    fingerprint text, source text, rule text, scope text, severity text, subject text, body text, labels jsonb, first_at timestamptz, last_at timestamptz,
    times integer, resolved_at timestamptz, muted text
)
WHERE NOT EXISTS (SELECT FROM alerts o WHERE o.fingerprint = r.fingerprint AND o.first_at = r.first_at)
ON CONFLICT (fingerprint) WHERE resolved_at IS NULL DO UPDATE
SET source = excluded.source, rule = excluded.rule, scope = excluded.scope, severity = excluded.severity, last_at = greatest(a.last_at, excluded.last_at),
    muted = excluded.muted
