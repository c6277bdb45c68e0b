-- How the newest run of a job's scope ended: the one that took the fence last, whatever the clock said.
SELECT r.outcome, r.exit_status, r.rows_stored
FROM job_locks l
JOIN job_runs r ON r.id = l.run_id
WHERE l.job = %(job)s AND l.scope = %(scope)s
