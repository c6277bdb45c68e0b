-- A setting of the configuration that psql needs, where it is not there already.
INSERT INTO recorded_limits AS r (name, value, recorded_at)
VALUES (%(name)s, %(value)s, %(now)s)
ON CONFLICT (name) DO UPDATE SET value = excluded.value, recorded_at = excluded.recorded_at WHERE r.value <> excluded.value
