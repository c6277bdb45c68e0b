-- What a key figure is held against, where it is not there already.
INSERT INTO kpi_limits AS l (name, unit, is_less_better, target, alert, critical, meaning, recorded_at)
VALUES (%(name)s, %(unit)s, %(is_less_better)s, %(target)s, %(alert)s, %(critical)s, %(meaning)s, %(now)s)
ON CONFLICT (name) DO UPDATE
SET unit = excluded.unit, is_less_better = excluded.is_less_better, target = excluded.target, alert = excluded.alert,
    critical = excluded.critical, meaning = excluded.meaning, recorded_at = excluded.recorded_at
WHERE (l.unit, l.is_less_better, l.target, l.alert, l.critical, l.meaning)
    IS DISTINCT FROM (excluded.unit, excluded.is_less_better, excluded.target, excluded.alert, excluded.critical, excluded.meaning)
