-- A run begins.
INSERT INTO job_runs (job, scope, day, started_at, heartbeat_at, outcome, arguments, log_id, code_version, host, pid, boot_id,
    lock_epoch)
VALUES (%(job)s, %(scope)s, (%(now)s::timestamptz AT TIME ZONE 'UTC')::date, %(now)s, %(now)s, 'running', %(arguments)s,
    %(log_id)s, %(code_version)s, %(host)s, %(pid)s, %(boot_id)s, %(epoch)s)
RETURNING id
