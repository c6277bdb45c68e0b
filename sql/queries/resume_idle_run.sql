-- The row that the day's runs with nothing due share: this run goes on in it.
UPDATE job_runs
SET outcome = 'running', exit_status = NULL, finished_at = NULL, started_at = %(now)s, heartbeat_at = %(now)s,
    times = times + 1, arguments = %(arguments)s, log_id = %(log_id)s, code_version = %(code_version)s, host = %(host)s,
    pid = %(pid)s, boot_id = %(boot_id)s, lock_epoch = %(epoch)s
WHERE job = %(job)s AND scope = %(scope)s AND day = (%(now)s::timestamptz AT TIME ZONE 'UTC')::date AND outcome = 'nothing-due'
RETURNING id
