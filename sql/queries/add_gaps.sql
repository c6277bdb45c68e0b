-- Sessions that are not complete, and why.
INSERT INTO coverage_gaps (symbol_id, timeframe, origin, first, last, why, attempts, next_at, since, request_id,
    empty_request_id, quarantine_id, noticed_at)
SELECT %(symbol_id)s, %(timeframe)s, %(origin)s, g.*, %(now)s
FROM unnest(%(firsts)s::date[], %(lasts)s::date[], %(whys)s::text[], %(attemptss)s::smallint[], %(next_ats)s::timestamptz[],
            %(sinces)s::timestamptz[], %(request_ids)s::bigint[], %(empty_request_ids)s::bigint[], %(quarantine_ids)s::bigint[]) AS g
