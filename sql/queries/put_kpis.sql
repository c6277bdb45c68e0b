-- The newest values of key figures; into their history where the last row is five minutes old, or of another grade.
WITH fresh AS (
    SELECT f.*, n.stored_at, n.name IS NULL OR n.grade <> f.grade OR n.stored_at <= %(now)s::timestamptz - interval '290 seconds' OR n.stored_at > %(now)s AS is_due
    FROM unnest(%(names)s::text[], %(scopes)s::text[], %(values)s::float8[], %(units)s::text[], %(grades)s::text[]) AS f(name, scope, value, unit, grade)
    LEFT JOIN kpis_now n ON n.name = f.name AND n.scope = f.scope
), history AS (
    INSERT INTO kpis (name, scope, at, value, unit)
    SELECT name, scope, %(now)s, value, unit FROM fresh WHERE is_due
    ON CONFLICT DO NOTHING
)
INSERT INTO kpis_now (name, scope, value, unit, grade, at, stored_at)
SELECT name, scope, value, unit, grade, %(now)s, CASE WHEN is_due THEN %(now)s ELSE stored_at END FROM fresh
ON CONFLICT (name, scope) DO UPDATE
SET value = excluded.value, unit = excluded.unit, grade = excluded.grade, at = excluded.at, stored_at = excluded.stored_at
