-- The open alert of a fingerprint is over.
UPDATE alerts
SET resolved_at = greatest(first_at, %(at)s)
WHERE fingerprint = %(fingerprint)s AND resolved_at IS NULL
