-- A number for the request, the origin's, what is complete of a series, and what bars has of it. No row: the origin is new.
SELECT nextval('collection_logs_id_seq'), o.id, c.symbol_id IS NULL, c.complete::text, c.refetched_to, m.start_date, m.end_date, m.bar_count
FROM origins o
LEFT JOIN coverage c ON c.symbol_id = %(symbol_id)s AND c.timeframe = %(timeframe)s AND c.origin = o.id
LEFT JOIN historical_data_metadata m ON m.symbol_id = %(symbol_id)s AND m.timeframe = %(timeframe)s AND m.origin = o.id
WHERE o.kind = %(kind)s AND o.source = %(source)s AND o.regular_hours = %(regular_hours)s
