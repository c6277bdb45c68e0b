-- What became of a backup; NULL leaves what stands there. Becoming verified needs an instant.
UPDATE backups
SET state = %(state)s, finished_at = coalesce(%(finished_at)s, finished_at), bytes = coalesce(%(bytes)s, bytes),
    sha256 = coalesce(%(sha256)s, sha256), manifest = coalesce(%(manifest)s, manifest),
    verified_at = coalesce(%(verified_at)s, verified_at), verified_result = coalesce(%(result)s, verified_result)
WHERE id = %(id)s
