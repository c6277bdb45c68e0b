-- Is it well? Checks that are not ok, key figures beside their limits, open alerts, our own latencies.
-- Plain psql, no parameters:  bin/psql -f sql/monitor/health.sql

\echo 'Checks, the worst first'
SELECT name, status, value, threshold, since, hint
FROM v_health;

\echo 'Key figures'
SELECT name, scope, round(value::numeric, 2) AS value, unit, grade, better, target, alert, critical, at
FROM v_kpis;

\echo 'Alerts, the open ones first'
SELECT severity, subject, first_at, last_at, times, resolved_at, sent, waiting, given_up
FROM v_alerts
LIMIT 20;

\echo 'Latencies by hour'
SELECT name, hour, samples, p50_ms, p95_ms, p99_ms, highest_ms, grade
FROM v_latency
LIMIT 24;
