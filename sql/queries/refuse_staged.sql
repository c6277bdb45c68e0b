-- Daily bars that break a hard rule, with its name. The stored bar before the answer stands beside it, for the rules
-- about neighbours.
INSERT INTO refused ("timestamp", session_date, rule, raw)
SELECT "timestamp", claimed_date, rule, format('%%s,%%s,%%s,%%s,%%s,%%s,%%s', open, high, low, close, volume, wap, trades)
FROM (
    SELECT c.*, {rule} AS rule
    FROM (
        SELECT false AS is_prior, s."timestamp", s.session_date AS claimed_date, e.session_date, s.open, s.high, s.low, s.close,
               s.volume, s.wap, s.trades, %(asked_at)s::timestamptz AS asked_at, %(finished_to)s::date AS finished_to
        FROM staged s
        LEFT JOIN trading_sessions e ON e.calendar = %(calendar)s AND e.session_date = s.session_date
            AND s."timestamp" = s.session_date::timestamp AT TIME ZONE 'UTC'
        UNION ALL
        (SELECT true, b."timestamp", b.session_date, b.session_date, b.open, b.high, b.low, b.close,
                b.volume, b.wap, b.trades, %(asked_at)s, %(finished_to)s
         FROM bars b
         WHERE b.symbol_id = %(symbol_id)s AND b.timeframe = %(timeframe)s AND b.origin = %(origin)s
           AND b."timestamp" < %(first)s
         ORDER BY b."timestamp" DESC
         LIMIT 1)
    ) c
    {window}
) d
WHERE rule IS NOT NULL AND NOT is_prior
