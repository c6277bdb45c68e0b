-- The rows that can become bars, series by series, by start; of one start the last written first.
SELECT our_id, timeframe, start, local_day, open::text, high::text, low::text, close::text, volume::text
FROM ({mapped}) mapped
WHERE refused IS NULL
ORDER BY our_id, timeframe, start, seen DESC
