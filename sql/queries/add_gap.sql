-- Sessions that are not complete, and why.
INSERT INTO coverage_gaps (symbol_id, timeframe, origin, days, why, attempts, next_at, since, request_id, empty_request_id,
    quarantine_id, noticed_at)
VALUES (%(symbol_id)s, %(timeframe)s, %(origin)s, %(days)s, %(why)s, %(attempts)s, %(next_at)s, %(since)s, %(request_id)s,
    %(empty_request_id)s, %(quarantine_id)s, %(now)s)
