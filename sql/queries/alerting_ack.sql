-- A person knows of an open alert.
UPDATE alerts SET acked_at = %(now)s, acked_by = %(by)s
WHERE id = %(id)s AND resolved_at IS NULL AND acked_at IS NULL
RETURNING subject
