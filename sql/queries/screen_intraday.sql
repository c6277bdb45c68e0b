-- Starts of shorter bars that the rules must look at.
SELECT array_agg(to_char("timestamp" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS+00'))
FROM staged s
LEFT JOIN unnest(%(dates)s::date[], %(opens)s::timestamptz[], %(lasts)s::timestamptz[]) AS e (session_date, open_at, last_at)
    ON e.session_date = s.session_date
WHERE ({screen}) IS NOT TRUE OR "timestamp" + %(bar_seconds)s * interval '1 second' > %(asked_at)s
   OR e.session_date IS NULL OR "timestamp" < e.open_at OR "timestamp" > e.last_at
