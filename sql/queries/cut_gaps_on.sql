-- There was no session on this day: it is taken out of what stands for several.
UPDATE coverage_gaps g SET days = g.days - datemultirange(daterange(%(day)s, %(day)s + 1))
FROM symbols s
WHERE s.id = g.symbol_id AND s.calendar = %(calendar)s AND g.resolved_at IS NULL AND g.why <> 'closed' AND g.days @> %(day)s::date
  AND g.days <> datemultirange(daterange(%(day)s, %(day)s + 1))
