-- Requests whose process is gone: they count at the instant at which that was noticed, and occupy nothing any more.
UPDATE pacing_requests
SET counted_at = coalesce(counted_at, %(at)s), closed_at = greatest(counted_at, %(at)s), noticed_dead = true
WHERE closed_at IS NULL
  AND holder_id NOT IN (
    SELECT l.objid::bigint::integer
    FROM pg_locks l
    WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2 AND l.classid = %(class)s
      AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()))
