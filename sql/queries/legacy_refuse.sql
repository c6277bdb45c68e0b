-- Keeps the rows that cannot: each once, with how many are equal to it.
INSERT INTO legacy_refused (source, rule, fingerprint, raw, times, run_id, first_seen_at)
SELECT %(source)s, refused, sha256(convert_to(raw, 'UTF8')), raw, count(*), %(run_id)s::bigint, %(now)s::timestamptz
FROM (SELECT refused, to_jsonb(source_row)::text AS raw FROM ({mapped}) mapped WHERE refused IS NOT NULL) r
GROUP BY refused, raw
ON CONFLICT (source, rule, fingerprint) DO UPDATE SET times = excluded.times WHERE legacy_refused.times <> excluded.times
