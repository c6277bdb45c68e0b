-- What is complete of one series.
SELECT complete, refetched_to
FROM coverage
WHERE symbol_id = %(symbol_id)s AND timeframe = %(timeframe)s AND origin = %(origin)s
