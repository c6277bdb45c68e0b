-- How much of IB's request budget is used, by rule: below 80 % is well, above 90 % wants looking at.
-- The hard rule counts 60 in any ten minutes, BID_ASK twice; the soft one has no published number, so its open requests are
-- held against IB's 50. Times are of the newest request, which is now while jobs run. Plain psql, no parameters.

\echo 'The budget of the login'
WITH newest AS (
    SELECT max(coalesce(counted_at, reserved_at)) AS at FROM pacing_requests
), sliding AS (
    SELECT p.rule, coalesce(p.counted_at, p.reserved_at) AS at,
           sum(p.weight) OVER (PARTITION BY p.rule ORDER BY coalesce(p.counted_at, p.reserved_at)
                               RANGE BETWEEN interval '10 minutes' PRECEDING AND CURRENT ROW) AS used
    FROM pacing_requests p
    WHERE p.key NOT LIKE 'cool-down%'
), by_rule AS (
    SELECT s.rule, max(s.used) FILTER (WHERE s.at > n.at - interval '10 minutes') AS now_used,
           max(s.used) FILTER (WHERE s.at > n.at - interval '1 day') AS peak_used
    FROM sliding s CROSS JOIN newest n
    GROUP BY s.rule
), open AS (
    SELECT rule, count(*) AS open FROM pacing_requests WHERE closed_at IS NULL GROUP BY rule
), figures AS (
    SELECT b.rule, b.now_used, b.peak_used, coalesce(o.open, 0) AS open,
           CASE b.rule WHEN 'hard' THEN round(100.0 * b.peak_used / 60) ELSE round(100.0 * coalesce(o.open, 0) / 50) END AS percent
    FROM by_rule b LEFT JOIN open o USING (rule)
)
SELECT rule, now_used AS "last 10 min", peak_used AS "peak 10 min of the day", open AS "open (of 50)", percent AS "% of the limit",
       CASE WHEN percent > 95 THEN 'critical' WHEN percent > 90 THEN 'alert' WHEN percent >= 80 THEN 'high' ELSE 'ok' END AS state
FROM figures
ORDER BY rule;

\echo 'By class and day'
SELECT date_trunc('day', reserved_at) AS day, pacing_class AS class, rule, count(*) AS requests, sum(weight) AS weight,
       round(avg(extract(epoch FROM counted_at - reserved_at))::numeric, 2) AS "mean s to the first answer",
       count(*) FILTER (WHERE noticed_dead) AS "of dead processes"
FROM pacing_requests
WHERE key NOT LIKE 'cool-down%'
GROUP BY 1, 2, 3
ORDER BY 1 DESC, 2, 3
LIMIT 30;

\echo 'Refused for pacing'
SELECT date_trunc('day', started_at) AS day, count(*) AS requests
FROM collection_logs
WHERE outcome = 'pacing'
GROUP BY 1
ORDER BY 1 DESC
LIMIT 10;
