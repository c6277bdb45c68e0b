-- Checks as they were seen now. `since` is the judge's where it knows; else it stays for as long as a check stays well, or not well.
INSERT INTO health_checks AS h (name, status, value, threshold, hint, since, checked_at)
SELECT f.name, f.status, left(f.value, 1000), left(f.threshold, 200), left(f.hint, 500), coalesce(f.since, %(now)s), %(now)s
FROM unnest(%(names)s::text[], %(statuses)s::text[], %(values)s::text[], %(thresholds)s::text[], %(hints)s::text[], %(sinces)s::timestamptz[])
    AS f(name, status, value, threshold, hint, since)
ON CONFLICT (name) DO UPDATE
SET status = excluded.status, value = excluded.value, threshold = excluded.threshold, hint = excluded.hint, checked_at = excluded.checked_at,
    since = CASE WHEN (h.status = 'ok') = (excluded.status = 'ok') THEN least(h.since, excluded.since) ELSE excluded.since END
