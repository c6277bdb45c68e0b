-- The session that an instant or a day belongs to: its hours, or the override that closed it.
SELECT t.session_date, t.open, t.close, t.last, NULL::text AS closed
FROM trading_sessions t
WHERE t.calendar = %(calendar)s AND CASE WHEN %(day)s::date IS NULL THEN %(at)s::timestamptz >= t.open AND %(at)s::timestamptz < t.last
                                         ELSE t.session_date = %(day)s::date END
UNION ALL
SELECT o.session_date, NULL, NULL, NULL, o.reason
FROM session_overrides o
WHERE o.calendar = %(calendar)s AND o.is_closed AND o.session_date = coalesce(%(day)s::date, (%(at)s::timestamptz)::date)
LIMIT 1
