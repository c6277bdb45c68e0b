-- All backups that are not removed, the oldest first.
SELECT id, started_at, path, state, bytes, sha256, verified_at, verified_result, manifest
FROM backups
WHERE state <> 'expired'
ORDER BY id
