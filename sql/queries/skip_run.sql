-- A run found the lock taken: one more in a row.
UPDATE job_locks
SET skips = skips + 1, skipped_at = %(now)s
WHERE job = %(job)s AND scope = %(scope)s
RETURNING skips
