-- Of each symbol's daily bars: how many, and the sums of their days since 1970 and of those squared: two sets of days that agree
-- in all three are the same, but by a contrivance. Squares of whole numbers of four bytes (to 2096): sums of eight cost double.
SELECT symbol_id, count(*), sum(session_date - date '1970-01-01'),
       sum((session_date - date '1970-01-01') * (session_date - date '1970-01-01'))
FROM bars
WHERE timeframe = '1day' AND origin = %(origin)s
  AND (%(symbols)s::integer[] IS NULL OR symbol_id = ANY (%(symbols)s::integer[]))
  AND "timestamp" >= %(first)s::timestamptz AND "timestamp" < %(end)s::timestamptz
GROUP BY symbol_id
