-- A run ends. One that its successor has buried stays buried.
UPDATE job_runs
SET finished_at = %(now)s, heartbeat_at = %(now)s, outcome = %(outcome)s, exit_status = %(exit_status)s,
    targets = coalesce(%(targets)s, targets), succeeded = coalesce(%(succeeded)s, succeeded),
    failed = coalesce(%(failed)s, failed), rows_stored = coalesce(%(rows_stored)s, rows_stored),
    error_class = %(error_class)s, error_message = %(error_message)s
WHERE id = %(id)s AND lock_epoch = %(epoch)s AND outcome = 'running'
