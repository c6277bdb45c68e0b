-- What is known of the same sessions has changed.
UPDATE coverage_gaps
SET why = %(why)s, attempts = %(attempts)s, next_at = %(next_at)s, since = %(since)s, request_id = %(request_id)s,
    empty_request_id = %(empty_request_id)s, quarantine_id = %(quarantine_id)s
WHERE id = %(id)s
