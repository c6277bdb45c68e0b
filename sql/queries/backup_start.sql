-- A backup that is being written.
INSERT INTO backups (started_at, path, manifest, state) VALUES (%(now)s, %(path)s, '{}', 'writing') RETURNING id
