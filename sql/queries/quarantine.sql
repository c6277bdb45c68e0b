-- What was refused, once for each bar, rule and values.
INSERT INTO quarantine (symbol_id, timeframe, origin, "timestamp", rule, raw, session_date, request_id, first_seen_at)
SELECT DISTINCT %(symbol_id)s::integer, %(timeframe)s, %(origin)s::smallint, r."timestamp", r.rule, r.raw, r.session_date,
       %(request_id)s::bigint, %(now)s::timestamptz
FROM refused r
WHERE r.rule <> 'unfinished'
  AND NOT EXISTS (
    SELECT FROM quarantine q
    WHERE q.symbol_id = %(symbol_id)s AND q.timeframe = %(timeframe)s AND q.origin = %(origin)s
      AND q."timestamp" = r."timestamp" AND q.rule = r.rule AND q.raw = r.raw)
