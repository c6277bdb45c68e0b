-- The questions of sql/monitor as views, for bare psql: what is well, what is stored, who ran, what is used, who was told, how fast.

CREATE VIEW v_health AS
SELECT name, status, value, threshold, since, hint, checked_at
FROM health_checks
WHERE checked_at = (SELECT max(checked_at) FROM health_checks)  -- a check that is no more is not well or ill
ORDER BY array_position(ARRAY['critical', 'unknown', 'warning', 'ok'], status), name;
COMMENT ON VIEW v_health IS 'One row a check, the worst first, as bin/health saw it last.';

CREATE VIEW v_kpis AS
SELECT coalesce(n.name, l.name) AS name, coalesce(n.scope, '') AS scope, n.value, coalesce(n.unit, l.unit) AS unit, coalesce(n.grade, 'not measured') AS grade,
       CASE WHEN l.is_less_better THEN '<' WHEN l.target IS NOT NULL THEN '>' END AS better, l.target, l.alert, l.critical, n.at, l.meaning
FROM kpis_now n
FULL JOIN kpi_limits l ON l.name = n.name
ORDER BY array_position(ARRAY['critical', 'alert', 'fair', 'target', 'none'], n.grade), 1, 2;
COMMENT ON VIEW v_kpis IS 'The newest value of each key figure beside what it is held against; kpis has the history.';

CREATE VIEW v_coverage AS
WITH wanted AS (
    SELECT s.id AS symbol_id, s.symbol, least(s.priority, w.priority) AS priority,
           CASE WHEN s.listed_to < current_date
                THEN 'left the market, last session ' || s.listed_to || CASE WHEN s.successor <> '' THEN ', successor ' || s.successor ELSE '' END
                WHEN s.refused <> '' AND (s.refused_until IS NULL OR s.refused_until > now()) THEN 'refused: ' || s.refused
                WHEN NOT s.active THEN 'not active'
           END AS reason
    FROM symbols s
    LEFT JOIN (SELECT symbol_id, min(priority) AS priority FROM watchlist WHERE active GROUP BY symbol_id) w ON w.symbol_id = s.id
    WHERE s.active OR w.symbol_id IS NOT NULL OR EXISTS (SELECT FROM coverage c JOIN origins o ON o.id = c.origin AND o.source <> 'legacy' WHERE c.symbol_id = s.id)
), series AS (
    SELECT c.symbol_id, c.timeframe, c.origin, c.complete, c.checked_at, o.kind, o.source
    FROM coverage c
    JOIN origins o ON o.id = c.origin AND o.source <> 'legacy'
), missing AS (
    SELECT symbol_id, timeframe, origin,
           count(*) FILTER (WHERE NOT is_explained) AS missing,
           count(*) FILTER (WHERE is_explained AND why <> 'not-listed') AS explained,
           string_agg(DISTINCT why, ', ') FILTER (WHERE NOT is_explained) AS why,
           min(noticed_at) FILTER (WHERE NOT is_explained) AS missing_since,
           min(next_at) FILTER (WHERE NOT is_explained) AS next_at
    FROM missing_sessions
    GROUP BY symbol_id, timeframe, origin
), complete AS (
    SELECT v.symbol_id, v.timeframe, v.origin, count(t.session_date) AS complete, max(t.session_date) AS newest
    FROM series v
    JOIN symbols s ON s.id = v.symbol_id
    CROSS JOIN LATERAL unnest(v.complete) AS stretch
    JOIN trading_sessions t ON t.calendar = s.calendar AND t.session_date >= lower(stretch) AND t.session_date < upper(stretch)
    GROUP BY v.symbol_id, v.timeframe, v.origin
)
SELECT w.symbol, coalesce(v.timeframe, '1day') AS timeframe, v.kind, v.source,
       coalesce(c.complete, 0) + coalesce(m.missing, 0) + coalesce(m.explained, 0) AS expected,
       coalesce(c.complete, 0) AS stored,
       coalesce(m.explained, 0) AS explained,
       coalesce(m.missing, 0) AS missing,
       round(100.0 * (coalesce(c.complete, 0) + coalesce(m.explained, 0))
             / nullif(coalesce(c.complete, 0) + coalesce(m.missing, 0) + coalesce(m.explained, 0), 0), 2) AS "complete %",
       coalesce(w.reason || coalesce('; ' || m.why, ''), m.why, CASE WHEN v.symbol_id IS NULL THEN 'not asked yet' END) AS why,
       m.missing_since, m.next_at, c.newest, w.priority, v.symbol_id IS NOT NULL AS is_known
FROM wanted w
LEFT JOIN series v ON v.symbol_id = w.symbol_id
LEFT JOIN complete c ON c.symbol_id = v.symbol_id AND c.timeframe = v.timeframe AND c.origin = v.origin
LEFT JOIN missing m ON m.symbol_id = v.symbol_id AND m.timeframe = v.timeframe AND m.origin = v.origin;
COMMENT ON VIEW v_coverage IS 'What is stored, and what is missing and why: one row a wanted symbol and bar size; what was imported from elsewhere is not asked for and not in it.';

