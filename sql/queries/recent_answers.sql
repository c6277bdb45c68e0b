-- How the newest requests of shorter bars were answered: bar size, session dates, seconds, and whether no answer came in time.
SELECT timeframe, start_date, end_date, extract(epoch FROM completed_at - started_at)::float8, outcome = 'timeout'
FROM collection_logs
WHERE started_at >= %(since)s AND window_start IS NOT NULL AND (records_collected > 0 OR outcome = 'timeout')
ORDER BY started_at DESC
LIMIT 400
