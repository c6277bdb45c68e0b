-- A number for the request, what is complete of a series, and what bars has of it.
SELECT nextval('collection_logs_id_seq'), c.symbol_id IS NULL, c.complete, c.refetched_to, m.start_date, m.end_date, m.bar_count
FROM (SELECT) AS one
LEFT JOIN coverage c ON c.symbol_id = %(symbol_id)s AND c.timeframe = %(timeframe)s AND c.origin = %(origin)s
LEFT JOIN historical_data_metadata m ON m.symbol_id = %(symbol_id)s AND m.timeframe = %(timeframe)s AND m.origin = %(origin)s
