-- A session that we did not know, or knew at other hours: it was never asked for. Daily bars of one with other hours stay complete.
UPDATE coverage c SET complete = c.complete - datemultirange(daterange(%(day)s, %(day)s + 1)), checked_at = %(now)s
FROM symbols s
WHERE s.id = c.symbol_id AND s.calendar = %(calendar)s AND c.complete @> %(day)s::date AND (%(daily)s OR c.timeframe <> '1day')
