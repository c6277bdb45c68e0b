-- There was no session on this day: what stood for it alone is closed, with the override as its evidence.
UPDATE coverage_gaps g
SET why = 'closed', calendar = s.calendar, closed_on = %(day)s, next_at = NULL, since = NULL, empty_request_id = NULL, quarantine_id = NULL
FROM symbols s
WHERE s.id = g.symbol_id AND s.calendar = %(calendar)s AND g.resolved_at IS NULL AND g.why <> 'closed'
  AND g.days = datemultirange(daterange(%(day)s, %(day)s + 1))
