-- Who ran, how it ended, and what the connection said: the newest run of each job and scope, failures of the last 30 runs,
-- the last words of the Gateway. Plain psql, no parameters:  bin/psql -f sql/monitor/jobs.sql

\echo 'The newest run of each job and scope'
SELECT job, scope, outcome, exit, started_at, heartbeat_at, took, times, targets, succeeded, failed, rows, last_good
FROM v_jobs;

\echo 'Runs that did not end well, newest first'
SELECT r.id, r.job, r.scope, r.started_at, r.outcome, r.exit_status AS exit, r.log_id AS run, left(r.error_message, 100) AS said
FROM job_runs r
WHERE r.outcome NOT IN ('done', 'nothing-due', 'running')
ORDER BY r.id DESC
LIMIT 20;

\echo 'What the connection said last'
SELECT e.at, e.event, e.ib_code AS code, e.client_id AS client, left(e.detail, 100) AS detail
FROM connection_events e
ORDER BY e.id DESC
LIMIT 20;
