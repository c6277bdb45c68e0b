-- What was refused, once for each bar, rule and values.
INSERT INTO quarantine (symbol_id, timeframe, origin, "timestamp", rule, raw, session_date, request_id, first_seen_at)
SELECT DISTINCT %(symbol_id)s::integer, %(timeframe)s, %(origin)s::smallint, r.start, r.rule, r.raw, r.session_date,
       %(request_id)s::bigint, %(now)s::timestamptz
FROM unnest(%(starts)s::timestamptz[], %(dates)s::date[], %(rules)s::text[], %(raws)s::text[]) AS r (start, session_date, rule, raw)
WHERE NOT EXISTS (
    SELECT FROM quarantine q
    WHERE q.symbol_id = %(symbol_id)s AND q.timeframe = %(timeframe)s AND q.origin = %(origin)s
      AND q."timestamp" = r.start AND q.rule = r.rule AND q.raw = r.raw)
