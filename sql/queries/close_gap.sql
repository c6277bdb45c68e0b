-- There was no session on this day: the override is the evidence.
UPDATE coverage_gaps
SET why = 'closed', calendar = %(calendar)s, next_at = NULL, quarantine_id = NULL
WHERE id = %(id)s AND first = last
