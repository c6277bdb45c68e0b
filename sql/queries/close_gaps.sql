-- There was no session on these days: the override is the evidence.
UPDATE coverage_gaps
SET why = 'closed', calendar = %(calendar)s, next_at = NULL, quarantine_id = NULL
WHERE id = ANY (%(ids)s) AND first = last
