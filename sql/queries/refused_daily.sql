-- Of the daily bars that are doubted, those that break a hard rule, with its name. Their neighbours stand beside them, and
-- the stored bars before and after the answer (days, not years, away: the planner opens each partition that it cannot
-- rule out).
SELECT "timestamp", claimed_date, rule, format('%%s,%%s,%%s,%%s,%%s,%%s,%%s', open, high, low, close, volume, wap, trades)
FROM (
    SELECT c.*, {rule} AS rule
    FROM (
        SELECT false AS is_stored, "timestamp", session_date AS claimed_date,
               CASE WHEN "timestamp" = session_date::timestamp AT TIME ZONE 'UTC' AND session_date <> ALL (%(closed)s::date[]) THEN session_date END
                   AS session_date,
               open, high, low, close, volume, wap, trades, %(asked_at)s::timestamptz AS asked_at, %(finished_to)s::date AS finished_to
        FROM staged
        WHERE %(doubts)s::timestamptz[] IS NULL OR "timestamp" = ANY (%(beside)s::timestamptz[])
        UNION ALL
        (SELECT true, b."timestamp", b.session_date, b.session_date, b.open, b.high, b.low, b.close, b.volume, b.wap, b.trades,
                %(asked_at)s, %(finished_to)s
         FROM bars b
         WHERE b.symbol_id = %(symbol_id)s AND b.timeframe = %(timeframe)s AND b.origin = %(origin)s
           AND b."timestamp" < %(first)s AND b."timestamp" >= %(near_first)s
         ORDER BY b."timestamp" DESC
         LIMIT 1)
        UNION ALL
        (SELECT true, b."timestamp", b.session_date, b.session_date, b.open, b.high, b.low, b.close, b.volume, b.wap, b.trades,
                %(asked_at)s, %(finished_to)s
         FROM bars b
         WHERE b.symbol_id = %(symbol_id)s AND b.timeframe = %(timeframe)s AND b.origin = %(origin)s
           AND b."timestamp" > %(last)s AND b."timestamp" <= %(near_last)s
         ORDER BY b."timestamp"
         LIMIT 1)
    ) c
    {window}
) d
WHERE rule IS NOT NULL AND NOT is_stored
  AND (%(doubts)s::timestamptz[] IS NULL OR "timestamp" = ANY (%(doubts)s::timestamptz[]))
  AND NOT EXISTS (  -- a person has looked at this very bar, and accepted it
    SELECT FROM quarantine q
    WHERE q.symbol_id = %(symbol_id)s AND q.timeframe = %(timeframe)s AND q.origin = %(origin)s AND q.verdict = 'accepted'
      AND q."timestamp" = d."timestamp" AND q.rule = d.rule
      AND q.raw = format('%%s,%%s,%%s,%%s,%%s,%%s,%%s', d.open, d.high, d.low, d.close, d.volume, d.wap, d.trades))
