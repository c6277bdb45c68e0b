-- How many rows of each table have served their time; the conditions are those of prune_rows and prune_pacing_requests.
SELECT 'connection_events' AS what, count(*) AS rows FROM connection_events WHERE at < %(connection_events)s
UNION ALL
SELECT 'job_runs', count(*) FROM job_runs r
WHERE r.finished_at < %(job_runs)s
  AND NOT EXISTS (SELECT FROM collection_logs c WHERE c.run_id = r.id)
  AND NOT EXISTS (SELECT FROM job_locks l WHERE l.run_id = r.id)
  AND NOT EXISTS (SELECT FROM connection_events e WHERE e.run_id = r.id AND e.at >= %(connection_events)s)
UNION ALL
SELECT 'kpis', count(*) FROM kpis WHERE at < %(kpis)s
UNION ALL
SELECT 'coverage_gaps', count(*) FROM coverage_gaps WHERE resolved_at < %(coverage_gaps)s
UNION ALL
SELECT 'alerts', count(*) FROM alerts WHERE resolved_at < %(alerts)s
UNION ALL
SELECT 'pacing_requests', count(*) FROM pacing_requests
WHERE closed_at IS NOT NULL AND counted_at < %(pacing_requests)s
  AND counted_at < (SELECT max(reserved_at) - interval '1 day' FROM pacing_requests)
