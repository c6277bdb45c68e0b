-- A request is over: its open slot is free. One that was never answered counts from its end.
UPDATE pacing_requests
SET counted_at = coalesce(counted_at, %(at)s), closed_at = coalesce(closed_at, %(at)s)
WHERE id = %(id)s
