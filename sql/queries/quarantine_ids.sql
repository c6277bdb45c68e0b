-- The quarantine rows of what was refused, by session.
SELECT r.session_date, min(q.id)
FROM unnest(%(starts)s::timestamptz[], %(dates)s::date[], %(rules)s::text[], %(raws)s::text[]) AS r (start, session_date, rule, raw)
JOIN quarantine q ON q.symbol_id = %(symbol_id)s AND q.timeframe = %(timeframe)s AND q.origin = %(origin)s
    AND q."timestamp" = r.start AND q.rule = r.rule AND q.raw = r.raw
GROUP BY r.session_date
