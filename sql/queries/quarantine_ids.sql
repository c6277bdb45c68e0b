-- The quarantine rows of what was refused, by session.
SELECT r.session_date, min(q.id)
FROM refused r
JOIN quarantine q ON q.symbol_id = %(symbol_id)s AND q.timeframe = %(timeframe)s AND q.origin = %(origin)s
    AND q."timestamp" = r."timestamp" AND q.rule = r.rule AND q.raw = r.raw
WHERE r.session_date IS NOT NULL
GROUP BY r.session_date
