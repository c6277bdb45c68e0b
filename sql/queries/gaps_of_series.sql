-- What is not complete of one series, with its evidence.
SELECT id, days::text, why, attempts, next_at, since, request_id, empty_request_id, quarantine_id
FROM coverage_gaps
WHERE symbol_id = %(symbol_id)s AND timeframe = %(timeframe)s AND origin = %(origin)s AND resolved_at IS NULL
ORDER BY id
