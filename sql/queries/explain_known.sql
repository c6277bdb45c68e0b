-- What is known of a session of the official series: complete, or why not and by which request.
SELECT EXISTS (SELECT FROM coverage c WHERE c.symbol_id = %(symbol_id)s AND c.timeframe = %(timeframe)s AND c.origin = o.id
                 AND c.complete @> %(day)s::date) AS is_complete,
       g.why, g.is_explained, g.attempts, g.next_at, g.noticed_at, g.request_id, g.empty_request_id, g.quarantine_id
FROM origins o
LEFT JOIN coverage_gaps g ON g.symbol_id = %(symbol_id)s AND g.timeframe = %(timeframe)s AND g.origin = o.id
    AND g.resolved_at IS NULL AND g.days @> %(day)s::date
WHERE o.is_official
