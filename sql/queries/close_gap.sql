-- There was no session on this day: the override is the evidence.
UPDATE coverage_gaps
SET why = 'closed', calendar = %(calendar)s, closed_on = %(day)s, next_at = NULL, since = NULL, empty_request_id = NULL,
    quarantine_id = NULL
WHERE id = %(id)s
