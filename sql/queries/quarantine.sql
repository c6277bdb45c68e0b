-- What was refused, once for each bar, rule and values; and of which row each session has to show.
WITH refused AS (
    SELECT DISTINCT r.start, r.rule, r.raw, r.session_date
    FROM unnest(%(starts)s::timestamptz[], %(dates)s::date[], %(rules)s::text[], %(raws)s::text[]) AS r (start, session_date, rule, raw)
), known AS (
    SELECT r.*, q.id
    FROM refused r
    LEFT JOIN quarantine q ON q.symbol_id = %(symbol_id)s AND q.timeframe = %(timeframe)s AND q.origin = %(origin)s
        AND q."timestamp" = r.start AND q.rule = r.rule AND q.raw = r.raw
), added AS (
    INSERT INTO quarantine (symbol_id, timeframe, origin, "timestamp", rule, raw, session_date, request_id, first_seen_at)
    SELECT %(symbol_id)s::integer, %(timeframe)s, %(origin)s::smallint, k.start, k.rule, k.raw, k.session_date,
           %(request_id)s::bigint, %(now)s::timestamptz
    FROM known k
    WHERE k.id IS NULL
    RETURNING session_date, id
)
SELECT session_date, min(id)
FROM (SELECT session_date, id FROM added UNION ALL SELECT session_date, id FROM known WHERE id IS NOT NULL) AS shown
GROUP BY session_date
