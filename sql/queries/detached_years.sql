-- Partitions that were detached and still lie beside: which year, how many bytes, in which folder its files are, since when.
SELECT substring(c.relname FROM '[0-9]{4}$')::integer AS year, pg_total_relation_size(c.oid) AS bytes, a.folder, max(a.detached_at) AS since
FROM pg_class c
LEFT JOIN archives a ON a.year = substring(c.relname FROM '[0-9]{4}$')::integer AND a.detached_at IS NOT NULL
WHERE c.relnamespace = 'scizor'::regnamespace AND c.relname ~ '^detached_bars_[0-9]{4}$'
GROUP BY 1, 2, 3
ORDER BY 1
