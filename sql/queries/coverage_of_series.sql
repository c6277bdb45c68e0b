-- What is complete of one series, and between which session dates bars has anything of it.
SELECT c.complete, c.refetched_to, m.start_date, m.end_date
FROM coverage c
LEFT JOIN historical_data_metadata m USING (symbol_id, timeframe, origin)
WHERE c.symbol_id = %(symbol_id)s AND c.timeframe = %(timeframe)s AND c.origin = %(origin)s
