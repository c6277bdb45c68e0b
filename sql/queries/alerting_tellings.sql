-- Tellings, by their dedupe key: what was sent stays sent, whoever says otherwise.
INSERT INTO alert_deliveries AS d (alert_id, channel, occasion, due_at, next_at, attempts, sent_at, given_up_at, last_error, instead_of)
SELECT a.id, r.channel, r.occasion, r.due_at, r.next_at, r.attempts, r.sent_at, r.given_up_at, nullif(r.last_error, ''), r.instead_of
FROM jsonb_to_recordset(%(rows)s) AS r(
    fingerprint text, first_at timestamptz, channel text, occasion text, due_at timestamptz, next_at timestamptz, attempts smallint, sent_at timestamptz,
    given_up_at timestamptz, last_error text, instead_of text
)
JOIN alerts a ON a.fingerprint = r.fingerprint AND a.first_at = r.first_at
ON CONFLICT (alert_id, channel, occasion, due_at) DO UPDATE
SET next_at = excluded.next_at, attempts = greatest(d.attempts, excluded.attempts), sent_at = coalesce(d.sent_at, excluded.sent_at),
    given_up_at = CASE WHEN d.sent_at IS NULL THEN excluded.given_up_at END, last_error = excluded.last_error
