-- What became of a backup; NULL leaves what stands there. Of one that was removed, the counts of each table go too.
UPDATE backups
SET state = %(state)s, finished_at = coalesce(%(finished_at)s, finished_at), bytes = coalesce(%(bytes)s, bytes),
    sha256 = coalesce(%(sha256)s, sha256),
    manifest = CASE WHEN %(state)s = 'expired' THEN manifest - '{tables,sequences,sequences_after,schema,files}'::text[]
        ELSE coalesce(%(manifest)s, manifest) END,
    verified_at = coalesce(%(verified_at)s, verified_at), verified_result = coalesce(%(result)s, verified_result)
WHERE id = %(id)s