CREATE VIEW v_jobs AS
SELECT l.job, l.scope, r.outcome, r.exit_status AS exit, r.started_at, r.heartbeat_at,
       CASE WHEN r.outcome = 'running' THEN NULL ELSE r.finished_at - r.started_at END AS took,
       r.times, r.targets, r.succeeded, r.failed, r.rows_stored AS rows, good.started_at AS last_good, left(r.error_message, 200) AS said, r.log_id AS run
FROM job_locks l
JOIN job_runs r ON r.id = l.run_id
LEFT JOIN LATERAL (SELECT g.started_at FROM job_runs g
                   WHERE g.job = l.job AND g.scope = l.scope AND g.outcome IN ('done', 'nothing-due')
                   ORDER BY g.started_at DESC LIMIT 1) good ON true
ORDER BY l.job, l.scope;
COMMENT ON VIEW v_jobs IS 'The newest run of each job and scope, and when it last went well.';

CREATE VIEW v_pacing AS
WITH limits AS (
    SELECT coalesce(max(value) FILTER (WHERE name = 'pacing_requests_max'), 60) AS requests,
           coalesce(max(value) FILTER (WHERE name = 'pacing_open_max'), 50) AS open,
           make_interval(secs => coalesce(max(value) FILTER (WHERE name = 'pacing_window_seconds'), 600)) AS span
    FROM recorded_limits
), newest AS (
    SELECT max(coalesce(counted_at, reserved_at)) AS at FROM pacing_requests
), day AS (
    SELECT p.rule, coalesce(p.counted_at, p.reserved_at) AS at, p.weight
    FROM pacing_requests p CROSS JOIN newest n
    WHERE p.key NOT LIKE 'cool-down%' AND coalesce(p.counted_at, p.reserved_at) > n.at - interval '1 day'
), windows AS (
    SELECT d.rule, sum(d.weight) OVER (PARTITION BY d.rule ORDER BY d.at RANGE BETWEEN (SELECT l.span FROM limits l) PRECEDING AND CURRENT ROW) AS used
    FROM day d
), by_rule AS (
    SELECT d.rule, coalesce(sum(d.weight) FILTER (WHERE d.at > n.at - l.span), 0) AS now_used,
           (SELECT max(w.used) FROM windows w WHERE w.rule = d.rule) AS peak_used
    FROM day d CROSS JOIN newest n CROSS JOIN limits l
    GROUP BY d.rule
), open AS (
    SELECT rule, count(*) AS open FROM pacing_requests WHERE closed_at IS NULL GROUP BY rule
), figures AS (
    SELECT b.rule, b.now_used, b.peak_used, coalesce(o.open, 0) AS open, l.requests, l.open AS open_max,
           CASE b.rule WHEN 'hard' THEN round((100.0 * b.peak_used / l.requests)::numeric) ELSE round((100.0 * coalesce(o.open, 0) / l.open)::numeric) END AS percent
    FROM by_rule b CROSS JOIN limits l LEFT JOIN open o USING (rule)
)
SELECT rule, now_used, peak_used, open, open_max, CASE rule WHEN 'hard' THEN requests END AS requests_max, percent,
       CASE WHEN percent > 95 THEN 'critical' WHEN percent > 90 THEN 'alert' WHEN percent >= 80 THEN 'high' ELSE 'ok' END AS state
FROM figures
ORDER BY rule;
COMMENT ON VIEW v_pacing IS 'Use of the login''s request budget in the last window and at the day''s peak; times are of the newest request. Limits as recorded, else IB''s.';

CREATE VIEW v_alerts AS
SELECT a.id, a.severity, a.subject, a.first_at, a.last_at, a.times, a.resolved_at,
       count(d.id) FILTER (WHERE d.sent_at IS NOT NULL) AS sent,
       count(d.id) FILTER (WHERE d.sent_at IS NULL AND d.given_up_at IS NULL) AS waiting,
       count(d.id) FILTER (WHERE d.given_up_at IS NOT NULL) AS given_up,
       max(d.last_error) FILTER (WHERE d.sent_at IS NULL) AS last_error
FROM alerts a
LEFT JOIN alert_deliveries d ON d.alert_id = a.id
GROUP BY a.id
ORDER BY a.resolved_at IS NOT NULL, array_position(ARRAY['critical', 'high', 'medium', 'low'], a.severity), a.last_at DESC;
COMMENT ON VIEW v_alerts IS 'What a person should have heard: open ones first, and whether they went out.';

CREATE VIEW v_latency AS
SELECT name, hour, samples, p50_ms, p95_ms, p99_ms, highest_ms,
       CASE WHEN p95_ms < 10 THEN 'excellent' WHEN p95_ms < 25 THEN 'good' WHEN p95_ms < 50 THEN 'acceptable' WHEN p95_ms < 100 THEN 'poor' ELSE 'critical' END AS grade
FROM latencies
ORDER BY hour DESC, name;
COMMENT ON VIEW v_latency IS 'Our own times by hour, the newest first; graded by the 95th percentile.';
