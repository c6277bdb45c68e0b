-- Where the bytes are, what each year of bars takes, how fast it grows, and what has left the table.
-- Plain psql, no parameters:  bin/psql -f sql/monitor/space.sql

\echo 'Tables, largest first'
SELECT coalesce(p.relname, c.relname) AS "table", pg_size_pretty(sum(pg_total_relation_size(c.oid))) AS size,
       sum(greatest(c.reltuples, 0))::bigint AS rows_about
FROM pg_class c
LEFT JOIN pg_inherits i ON i.inhrelid = c.oid
LEFT JOIN pg_class p ON p.oid = i.inhparent
WHERE c.relnamespace = 'scizor'::regnamespace AND c.relkind = 'r'
GROUP BY 1
ORDER BY sum(pg_total_relation_size(c.oid)) DESC
LIMIT 15;

\echo 'Bars by year'
SELECT right(c.relname, 4) AS year, CASE WHEN c.relname LIKE 'detached%' THEN 'detached' ELSE 'in bars' END AS lies,
       pg_size_pretty(pg_total_relation_size(c.oid)) AS size, greatest(c.reltuples, 0)::bigint AS rows_about
FROM pg_class c
WHERE c.relnamespace = 'scizor'::regnamespace AND c.relkind = 'r' AND c.relname ~ '^(detached_)?bars_[0-9]{4}$'
  AND pg_relation_size(c.oid) > 0
ORDER BY 1, 2;

\echo 'New bars a month, the last twelve'
SELECT date_trunc('month', started_at)::date AS month, timeframe, sum(stored) AS stored, sum(revised) AS revised
FROM collection_logs
WHERE stored + revised > 0
GROUP BY 1, 2
ORDER BY 1 DESC, 2
LIMIT 12;

\echo 'Files that were written, by folder and year'
SELECT folder, year, count(*) AS files, sum(rows) AS bars, pg_size_pretty(sum(bytes)) AS size, min(verified_at) AS verified_since,
       max(detached_at) AS left_the_table
FROM archives
GROUP BY 1, 2
ORDER BY 1, 2;
