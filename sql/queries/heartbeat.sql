-- A sign of life of a run, with what it has done so far.
UPDATE job_runs
SET heartbeat_at = %(now)s, targets = coalesce(%(targets)s, targets), succeeded = coalesce(%(succeeded)s, succeeded),
    failed = coalesce(%(failed)s, failed), rows_stored = coalesce(%(rows_stored)s, rows_stored)
WHERE id = %(id)s AND outcome = 'running'
