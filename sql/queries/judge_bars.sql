-- What a report thinks of the bars that it has looked at, as bits. Of the judged session all judged bits are set anew; of the
-- sessions before it those are added that a fault names, and those taken away that later bars have withdrawn.
WITH doubts AS (
    SELECT * FROM unnest(%(symbols)s::integer[], %(starts)s::timestamptz[], %(bits)s::smallint[], %(gone)s::smallint[])
        AS d (symbol_id, "timestamp", bits, gone)
), wrong AS (
    SELECT DISTINCT * FROM unnest(%(wrong_symbols)s::integer[], %(wrong_days)s::date[]) AS w (symbol_id, session_date)
)
UPDATE bars b SET flags = n.flags
FROM (
    SELECT o.symbol_id, o."timestamp", o.flags AS former,
           ((CASE WHEN o.session_date = %(day)s THEN o.flags & ~%(judged)s::smallint ELSE o.flags & ~coalesce(d.gone, 0::smallint) END)
            | coalesce(d.bits, 0::smallint)
            | CASE WHEN w.symbol_id IS NULL THEN 0::smallint ELSE %(wrong)s::smallint END)::smallint AS flags
    FROM bars o
    LEFT JOIN doubts d ON d.symbol_id = o.symbol_id AND d."timestamp" = o."timestamp"
    LEFT JOIN wrong w ON w.symbol_id = o.symbol_id AND w.session_date = o.session_date
    WHERE o.symbol_id = ANY (%(ids)s::integer[]) AND o.timeframe = %(timeframe)s AND o.origin = %(origin)s
      AND o."timestamp" >= %(first)s AND o."timestamp" < %(last)s
      AND (o.session_date = %(day)s OR d.symbol_id IS NOT NULL OR w.symbol_id IS NOT NULL)
) n
WHERE b.symbol_id = n.symbol_id AND b.timeframe = %(timeframe)s AND b.origin = %(origin)s AND b."timestamp" = n."timestamp"
  AND b."timestamp" >= %(first)s AND b."timestamp" < %(last)s AND n.flags <> n.former
