-- What is known of sessions that are not complete has changed.
UPDATE coverage_gaps
SET last = g.last, why = g.why, attempts = g.attempts, next_at = g.next_at, since = g.since, request_id = g.request_id,
    empty_request_id = g.empty_request_id, quarantine_id = g.quarantine_id
FROM unnest(%(ids)s::bigint[], %(lasts)s::date[], %(whys)s::text[], %(attemptss)s::smallint[], %(next_ats)s::timestamptz[],
            %(sinces)s::timestamptz[], %(request_ids)s::bigint[], %(empty_request_ids)s::bigint[], %(quarantine_ids)s::bigint[])
    AS g (id, last, why, attempts, next_at, since, request_id, empty_request_id, quarantine_id)
WHERE coverage_gaps.id = g.id
