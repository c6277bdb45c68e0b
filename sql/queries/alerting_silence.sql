-- A rule is silent until then; said again, it is the new time that holds.
INSERT INTO alert_silences (rule, scope, since, until, by)
VALUES (%(rule)s, %(scope)s, %(now)s, %(until)s, %(by)s)
ON CONFLICT (rule, scope) DO UPDATE SET since = excluded.since, until = excluded.until, by = excluded.by
