-- The number of an origin.
SELECT id FROM origins WHERE kind = %(kind)s AND source = %(source)s AND regular_hours = %(regular_hours)s
