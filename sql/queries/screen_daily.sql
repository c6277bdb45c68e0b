-- Starts of daily bars that the rules must look at.
SELECT array_agg(to_char("timestamp" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS+00'))
FROM staged
WHERE ({screen}) IS NOT TRUE OR session_date > %(finished_to)s OR session_date = ANY (%(closed)s::date[])
