-- Bars shorter than a day that break a hard rule, with its name.
SELECT "timestamp", claimed_date, rule, format('%%s,%%s,%%s,%%s,%%s,%%s,%%s', open, high, low, close, volume, wap, trades)
FROM (
    SELECT c.*, {rule} AS rule
    FROM (
        SELECT s."timestamp", s.session_date AS claimed_date, e.session_date, s.open, s.high, s.low, s.close, s.volume, s.wap,
               s.trades, %(asked_at)s::timestamptz AS asked_at, %(finished_to)s::date AS finished_to
        FROM staged s
        LEFT JOIN unnest(%(dates)s::date[], %(opens)s::timestamptz[], %(lasts)s::timestamptz[]) AS e (session_date, open, last)
            ON e.session_date = s.session_date AND s."timestamp" >= e.open AND s."timestamp" <= e.last
    ) c
    {window}
) d
WHERE rule IS NOT NULL
