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
