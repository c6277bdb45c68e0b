-- Of the shorter bars that are doubted, those that break a hard rule, with its name.
SELECT "timestamp", claimed_date, rule, format('%%s,%%s,%%s,%%s,%%s,%%s,%%s', open, high, low, close, volume, wap, trades)
FROM (
    SELECT c.*, {rule} AS rule
    FROM (
        SELECT s."timestamp", s.session_date AS claimed_date, e.session_date, s.open, s.high, s.low, s.close, s.volume, s.wap,
               s.trades, %(asked_at)s::timestamptz AS asked_at, %(finished_to)s::date AS finished_to
        FROM staged s
        LEFT JOIN unnest(%(dates)s::date[], %(opens)s::timestamptz[], %(lasts)s::timestamptz[]) AS e (session_date, open_at, last_at)
            ON e.session_date = s.session_date AND s."timestamp" >= e.open_at AND s."timestamp" <= e.last_at
        WHERE %(doubts)s::timestamptz[] IS NULL OR s."timestamp" = ANY (%(beside)s::timestamptz[])
    ) c
    {window}
) d
WHERE rule IS NOT NULL AND (%(doubts)s::timestamptz[] IS NULL OR "timestamp" = ANY (%(doubts)s::timestamptz[]))
  AND NOT EXISTS (  -- a person has looked at this very bar, and accepted it
    SELECT FROM quarantine q
    WHERE q.symbol_id = %(symbol_id)s AND q.timeframe = %(timeframe)s AND q.origin = %(origin)s AND q.verdict = 'accepted'
      AND q."timestamp" = d."timestamp" AND q.rule = d.rule
      AND q.raw = format('%%s,%%s,%%s,%%s,%%s,%%s,%%s', d.open, d.high, d.low, d.close, d.volume, d.wap, d.trades))
