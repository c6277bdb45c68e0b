-- How much of IB's request budget is used, by rule: below 80 % is well, above 90 % wants looking at.
-- The hard rule counts requests in any ten minutes, BID_ASK twice; the soft one has no published number, so its open requests are
-- held against the most that may be open. Limits as bin/health recorded them from [pacing], else IB's 60 and 50. Times are of the newest
-- request, which is now while jobs run. Plain psql, no parameters.

\echo 'The budget of the login'
SELECT rule, now_used AS "last 10 min", peak_used AS "peak of the day", open, percent AS "% of the limit", state
FROM v_pacing;

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
