-- The first frame that answers a request: from here on it counts from that instant.
UPDATE pacing_requests SET counted_at = greatest(counted_at, %(at)s) WHERE id = %(id)s
