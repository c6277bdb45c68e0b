-- Sessions that are not complete, and why: a row for each state.
INSERT INTO coverage_gaps (symbol_id, timeframe, origin, days, why, attempts, next_at, since, request_id, empty_request_id,
    quarantine_id, noticed_at)
SELECT %(symbol_id)s, %(timeframe)s, %(origin)s, g.days, g.why, g.attempts, g.next_at, g.since, %(request_id)s, g.empty_request_id,
       g.quarantine_id, %(now)s
FROM unnest(%(days)s::datemultirange[], %(why)s::text[], %(attempts)s::smallint[], %(next_at)s::timestamptz[], %(since)s::timestamptz[],
    %(empty_request_id)s::bigint[], %(quarantine_id)s::bigint[])
    AS g (days, why, attempts, next_at, since, empty_request_id, quarantine_id)
