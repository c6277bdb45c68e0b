-- These sessions are complete now, or stand in another row.
UPDATE coverage_gaps SET resolved_at = %(now)s WHERE id = %(id)s
