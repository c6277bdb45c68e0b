-- Some of these sessions are complete now, or stand in another row.
UPDATE coverage_gaps SET days = %(days)s WHERE id = %(id)s
