-- The newest run of each job and scope, when it last went well, and since when the database is in use (a row without a job, if nothing ran).
SELECT coalesce(l.job, ''), coalesce(l.scope, ''), r.outcome, r.started_at, greatest(r.heartbeat_at, r.finished_at), r.exit_status,
       coalesce(left(r.error_message, 200), ''), good.started_at, i.since
FROM (SELECT min(applied_at) AS since FROM schema_versions) i
FULL JOIN (job_locks l JOIN job_runs r ON r.id = l.run_id) ON true
LEFT JOIN LATERAL (SELECT g.started_at FROM job_runs g
                   WHERE g.job = l.job AND g.scope = l.scope AND g.outcome IN ('done', 'nothing-due')
                   ORDER BY g.started_at DESC LIMIT 1) good ON true
