-- Of those: all that waits, the newest of each kind that was told or given up, and whatever was sent in the last hour.
SELECT a.fingerprint, a.first_at, d.channel, d.occasion, d.due_at, coalesce(d.next_at, d.due_at), d.attempts, d.sent_at, d.given_up_at,
       coalesce(d.last_error, ''), d.instead_of
FROM alerts a
JOIN (
    SELECT *, row_number() OVER (PARTITION BY alert_id, channel, occasion ORDER BY due_at DESC) AS age FROM alert_deliveries
    WHERE alert_id IN (SELECT id FROM alerts WHERE source <> '' AND (resolved_at IS NULL OR resolved_at > %(since)s))
       OR (sent_at IS NULL AND given_up_at IS NULL)
       OR sent_at > %(since)s
) d ON d.alert_id = a.id
WHERE a.source <> '' AND (d.age = 1 OR (d.sent_at IS NULL AND d.given_up_at IS NULL) OR d.sent_at > %(since)s OR d.occasion = 'raised')
